"""adtrack in Python: the documented examples run, what is kept scores the same, mistakes are sentences."""

import ast
import dataclasses
import doctest
import inspect
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import adtrack
from adtrack.api import fitting, search
from adtrack.data.demo import data_root
from adtrack.detectors import DETECTORS
from adtrack.errors import UserError

SMALL = {"backbone": "resnet18", "weights": "random", "resize": 64, "crop": 0, "layers": "layer2", "device": "cpu"}


@pytest.fixture(scope="module")
def part() -> Path:
    return data_root("demo") / "zipper"


@pytest.fixture(scope="module")
def model(part: Path) -> adtrack.Model:
    return adtrack.fit(part / "train" / "good", coreset_fraction=0.05, **SMALL)


def test_the_examples_of_the_documentation_run(part: Path, model: adtrack.Model, tmp_path: Path) -> None:
    known = {
        "good": part / "train" / "good",
        "photo": sorted((part / "test" / "good").iterdir())[0],
        "saved": model.save(tmp_path / "zipper"),
    }
    found = [doctest.testmod(module, extraglobs=known) for module in (fitting, search)]
    assert sum(one.attempted for one in found) >= 8 and not any(one.failed for one in found)


def test_a_saved_model_is_the_same_and_the_command_line_scores_with_it(
    part: Path, model: adtrack.Model, tmp_path: Path
) -> None:
    folder = model.save(tmp_path / "new" / "zipper")
    read = adtrack.load(folder, device="cpu")
    for file in sorted((part / "test").rglob("*.png"))[:4]:
        one, other = model.score(file), read.score(str(file))
        assert (one.score, one.threshold, one.label) == (other.score, other.threshold, other.label)
        assert np.array_equal(one.map, other.map, equal_nan=True)
    assert repr(read) == repr(model) and read.facts["class"] == "zipper" and read.method == "patchcore"
    model.save(folder)  # a model gives way to another one
    command = [sys.executable, "-m", "adtrack", "score", "--model", str(folder), str(part / "test" / "good")]
    done = subprocess.run(
        [*command, "--out", "scored", "--device", "cpu"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    table = (tmp_path / "scored" / "scores.csv").read_text().splitlines()
    path, score = table[1].split(",")[:2]
    assert float(score) == read.score(path).score


def test_pixels_score_as_their_file(part: Path, model: adtrack.Model) -> None:
    file = sorted((part / "test" / "good").iterdir())[0]
    pixels = model.scorer.read(file)
    assert model.score(pixels).score == model.score(file).score
    assert model.score(pixels[..., 0]).map.shape == pixels.shape[:2]
    for wrong in (pixels.astype(np.float32), pixels[..., :2], pixels[None], pixels[:0]):
        with pytest.raises(UserError, match=r"pixels must be uint8 \(H, W, 3\)"):
            model.score(wrong)


def test_a_list_of_files_and_other_methods(part: Path) -> None:
    files = sorted((part / "train" / "good").iterdir())
    padim = adtrack.fit(files, method="padim", padim_dimensions=20, name="my zipper", **SMALL)
    assert padim.method == "padim" and padim.facts["class"] == "my zipper"
    assert padim.score(files[0]).label in (0, 1)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"method": "magic"}, f"method must be one of {', '.join(DETECTORS)}, but got 'magic'"),
        ({"patch_sise": 3}, "options of patchcore must be among .* Hint: did you mean patch_size?"),
        ({"patch_size": 2}, "patch size must be odd, but got 2"),
        ({"layers": 5}, "layers must be different layer names joined by [+], but got 5"),
        (
            {"layers": ["layer2", "layer2"]},
            "layers must be different layer names joined by [+], but got 'layer2[+]layer2'",
        ),
        ({"coreset_fraction": "1.5"}, r"coreset fraction must be in \(0, 1\], but got 1.5"),
    ],
)
def test_mistakes_are_sentences(part: Path, given: dict, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        adtrack.fit(part / "train" / "good", **{**SMALL, **given})


def test_a_folder_of_something_else_is_not_overwritten(model: adtrack.Model, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match="holds something else"):
        model.save(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["notes.txt"]


def test_a_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    fixed = {"patch_size": 3, "smooth": 0.0, "augment": 0, "standardise": 0.0, "score_top": 0.0}
    study = adtrack.tune("demo", "zipper", trials=2, space={"coreset_fraction": [0.05, 0.1]}, **fixed, **SMALL)
    table = study.table()
    assert list(table["patch_size"]) == [3, 3] and sorted(table["coreset_fraction"]) == [0.05, 0.1]
    assert study.best.number == table["trial"][0] and study.uri == "models:/adtrack-zipper/1"
    assert study.model("cpu").threshold > 0 and Path(study.report).is_file()


def test_importing_the_package_loads_none_of_its_libraries() -> None:
    code = "import sys, adtrack; sys.exit(bool({'torch', 'numpy', 'mlflow', 'click'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0
    with pytest.raises(AttributeError, match="no attribute 'fitt'"):
        _ = adtrack.fitt
    assert {"fit", "load", "tune"} <= set(dir(adtrack))


def test_the_readme_uses_names_that_there_are() -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```python\nimport adtrack\n(.*?)```", readme, re.DOTALL)
    owners = {"adtrack": adtrack, "model": adtrack.Model, "study": adtrack.Study}
    used = [node for node in ast.walk(ast.parse(block)) if isinstance(node, ast.Attribute)]
    names = [(node.value.id, node.attr) for node in used if isinstance(node.value, ast.Name)]
    assert len(names) >= 8 and not [name for name in names if not hasattr(owners[name[0]], name[1])]
    fields = {field.name for field in dataclasses.fields(adtrack.Result)}
    assert {"score", "threshold", "label", "map"} == fields
    for call in (node for node in ast.walk(ast.parse(block)) if isinstance(node, ast.Call)):
        if (
            isinstance(call.func, ast.Attribute)
            and isinstance(call.func.value, ast.Name)
            and call.func.value.id == "adtrack"
        ):
            inspect.signature(getattr(adtrack, call.func.attr)).bind(
                *call.args, **{keyword.arg: keyword.value for keyword in call.keywords}
            )


def test_a_model_goes_with_the_light(part: Path, tmp_path: Path) -> None:
    model = adtrack.fit(part / "train" / "good", coreset_fraction=0.05, good_quantile=0.6, **SMALL)
    photos = [np.asarray(Image.open(file)) for file in sorted((part / "train" / "good").iterdir())[:8]]
    dim = [np.uint8(photo * 0.9) for photo in photos]
    moved = model.adapt(dim)
    scores = [model.score(photo).score for photo in dim]
    assert [moved.score(photo).score for photo in dim] == scores
    assert float(moved.facts["adapted_median"]) == np.median(scores) and moved.facts["adapted_photos"] == "8"
    assert float(moved.facts["threshold_before"]) == model.threshold != moved.threshold
    for number, photo in enumerate(dim):
        Image.fromarray(photo).save(tmp_path / f"{number}.png")
    assert model.adapt([*dim, dim[0]]).threshold == moved.threshold  # the same photo twice counts once
    assert model.adapt(tmp_path).threshold == moved.threshold == model.adapt(sorted(tmp_path.iterdir())).threshold
    read = adtrack.load(moved.save(tmp_path / "moved"), device="cpu")
    assert read.threshold == moved.threshold and read.adapt(dim).threshold == moved.threshold
    with pytest.raises(UserError, match="at least 4 different photos"):
        model.adapt(dim[:3])
    before = dataclasses.replace(model.scorer.calibration, good=None)
    with pytest.raises(UserError, match="from a version that kept none"):
        adtrack.Model(dataclasses.replace(model.scorer, calibration=before)).adapt(dim)
