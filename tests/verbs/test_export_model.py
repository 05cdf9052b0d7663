"""export-model: what it writes scores as the model does, also where adtrack is not installed; what it refuses."""

import csv
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import distribution
from pathlib import Path

import mlflow
import numpy as np
import pytest
from mlflow import MlflowClient
from PIL import Image

from adtrack.edge import formats
from adtrack.edge.agreement import Agreement, TwiceScored
from adtrack.edge.engines import Engine, ViewJudgement
from adtrack.edge.kit.view import view_of
from adtrack.errors import UserError
from adtrack.tracking.model_health import look_at_models
from adtrack.tracking.models import load_model
from adtrack.tracking.run_health import look_at_runs, look_at_tags
from adtrack.tracking.store import open_store, search_runs
from adtrack.verbs.export_model import verb
from adtrack.verbs.export_model.folder import check_folder, place

MODEL = "models:/adtrack-part/1"
NAME = "adtrack-part-1"
SUFFIXES = {"onnx": ("onnx",), "openvino": ("bin", "xml")}
RUNTIMES = {"onnx": "onnxruntime", "openvino": "openvino"}
BESIDE = {"README.md", "Dockerfile", "camera.py", "model.py", "photos.py", "view.py", "check.json", "scores.csv"}
FAILED = {"failed-check.json", "failed-scores.csv"}


@dataclass(frozen=True)
class Made:
    """A store with a registered version of "part" and its exports, by format: the folder, and what was printed."""

    folder: Path
    cache: Path
    folders: dict[str, Path]
    printed: dict[str, str]


@pytest.fixture(scope="module")
def _made(tmp_path_factory: pytest.TempPathFactory, blank_store: Path, adtrack: Callable, tiny_data: Path) -> Made:
    folder, cache = tmp_path_factory.mktemp("exports"), tmp_path_factory.mktemp("exports-cache")
    shutil.copy(blank_store, folder)
    part = ("--class", "part", "--data", str(tiny_data), "--backbone", "timm/test_resnet", "--weights", "random")
    bank = ("--resize", 72, "--crop", 64, "--layers", "layer2+layer3", "--coreset-fraction", 0.25, "--register")
    folders, printed = {}, {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("ADTRACK_CACHE", str(cache))
        built = adtrack("build-bank", *part, *bank, "--device", "cpu")
        assert built.code == 0, built.err
        for name in SUFFIXES:
            folders[name] = folder / f"line-{name}"
            done = adtrack("export-model", "--model", MODEL, "--format", name, "--out", folders[name])
            assert done.code == 0, done.out + done.err
            printed[name] = done.out
    return Made(folder, cache, folders, printed)


@pytest.fixture
def made(_made: Made, workplace: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Made]:
    """The version and its exports in a store of the test's own; their files are for reading only."""
    shutil.copy(_made.folder / "mlflow.db", workplace)
    monkeypatch.setenv("ADTRACK_CACHE", str(_made.cache))
    open_store()
    yield _made


@pytest.fixture
def export(adtrack: Callable, tmp_path: Path) -> Callable:
    """Exports the version to ``tmp_path/out``."""
    return lambda *options: adtrack("export-model", "--model", MODEL, "--out", tmp_path / "out", *options)


def judged(photos: Sequence[Path]) -> dict[Path, tuple[float, bool]]:
    """Score and label of photos by the registered version."""
    import torch

    scorer = load_model(MODEL, torch.device("cpu")).scorer
    found = {photo: scorer.judge(scorer.read(photo)) for photo in photos}
    return {photo: (one.score, one.anomalous) for photo, one in found.items()}


@pytest.mark.parametrize("name", SUFFIXES)
def test_an_export_is_checked_on_val_and_brings_all_that_it_needs(made: Made, name: str) -> None:
    out = made.folders[name]
    assert {file.name for file in out.iterdir()} == BESIDE | {f"{NAME}.{suffix}" for suffix in SUFFIXES[name]}
    check = json.loads((out / "check.json").read_text())
    assert check["passed"] and check["troubles"] == [] and set(check["sets"]) == {"val_clean", "val_shift"}
    for found in check["sets"].values():
        assert found["images"] == 4 and found["labels_changed"] == 0
        assert 0 <= found["score_median"] <= found["score_greatest"] < 1e-4 and found["map_greatest"] < 1e-4
    with (out / "scores.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    (bank,) = search_runs("tags.`adtrack.role` = 'bank'")
    logged: dict[str, str] = {}
    for of_set in check["sets"]:
        text = Path(MlflowClient().download_artifacts(bank.info.run_id, f"scores/{of_set}.csv")).read_text()
        logged |= {f"{of_set} {row['path']}": row["score"] for row in csv.DictReader(text.splitlines())}
    assert {f"{row['set']} {row['path']}": row["registered_score"] for row in rows} == logged and len(rows) == 8
    assert "Val-shift       4" in made.printed[name] and f"{NAME}.{SUFFIXES[name][-1]} (" in made.printed[name]
    readme = (out / "README.md").read_text()
    assert MODEL in readme and "all of it squeezed to 72 × 72" in readme and "| Val-clean | 4 |" in readme
    assert len((out / "camera.py").read_text().splitlines()) <= 30  # of an example that people begin with
    docker = (out / "Dockerfile").read_text()
    assert f"COPY camera.py model.py photos.py view.py {NAME}." in docker and f" {RUNTIMES[name]}==" in docker


def test_8_bits_are_a_model_of_their_own_that_says_what_it_loses(made: Made, export: Callable, tmp_path: Path) -> None:
    import torch

    done = export("--int8", "--format", "onnx")
    assert done.code == 0, done.out + done.err
    assert "another model than the registered one" in done.out and "Image AUROC of Val-shift" in done.out
    told = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert "## A network with 8 bits" in told and "have another label" in told
    check = json.loads((tmp_path / "out" / "check.json").read_text(encoding="utf-8"))
    registered = load_model(MODEL, torch.device("cpu")).scorer.calibration.threshold
    assert check["passed"] and check["threshold"] != registered
    sizes = [(folder / f"{NAME}.onnx").stat().st_size for folder in (tmp_path / "out", made.folders["onnx"])]
    assert sizes[0] < sizes[1]
    (run,) = search_runs("params.format = 'onnx-int8'")
    assert run.data.metrics["cost/export_mb"] == pytest.approx(sizes[0] / 1e6)
    assert run.data.metrics["cost/export_mb_before"] == pytest.approx(sizes[1] / 1e6)
    assert "val_clean/int8_image_auroc_difference_low" in run.data.metrics
    assert set(MlflowClient().get_model_version("adtrack-part", "1").tags) >= {"adtrack.export.onnx-int8"}
    assert [file.path for file in MlflowClient().list_artifacts(run.info.run_id)] == ["export"]  # no file of the work


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory, tiny_data: Path) -> list[Path]:
    """Photos of the part in several shapes, one of them turned by its tag, and a text between them."""
    folder = tmp_path_factory.mktemp("photos")
    found = []
    for number, file in enumerate(sorted((tiny_data / "part" / "test").rglob("*.png"))[::3]):
        image = Image.open(file).resize((90, 70) if number % 2 else (80, 300))
        found.append(folder / f"{number}.{'jpg' if number == 1 else 'png'}")
        image.save(found[-1], exif=turned() if number == 1 else None)
    (folder / "notes.txt").write_text("no photo")
    return found


def turned() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


def linked(folder: Path, *packages: str) -> Path:
    """A folder that holds nothing but these installed packages."""
    folder.mkdir()
    for package in packages:
        for file in distribution(package).files or ():
            top = file.parts[0]
            if top != ".." and not (folder / top).exists():
                (folder / top).symlink_to(Path(str(distribution(package).locate_file(top))).resolve())
    return folder


@pytest.mark.parametrize("name", SUFFIXES)
def test_the_loop_scores_photos_where_neither_adtrack_nor_torch_is(
    made: Made, photos: list[Path], name: str, tmp_path: Path
) -> None:
    site, line = linked(tmp_path / "site", "numpy", "pillow", RUNTIMES[name]), tmp_path / "line"
    shutil.copytree(made.folders[name], line)
    # Without site-packages: what is found is the standard library and what the folder holds.
    code = f"""
import sys
sys.path += [{str(line)!r}, {str(site)!r}]
for name in ("adtrack", "torch", "mlflow", "onnx"):
    try:
        __import__(name)
        sys.exit(f"{{name}} is there")
    except ImportError:
        pass
sys.argv = ["camera.py", {str(photos[0].parent)!r}]
import camera
"""
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    lines = [line.split("\t") for line in done.stdout.splitlines()]
    expected = judged(photos)
    assert [Path(path) for path, _, _ in lines] == photos
    for path, score, label in lines:
        assert float(score) == pytest.approx(expected[Path(path)][0], rel=1e-5)
        assert int(label) == expected[Path(path)][1]
    assert len({score for _, score, _ in lines}) == len(photos)


def test_the_loop_names_photos_that_it_cannot_score_and_leaves_no_file(
    made: Made, photos: list[Path], export: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    line, seen = shutil.copytree(made.folders["onnx"], tmp_path / "out"), tmp_path / "seen"
    seen.mkdir()
    (seen / "a.png").write_bytes(photos[0].read_bytes()[:300])
    Image.fromarray(np.full((20, 20), 3000, np.uint16)).save(seen / "b.png")
    shutil.copy(photos[0], seen / "c.png")
    done = loop(line, seen)
    assert done.returncode == 1 and done.stdout.startswith(f"{seen / 'c.png'}\t") and "Traceback" not in done.stderr
    said = done.stderr.splitlines()
    assert said[0].startswith(f"{seen / 'a.png'} is not scored: ") and said[-1] == "2 of 3 photos are not scored"
    assert said[1] == f"{seen / 'b.png'} is not scored: it has more than 8 bits a channel"
    done = loop(line, tmp_path / "nowhere")
    assert done.returncode == 1 and "nowhere there is no photo" in done.stderr
    assert {file.name for file in line.iterdir()} == {file.name for file in made.folders["onnx"].iterdir()}
    (line / "__pycache__").mkdir()  # by another program that imports view.py
    assert export().code == 0


def test_the_loop_says_that_a_camera_gives_no_picture(made: Made, tmp_path: Path) -> None:
    (tmp_path / "cv2.py").write_text(
        "class VideoCapture:\n    __init__ = lambda *_: None\n    read = lambda _: (False, None)\n"
    )
    done = loop(made.folders["onnx"], "0", PYTHONPATH=str(tmp_path))
    assert done.returncode == 1 and done.stderr.startswith("camera 0 gives no picture") and not done.stdout


def loop(line: Path, source: object, **variables: str) -> subprocess.CompletedProcess[str]:
    """``camera.py`` of an export, run in its place."""
    command = [sys.executable, str(line / "camera.py"), str(source)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env={**os.environ, **variables})


def test_mlflow_serves_the_onnx_file_and_finds_each_export_from_its_version(made: Made, photos: list[Path]) -> None:
    tags = MlflowClient().get_model_version("adtrack-part", "1").tags
    onnx, other = (tags[f"adtrack.export.{name}"] for name in SUFFIXES)
    assert onnx.startswith("models:/m-") and other.startswith("runs:/") and onnx in made.printed["onnx"]
    served, expected = mlflow.pyfunc.load_model(onnx), judged(photos)
    for photo in photos:
        if photo.suffix == ".jpg":  # turned
            continue
        view = view_of(np.asarray(Image.open(photo).convert("RGB")), 72, 64, "bilinear")
        found = served.predict({"view": view})
        assert found["score"].item() == pytest.approx(expected[photo][0], rel=1e-5)
        assert found["label"].item() == expected[photo][1] and found["anomaly_map"].shape == (1, 64, 64)
    page = MlflowClient().get_logged_model(onnx.removeprefix("models:/")).tags["mlflow.note.content"]
    assert f"mlflow models serve -m {onnx} " in page and "| Val-clean | 4 |" in page
    folder = Path(mlflow.artifacts.download_artifacts(other))
    assert (folder / f"{NAME}.xml").read_bytes() == (made.folders["openvino"] / f"{NAME}.xml").read_bytes()
    runs = search_runs("tags.`adtrack.role` = 'export'")
    assert {run.data.tags["adtrack.exported_from"] for run in runs} == {MODEL}
    assert all(
        run.info.status == "FINISHED" and run.data.metrics["val_clean/export_labels_changed"] == 0 for run in runs
    )
    assert [run.data.params["format"] for run in runs] == list(SUFFIXES)


def test_doctor_calls_nothing_broken_and_no_verb_takes_an_export_for_a_detector(
    made: Made, adtrack: Callable, photos: list[Path], tmp_path: Path
) -> None:
    checks = [*look_at_models(), look_at_runs(), look_at_tags()]
    assert [finding for check in checks for finding in check.findings] == []
    export = MlflowClient().get_model_version("adtrack-part", "1").tags["adtrack.export.onnx"]
    done = adtrack("score", photos[0], "--model", export, "--out", tmp_path / "scored")
    assert done.code == 2 and f"model must be a detector, but {export} is an export of one." in done.err


class Otherwise(Engine):
    """An engine that calls every image's score a little more."""

    name = "another engine"

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def run(self, view: np.ndarray) -> ViewJudgement:
        found = self._engine.run(view)
        return replace(found, score=found.score * 1.2)


def test_an_export_that_scores_otherwise_is_not_kept(
    made: Made, export: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = verb.open_engine
    monkeypatch.setattr(verb, "open_engine", lambda *asked: Otherwise(real(*asked)))
    before = len(search_runs(""))
    done = export()
    assert done.code == 1 and "FAIL  a score may move by 0.01 of the scores' standard deviation" in done.out
    assert "Not exported: no model was kept." in done.out and "Exported:" not in done.out
    assert {file.name for file in (tmp_path / "out").iterdir()} == FAILED
    assert not json.loads((tmp_path / "out" / "failed-check.json").read_text())["passed"]
    assert len(search_runs("")) == before
    shutil.rmtree(tmp_path / "out")
    shutil.copytree(made.folders["onnx"], tmp_path / "out")
    assert export().code == 1
    earlier = {file.name: file.read_bytes() for file in made.folders["onnx"].iterdir()}
    assert {file.name for file in (tmp_path / "out").iterdir()} == FAILED | set(earlier)
    assert all((tmp_path / "out" / name).read_bytes() == content for name, content in earlier.items())
    monkeypatch.undo()


def test_an_export_that_is_stopped_leaves_no_run_at_work_and_no_tag(
    made: Made, export: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    tag = MlflowClient().get_model_version("adtrack-part", "1").tags["adtrack.export.onnx"]
    monkeypatch.setattr(verb, "write_companions", stop)
    assert export().code == 130 and not (tmp_path / "out").exists()
    assert search_runs("attributes.status = 'RUNNING'") == []
    assert search_runs("tags.`adtrack.role` = 'export'")[-1].info.status == "KILLED"
    assert MlflowClient().get_model_version("adtrack-part", "1").tags["adtrack.export.onnx"] == tag
    assert [finding for check in look_at_models() for finding in check.findings] == []


def test_val_must_be_there_to_check_an_export(made: Made, export: Callable, tmp_path: Path, tiny_data: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    done = export("--data", tmp_path / "elsewhere")
    assert done.code == 2 and "none of 4 of val_clean lies so in" in done.err and "--data says where" in done.err
    moved = shutil.copytree(tiny_data, tmp_path / "moved")
    for file in (moved / "part" / "test" / "spot").iterdir():
        file.unlink()
    done = export("--data", moved)
    assert done.code == 0 and "images of Val could not be scored again: their files have changed or gone." in done.out


def test_what_cannot_be_exported_is_said_before_anything_is_written(
    made: Made, export: Callable, adtrack: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    done = export("--format", "tflite")
    assert done.code == 2 and "format must be onnx or openvino, but got 'tflite'." in done.err
    done = adtrack("export-model", "--model", "models:/adtrack-part/7", "--out", out)
    assert done.code == 2 and "model must be one that the tracking store knows" in done.err
    done = adtrack("export-model", "--model", made.folder / "mlruns", "--out", out)
    assert done.code == 2 and "must" in done.err
    assert not out.exists()
    out.write_text("a file")
    assert "out must be a folder, but" in export().err
    out.unlink()
    out.mkdir()
    (out / "model.onnx").write_text("mine")
    assert "holds 1 other file: model.onnx" in export().err and (out / "model.onnx").read_text() == "mine"
    monkeypatch.setattr(formats.importlib.util, "find_spec", lambda name: None if name == "openvino" else name)
    done = export("--format", "openvino")
    assert done.code == 2 and "openvino is not installed. Hint: pip install 'adtrack[edge]'" in done.err


def test_the_same_command_replaces_an_earlier_export(made: Made, export: Callable, tmp_path: Path) -> None:
    shutil.copytree(made.folders["openvino"], tmp_path / "out")
    (tmp_path / "out" / "README.md").write_text("old")
    assert export().code == 0
    assert {file.name for file in (tmp_path / "out").iterdir()} == BESIDE | {f"{NAME}.onnx"}
    assert "as ONNX" in (tmp_path / "out" / "README.md").read_text()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    done = export()
    assert done.code == 2 and "out must be empty or hold an earlier export, but" in done.err and "mine.txt" in done.err


def test_an_earlier_export_stays_where_a_new_one_cannot_be_copied(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, copied = shutil.copytree(made.folders["openvino"], tmp_path / "out"), []

    def copy(source: Path, target: Path) -> None:
        if len(copied) == 3:
            raise OSError(28, "No space left on device")
        copied.append(target.write_bytes(source.read_bytes()))

    monkeypatch.setattr(shutil, "copyfile", copy)
    with pytest.raises(UserError, match="No space left"):
        place(made.folders["onnx"], out)
    monkeypatch.undo()
    assert {file.name: file.read_bytes() for file in out.iterdir()} == {
        file.name: file.read_bytes() for file in made.folders["openvino"].iterdir()
    }


@pytest.mark.parametrize("name", ["cameras.xml", "failed-check.json"])
def test_what_no_export_has_written_is_never_replaced(made: Made, tmp_path: Path, name: str) -> None:
    out = shutil.copytree(made.folders["openvino"], tmp_path / "out")
    (out / name).write_text("mine")
    with pytest.raises(UserError, match=f"holds 1 other file: {name}"):
        check_folder(out)


def test_labels_that_change_at_the_threshold_are_named() -> None:
    from adtrack.verbs.export_model.report import print_export

    images = [TwiceScored("val_clean", f"{at}.png", at, at, int(at >= 2), int(at >= 2), None) for at in range(5)]
    images[2] = replace(images[2], exported=1.9999999, exported_label=0)
    lines: list[str] = []
    agreement = Agreement("engine", 2.0, None, tuple(images))
    made = verb.Export(MODEL, Path("out"), "a.onnx", 1.0, agreement, lacking=0, uri="uri", run_id="run")
    print_export(made, lines.append)
    told = "1 label changed within that distance of the threshold: 2.png of Val-clean"
    assert told in lines and any(line.startswith("Exported: out/a.onnx (1.0 MB)") for line in lines)
