"""build-bank and evaluate: one model, which is built or loaded, in a run of its own."""

import csv
import json
import re
from importlib.metadata import version
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient
from PIL import Image

from adtrack.data.loading import decode
from adtrack.data.reading import Reading
from adtrack.tracking.run_contents import run_file
from adtrack.tracking.store import search_runs

CHAMPION = "models:/adtrack-part@champion"
BANK = ("--layers", "layer2", "--coreset-fraction", "0.25")


def only_run():
    runs = search_runs("")
    assert len(runs) == 1
    return runs[0]


def splits_in(run) -> set[str]:
    return {name.partition("/")[0] for name in run.data.metrics} - {"cost"}


def changed(options: tuple[str, ...], name: str, value: object) -> list[str]:
    """The options with another value behind ``name``."""
    return [str(value) if before == name else text for before, text in zip(("", *options), options, strict=False)]


def new_runs(known: set[str]) -> list:
    return [run for run in search_runs("") if run.info.run_id not in known]


def test_a_bank_is_measured_on_val_and_logged(workplace, adtrack, part):
    done = adtrack("build-bank", *part, *BANK)
    assert done.code == 0 and done.err == "", done.err
    run = only_run()
    assert run.info.status == "FINISHED" and run.data.tags["adtrack.role"] == "bank"
    assert run.data.tags["adtrack.class"] == "part" and run.data.tags["adtrack.study"] == "none"
    assert run.data.params["layers"] == "layer2" and run.data.params["coreset_fraction"] == "0.25"
    assert splits_in(run) == {"val_clean", "val_shift"} and "cost/bank_mb" in run.data.metrics
    assert run.info.run_id in done.out and run.data.tags["adtrack.model"] in done.out
    rows = run.data.metrics["cost/bank_rows"]
    assert f"PatchCore: {rows:.0f} patches" in done.out and rows == round(0.25 * 8 * 8 * 8)
    assert MlflowClient().search_registered_models() == []
    folder = mlflow.artifacts.download_artifacts(run.data.tags["adtrack.model"])
    assert "trunk.safetensors" in {item.name for item in Path(folder).rglob("*")}


def test_how_files_were_read_is_told_and_kept(workplace, adtrack, write_part, part):
    root = write_part(workplace / "data")
    tag = Image.Exif()
    tag[0x0112] = 3
    for file in (root / "part").rglob("*.png"):
        plane = np.asarray(Image.open(file).convert("L")).astype(np.uint16)
        is_mask = file.name.endswith("_mask.png")
        Image.fromarray(0 * plane if is_mask else plane * 4).save(file, exif=None if is_mask else tag)
    done = adtrack("build-bank", *changed(part, "--data", root), *BANK, "--register")
    assert done.code == 0, done.err
    for said in ("are read as 10-bit data", "22 images (part/", "In 8 masks (part/", "no pixel is marked"):
        assert said in done.err
    assert "No pixel metrics: none of the 8 masks of class part marks a pixel." in done.out and "nan" not in done.out
    run = only_run()
    assert run.data.params["bit_depth"] == run.data.tags["adtrack.bit_depth"] == "10"
    assert json.loads(run_file(run.info.run_id, "splits.json").read_text())["reading"] == {"bits": 10, "upright": True}
    # A server reads photos so, too: by a batch of pixels nobody knows how they lay in a file.
    model = mlflow.pyfunc.load_model(CHAMPION)
    photo = root / "part/train/good/000.png"
    batch = decode(photo, reading=Reading(10))[None]
    assert model.predict([photo.read_bytes()])["score"][0] == model.predict(batch)["score"][0]
    done = adtrack("build-bank", *changed(part, "--data", root), *BANK, "--bit-depth", "8")
    assert done.code == 2 and "below 256 as 8-bit data have" in done.err


def test_a_bank_of_few_images_says_so_and_is_tested_on_the_images_of_its_own_splits(workplace, adtrack, part):
    done = adtrack("build-bank", *part, *BANK, "--train-images", 3, "--register")
    assert done.code == 0, done.err
    built = only_run()
    assert built.data.params["train_images"] == built.data.tags["adtrack.train_images"] == "3"
    assert built.info.run_name.endswith(" from 3 images")
    assert built.data.metrics["cost/bank_rows"] == round(0.25 * 3 * 8 * 8)
    manifest = json.loads(run_file(built.info.run_id, "splits.json").read_text())
    assert manifest["train_images"] == len(manifest["splits"]["train"]) == 3
    assert json.loads(run_file(built.info.run_id, "spec.json").read_text())["data"]["train_images"] == 3
    done = adtrack("evaluate", *part, "--model", CHAMPION)
    assert done.code == 0 and "other images or another split" not in done.err, done.err
    (tested,) = new_runs({built.info.run_id})
    for run in (built, tested):
        assert run.data.params["train_images"] == "3"
    assert tested.data.tags["adtrack.split_digest"] == built.data.tags["adtrack.split_digest"]
    done = adtrack("evaluate", *part, "--model", CHAMPION, "--train-images", 4)
    assert done.code == 0 and "other images or another split" in done.err


def test_more_train_images_than_there_are_is_a_sentence(workplace, adtrack, part):
    refused = {
        9: "at most the 8 images of Train, but got 9. Hint: auto takes all.",
        0: "a whole number of at least 1, but got 0. Hint: auto takes all.",
        "few": "auto or a whole number of at least 1, but got 'few'.",
    }
    for count, said in refused.items():
        done = adtrack("build-bank", *part, *BANK, "--train-images", count)
        assert done.code == 2 and f"train images must be {said}" in done.err, done.err
    done = adtrack("build-bank", *part, "--layers", "layer2", "--train-images", 1, "--method", "padim")
    assert done.code == 2 and "at least 2 training images, but got 1" in done.err


def test_pictures_of_oddly_named_images_and_defects_can_be_fetched(workplace, adtrack, write_part, part):
    root = write_part(workplace / "data", masks=False)
    for kind, name in (("spot", "a#b"), ("scratch", "a?b")):
        (root / "part/test" / kind).rename(root / "part/test" / name)
    names = ("a#b", "q?x=1", "a%20b", "new\nline", "100%", "back\\slash", "..dots", "x" * 180)
    for folder in ("train/good", "test/a#b", "test/a?b"):
        for file, name in zip(sorted((root / "part" / folder).glob("*.png")), names, strict=False):
            file.rename(file.with_name(f"{name}.png"))
    done = adtrack("build-bank", *changed(part, "--data", root), *BANK)
    assert done.code == 0, done.err
    client, run_id = MlflowClient(), only_run().info.run_id
    sets = ("heatmaps/val_clean", "heatmaps/val_shift")
    listed = [item.path for folder in sets for item in client.list_artifacts(run_id, folder)]
    assert len(listed) == 2 * 9  # three of each kind
    for path in listed:
        assert Path(mlflow.artifacts.download_artifacts(run_id=run_id, artifact_path=path)).is_file()
    assert len({item.path.partition("+")[0] for item in client.list_artifacts(run_id, "images")}) == 2 * 3


@pytest.mark.parametrize(("options", "registered"), [(["--register"], True), (["--register", "false"], False)])
def test_registering_is_asked_for(workplace, adtrack, part, options, registered):
    done = adtrack("build-bank", *options, *part, *BANK)
    assert done.code == 0, done.err
    versions = MlflowClient().search_model_versions("name = 'adtrack-part'")
    assert len(versions) == registered
    assert ("Registered as adtrack-part version 1: candidate and champion" in done.out) == registered
    if registered:
        assert versions[0].run_id == only_run().info.run_id
        assert only_run().data.tags["adtrack.registered"] == "adtrack-part/1"
        scored = adtrack("score", part[3], "--model", CHAMPION, "--out", "scored")
        assert scored.code == 0, scored.err


@pytest.mark.slow
def test_padim_is_built_registered_tested_and_scores(workplace, adtrack, part, tiny_data):
    padim = ("--method", "padim", "--layers", "layer2+layer3", "--padim-dimensions", "20")
    done = adtrack("build-bank", *part, *padim, "--register")
    assert done.code == 0 and done.err == "", done.err
    built = only_run()
    assert built.info.run_name == "bank: part padim layer2+layer3 d20"
    assert built.data.tags["adtrack.method"] == built.data.params["method"] == "padim"
    assert built.data.params["padim_dimensions"] == "20" and "patch_size" not in built.data.params
    assert "PaDiM: 64 Gaussians" in done.out and "Registered as adtrack-part version 1" in done.out
    folder = Path(mlflow.artifacts.download_artifacts(built.data.tags["adtrack.model"]))
    assert f"anomalib=={version('anomalib')}" in (folder / "requirements.txt").read_text().split()
    suffixes = {".safetensors", ".json", ".py", ".zip", ".txt", ".yaml", ".yml", ""}
    assert {file.suffix for file in folder.rglob("*") if file.is_file()} <= suffixes
    assert not any(file.is_file() and file.read_bytes()[:1] == b"\x80" for file in folder.rglob("*"))
    assert {path.name for path in workplace.iterdir()} <= {"mlflow.db", "mlruns"}  # no folder of Lightning's

    done = adtrack("evaluate", *part, "--model", CHAMPION)
    assert done.code == 0 and "Warning" not in done.err, done.err
    (run,) = new_runs({built.info.run_id})
    assert run.data.params["padim_dimensions"] == "20" and splits_in(run) == {"test_clean", "test_shift"}
    assert run.data.metrics["test_clean/threshold"] == built.data.metrics["val_clean/threshold"]

    photo = tiny_data / "part/test/spot/000.png"
    done = adtrack("score", photo, "--model", CHAMPION, "--out", "scored", "--device", "cpu")
    assert done.code == 0, done.err
    with (workplace / "scored/scores.csv").open(newline="") as stream:
        (row,) = csv.DictReader(stream)
    served = mlflow.pyfunc.load_model(CHAMPION).predict(pd.DataFrame({"image": [str(photo)]}))
    assert served["score"].tolist() == [float(row["score"])] and served["label"].tolist() == [int(row["label"])]


def test_without_a_model_evaluate_builds_the_bank_and_tests_it(workplace, adtrack, part):
    done = adtrack("evaluate", *part, *BANK)
    assert done.code == 0, done.err
    run = only_run()
    assert run.data.tags["adtrack.role"] == "evaluation"
    assert splits_in(run) == {"val_clean", "val_shift", "test_clean", "test_shift"}
    assert len({value for name, value in run.data.metrics.items() if name.endswith("/threshold")}) == 1
    shown = re.findall(r"^  (\w+_\w+) ", done.out, re.M)
    assert shown == ["val_clean", "val_shift", "test_clean", "test_shift"]


def test_a_model_is_tested_with_its_own_threshold_in_a_run_of_its_own(study, adtrack, part):
    known = {run.info.run_id for run in search_runs("")}
    best = MlflowClient().get_run(study.best)
    try:
        done = adtrack("evaluate", *part, "--model", CHAMPION, "--layers", "layer1", "--resize", "96")
        assert done.code == 0 and "Warning" not in done.err, done.err
        (run,) = new_runs(known)
        expected = {name: value for name, value in best.data.metrics.items() if name.startswith("test_")}
        assert run.data.metrics == expected  # layers, view and threshold are the model's
        assert run.data.metrics["test_clean/threshold"] == best.data.metrics["val_clean/threshold"]
        assert run.data.params["layers"] == best.data.params["layers"] and run.data.params["resize"] == "64"
        assert run.data.tags["adtrack.model"] == "models:/adtrack-part/1" in done.out
        assert {item.dataset.name for item in run.inputs.dataset_inputs} == {"part/test_clean", "part/test_shift"}
        assert MlflowClient().get_run(study.best).data.metrics == best.data.metrics
    finally:
        for run in new_runs(known):
            MlflowClient().delete_run(run.info.run_id)


def test_a_model_of_another_class_or_none_is_refused(study, adtrack, part, tiny_data, tmp_path):
    known = {run.info.run_id for run in search_runs("")}
    (tmp_path / "nut").symlink_to(tiny_data / "part")
    options = changed(changed(part, "--class", "nut"), "--data", tmp_path)
    done = adtrack("evaluate", *options, "--model", CHAMPION)
    assert (
        done.code == 2 and "the model must be one of class nut, but models:/adtrack-part/1 is one of part" in done.err
    )
    done = adtrack("evaluate", *part, "--model", "models:/adtrack-part@nobody")
    assert done.code == 2 and "models:/adtrack-part@nobody" in done.err and "Traceback" not in done.err
    assert new_runs(known) == []


def test_a_model_of_another_split_is_tested_with_a_warning(study, adtrack, part):
    known = {run.info.run_id for run in search_runs("")}
    try:
        done = adtrack("evaluate", *changed(part, "--data", part[3]), "--seed", "7", "--model", CHAMPION)
        assert done.code == 0, done.err
        (run,) = new_runs(known)
        here, there = run.data.tags["adtrack.split_digest"], MlflowClient().get_run(study.best).data.tags
        assert here != there["adtrack.split_digest"]
        assert f"digest {there['adtrack.split_digest'][:12]}, here {here[:12]}" in done.err
    finally:
        for run in new_runs(known):
            MlflowClient().delete_run(run.info.run_id)
