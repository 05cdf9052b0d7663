"""adapt: photos in, a new candidate out that says how its threshold went; or one sentence, and nothing is made."""

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import mlflow
import numpy as np
import pytest
from mlflow import MlflowClient
from PIL import Image

from adtrack.detectors.calibration import Calibration
from adtrack.detectors.scorer import Scorer
from adtrack.tracking.store import search_runs

from .conftest import Plant

FIRST = "models:/adtrack-ring/1"


def adaptations() -> list:
    return [run for run in search_runs("") if run.data.tags["adtrack.role"] == "adaptation"]


def text(run, path: str) -> str:
    return mlflow.artifacts.load_text(f"runs:/{run.info.run_id}/{path}")


def aliases() -> dict[str, int]:
    found = MlflowClient().get_registered_model("adtrack-ring").aliases
    return {alias: int(version) for alias, version in found.items()}


def load(uri: str) -> Scorer:
    import torch

    from adtrack.tracking.models import load_model

    return load_model(uri, torch.device("cpu"), whole=True).scorer


def test_the_new_candidate_has_moved_its_threshold_and_says_how(adtrack: Callable, plant: Plant) -> None:
    photos = plant.take(14, spots=2)
    done = adtrack("adapt", "--model", "models:/adtrack-ring@champion", photos)
    assert done.code == 0, done.err
    assert "adtrack-ring version 3: candidate\n" in done.out and aliases() == {"champion": 1, "candidate": 3}
    before, after = load(FIRST), load("models:/adtrack-ring@candidate")
    good = before.calibration.good
    assert good is not None and after.calibration.good == good
    assert after.calibration.threshold != before.calibration.threshold
    assert after.calibration.colours == before.calibration.colours
    images = [np.asarray(Image.open(path)) for path in sorted(photos.iterdir())]
    scores = [before.judge(image).score for image in images]
    assert [after.judge(image).score for image in images] == scores  # a detector's own bits do not change
    assert after.facts["adapted_from"] == FIRST and after.facts["adapted_photos"] == "16"
    assert float(after.facts["adapted_median"]) == np.median(scores)
    assert float(after.facts["threshold_before"]) == before.calibration.threshold
    told = f"{before.calibration.threshold:.4g} to {after.calibration.threshold:.4g} with 16 photos"
    version = MlflowClient().get_model_version("adtrack-ring", "3")
    assert told in after.facts["adapted"] and told in version.description
    assert f"went with 16 photos from that of {FIRST}" in version.description  # as of how the threshold was found
    assert version.tags["adtrack.adapted_from"] == FIRST and told in version.tags["adtrack.adapted"]
    (run,) = adaptations()
    assert run.info.status == "FINISHED" and run.data.tags["adtrack.registered"] == "adtrack-ring/3"
    assert told in run.data.tags["mlflow.note.content"]
    metrics = run.data.metrics
    assert metrics["adaptation/threshold_after"] == after.calibration.threshold
    assert metrics["adaptation/photos"] == 16 and metrics["adaptation/photos_median"] == np.median(scores)
    assert metrics["adaptation/threshold_after_low"] < metrics["adaptation/threshold_after_high"]
    rows = list(csv.DictReader(text(run, "adaptation/photos.csv").splitlines()))
    assert [float(row["score"]) for row in rows] == scores
    assert [int(row["label"]) for row in rows] == [int(one >= after.calibration.threshold) for one in scores]
    picture = Path(mlflow.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path="adaptation/scores.png"))
    assert Image.open(picture).size[0] > 1000


def test_an_adapted_version_is_compared_and_promoted_like_any_other(adtrack: Callable, plant: Plant) -> None:
    assert adtrack("adapt", "--model", FIRST, plant.take(16)).code == 0
    (run,) = adaptations()
    threshold = load("models:/adtrack-ring/3").calibration.threshold
    rows = list(csv.DictReader(text(run, "scores/val_clean.csv").splitlines()))
    assert {float(row["threshold"]) for row in rows} == {threshold}
    alarms = [float(row["score"]) >= threshold for row in rows if row["label"] == "0"]
    assert run.data.metrics["val_clean/false_alarm_rate"] == np.mean(alarms)
    compared = adtrack("compare", FIRST, "models:/adtrack-ring/3")
    assert compared.code == 0, compared.err
    promoted = adtrack("promote", "--class", "ring", "--reason", "dimmer light")
    assert promoted.code == 0, promoted.out + promoted.err
    assert aliases()["champion"] == 3
    again = adtrack("adapt", "--model", "models:/adtrack-ring@champion", plant.photos)
    assert again.code == 0, again.err
    assert load("models:/adtrack-ring/4").calibration.threshold == threshold  # every move starts from Val
    assert adtrack("doctor").code == 0


def test_any_method_can_be_adapted(adtrack: Callable, plant: Plant) -> None:
    assert adtrack("adapt", "--model", "models:/adtrack-ring/2", plant.take(8)).code == 0
    found = load("models:/adtrack-ring/3")
    assert found.detector.spec.method == "padim" and set(found.calibration.good.scores) == {"val_clean"}


def test_what_cannot_be_read_is_named_and_left_out(adtrack: Callable, plant: Plant) -> None:
    photos = plant.take(12)
    (photos / "broken.png").write_bytes(b"no picture")
    shutil.copy(photos / "1000.png", photos / "again.png")
    done = adtrack("adapt", "--model", FIRST, photos)
    assert done.code == 1 and "1 photo could not be scored: " in done.out and "broken.png" in done.out
    assert "1 photo there twice" in done.out and ", 12 photos:" in done.out
    (run,) = adaptations()
    rows = {Path(row["path"]).name: row for row in csv.DictReader(text(run, "adaptation/photos.csv").splitlines())}
    assert rows["broken.png"]["error"] and not rows["broken.png"]["score"] and len(rows) == 14


def test_a_model_of_before_is_adapted_by_its_logged_scores(
    adtrack: Callable, plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = plant.take(12)
    assert adtrack("adapt", "--model", FIRST, photos).code == 0
    known = load("models:/adtrack-ring/3").calibration
    read = Calibration.from_fields
    monkeypatch.setattr(Calibration, "from_fields", lambda fields, good=None: read(fields))
    assert adtrack("adapt", "--model", FIRST, photos).code == 0
    monkeypatch.undo()
    assert load("models:/adtrack-ring/4").calibration == known


def refused(done, words: str) -> None:
    assert done.code == 2 and words in done.err and done.err.count("\n") <= 2, done.err
    assert "Traceback" not in done.err + done.out
    assert not adaptations() and aliases() == {"champion": 1, "candidate": 2}
    assert not search_runs("attributes.status = 'RUNNING'")


def test_nothing_is_made_where_the_photos_do_not_tell(adtrack: Callable, plant: Plant, tmp_path: Path) -> None:
    refused(adtrack("adapt", "--model", FIRST, plant.take(3)), "at least 4 different photos, but got 3")
    own = plant.data / "ring" / "test" / "good"
    refused(adtrack("adapt", "--model", FIRST, own), "6 of them are among the model's own images of Test-clean")
    refused(adtrack("adapt", "--model", FIRST, plant.data / "ring/train/good"), "own images of Train-clean")
    plant.take(6, light=1.0, first=2000)
    refused(adtrack("adapt", "--model", "models:/adtrack-ring/2", plant.take(6, light=0.1, first=3000)), "spread about")
    refused(adtrack("adapt", "--model", FIRST, tmp_path / "nowhere"), "does not")
    refused(adtrack("adapt", "--model", "models:/adtrack-ring/9", plant.photos), "model must be one")


def test_a_folder_and_a_model_without_scores_are_refused(
    adtrack: Callable, plant: Plant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(FIRST).save(tmp_path / "saved", with_trunk=True)
    refused(adtrack("adapt", "--model", tmp_path / "saved", plant.take(8)), "but")
    about = json.loads((tmp_path / "saved" / "scorer.json").read_text())
    assert about["good"]["margin"] > 0 and set(about["good"]["scores"]) == {"val_clean", "val_shift"}
    read = Calibration.from_fields
    monkeypatch.setattr(Calibration, "from_fields", lambda fields, good=None: read(fields))
    monkeypatch.setattr("adtrack.tracking.scored_runs._score_sets", lambda run_id: ["test_clean"])
    refused(adtrack("adapt", "--model", FIRST, plant.photos), "none of val_clean and val_shift")
