"""Only good images: what build-bank, evaluate, score, tune, export and experiments do and say then."""

import csv
import json
import shutil
from pathlib import Path

import mlflow
import numpy as np
import pytest
from mlflow import MlflowClient

from adtrack.config import BackboneSpec, ImageSpec
from adtrack.detectors.patchcore_spec import PatchCoreSpec
from adtrack.errors import UserError
from adtrack.lab.setup import Setup
from adtrack.tracking.champions import moves
from adtrack.tracking.store import search_runs
from adtrack.verbs.experiment import Experiment, run_experiment

CHAMPION = "models:/adtrack-photos@champion"
VIEW = ("--resize", "64", "--crop", "0", "--backbone", "resnet18", "--weights", "random", "--device", "cpu")
BANK = ("--layers", "layer2", "--coreset-fraction", "0.25")
METRICS = {"threshold", "false_alarm_rate", "false_alarm_rate_low", "false_alarm_rate_high"}
METRICS |= {"score_median", "score_q95", "score_max"}
WARNING = "Warning: Class photos has no labelled anomalies (photos/test/<defect>/): there will be no AUROC"


@pytest.fixture
def photos(good_data) -> tuple[str, ...]:
    """Options that name the class "photos" behind the smallest network."""
    return ("--class", "photos", "--data", str(good_data), *VIEW)


@pytest.fixture
def train_only(good_data, tmp_path) -> tuple[str, ...]:
    """The same of a copy that holds train/good and nothing else."""
    shutil.copytree(good_data / "photos/train", tmp_path / "own/photos/train")
    return ("--class", "photos", "--data", str(tmp_path / "own"), *VIEW)


def metrics_of(run, name: str) -> dict[str, float]:
    group = f"{name}/"
    return {key.removeprefix(group): value for key, value in run.data.metrics.items() if key.startswith(group)}


def scores_of(run, name: str) -> np.ndarray:
    text = mlflow.artifacts.load_text(f"runs:/{run.info.run_id}/scores/{name}.csv")
    return np.array([float(row["score"]) for row in csv.DictReader(text.splitlines())])


def test_a_bank_of_train_good_alone(workplace, adtrack, train_only):
    done = adtrack("build-bank", *train_only, *BANK, "--good-quantile", "0.6", "--register")
    assert done.code == 0 and done.err.count("Warning") == 1 and WARNING in done.err, done.err
    (run,) = search_runs("")
    assert run.info.status == "FINISHED"
    assert run.data.params["threshold_from"] == "good_quantile" and run.data.params["good_quantile"] == "0.6"
    for name in ("val_clean", "val_shift"):
        found = metrics_of(run, name)
        assert set(found) == METRICS and np.isfinite(list(found.values())).all()
    low, high = np.sort(scores_of(run, "val_clean"))
    assert run.data.metrics["val_clean/threshold"] == pytest.approx(low + 0.8 * (high - low))  # rank 3 · 0.6 = 1.8
    assert {name.partition("/")[0] for name in run.data.metrics} == {"val_clean", "val_shift", "cost"}
    shown = {item.path for item in MlflowClient().list_artifacts(run.info.run_id, "heatmaps")}
    assert {"heatmaps/val_clean.png", "heatmaps/val_shift.png"} <= shown
    spec = json.loads(mlflow.artifacts.load_text(f"runs:/{run.info.run_id}/spec.json"))
    expected = {"calibrate_on": "val_clean", "threshold_from": "good_quantile", "good_quantile": "0.6"}
    assert spec["threshold"] == expected and expected.items() <= run.data.params.items()
    assert {f"adtrack.{name}": value for name, value in expected.items()}.items() <= run.data.tags.items()
    assert "image AUROC" not in done.out and "false alarms 95 %" in done.out
    assert "is the 0.6 quantile of 2 good Val scores: about 40 % (95 %: 1.3 … 99 %) of good parts" in done.out
    assert "highest of them" not in done.out and f"adtrack score --model {CHAMPION} photos/" in done.out


def test_too_few_images_for_the_quantile_are_said(workplace, adtrack, photos):
    done = adtrack("build-bank", *photos, *BANK)
    assert done.code == 0, done.err
    assert "is the 0.99 quantile of 2 good Val scores: about 33 % (95 %: 1.3 … 84 %)" in done.out
    assert "the highest of them: for the 0.99 quantile Val needs 99 good images, which takes about 495" in done.out


def test_both_domains_give_the_threshold_if_that_is_asked_for(workplace, adtrack, train_only):
    done = adtrack("build-bank", *train_only, *BANK, "--calibrate-on", "both", "--good-quantile", "0.6")
    assert done.code == 0, done.err
    (run,) = search_runs("")
    sets = [np.sort(scores_of(run, name)) for name in ("val_clean", "val_shift")]
    highest = max(low + 0.8 * (high - low) for low, high in sets)
    assert run.data.metrics["val_clean/threshold"] == pytest.approx(highest)
    said = (
        "is the 0.6 quantile of 2 good Val-clean and Val-shift scores, whichever is higher: at most about 40 % (95 %: "
    )
    assert said in done.out and run.data.params["calibrate_on"] == "both"


def test_the_best_f1_is_refused_before_anything_is_done(workplace, adtrack, photos):
    done = adtrack("build-bank", *photos, *BANK, "--threshold-from", "f1")
    assert done.code == 2 and "threshold_from f1 needs labelled anomalies, but there are only good images" in done.err
    assert search_runs("") == []


def test_the_model_is_tested_and_scores_like_any_other(workplace, adtrack, photos, train_only, part, tiny_data):
    done = adtrack("build-bank", *photos, *BANK, "--register")
    assert done.code == 0, done.err
    (built,) = search_runs("")
    done = adtrack("evaluate", *photos, "--model", CHAMPION)
    assert done.code == 0 and done.err.count("Warning") == 1 and WARNING in done.err, done.err
    run = search_runs("tags.`adtrack.role` = 'evaluation'")[0]
    assert set(metrics_of(run, "test_clean")) == set(metrics_of(run, "test_shift")) == METRICS
    threshold = built.data.metrics["val_clean/threshold"]
    assert run.data.metrics["test_clean/threshold"] == threshold and run.data.params["good_quantile"] == "0.99"
    alarms = scores_of(run, "test_clean") >= threshold
    assert run.data.metrics["test_clean/false_alarm_rate"] == alarms.mean() and len(alarms) == 4
    facts = mlflow.models.get_model_info(CHAMPION).metadata
    assert (facts["threshold_from"], facts["good_quantile"]) == ("good_quantile", "0.99")

    done = adtrack("score", tiny_data / "part/test", "--model", CHAMPION, "--out", "scored", "--device", "cpu")
    assert done.code == 0, done.err
    with (workplace / "scored/scores.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 12 and all(row["label"] == "1" for row in rows if "spot" in row["path"])

    done = adtrack("evaluate", *train_only, "--model", CHAMPION)
    assert done.code == 2 and "evaluate must have Test images, but class photos has neither" in done.err


def test_evaluate_without_a_model_measures_the_sets_that_there_are(workplace, adtrack, photos, train_only):
    done = adtrack("evaluate", *train_only, *BANK)
    assert done.code == 0 and "Class photos has no photos/test/good: there is no Test" in done.err, done.err
    assert {name.partition("/")[0] for name in search_runs("")[-1].data.metrics} == {"val_clean", "val_shift", "cost"}
    done = adtrack("evaluate", *photos, *BANK)
    assert done.code == 0 and "there is no Test" not in done.err, done.err
    assert set(metrics_of(search_runs("")[-1], "test_shift")) == METRICS


def test_a_version_becomes_champion_for_a_reason(workplace, adtrack, photos):
    for layers in ("layer2", "layer3"):
        done = adtrack("build-bank", *photos, "--layers", layers, "--coreset-fraction", "0.25", "--register")
        assert done.code == 0, done.err
    command = ("promote", "--class", "photos", "--device", "cpu", "--margin", "0.9")
    done = adtrack(*command)
    assert done.code == 1 and "ok    not worse on val_clean: false alarms 0.000 [" in done.out, done.out
    assert "FAIL  has a reason: without labelled anomalies nobody knows which of the two finds more" in done.out
    assert "Not promoted: 1 of 6 checks failed." in done.out and "ok    enough images: 2 images of val_" in done.out
    done = adtrack(*command, "--reason", "the old camera is gone")
    assert done.code == 0 and "Promoted: adtrack-photos version 2 is the champion." in done.out
    (move,) = moves("adtrack-photos")
    assert (move.version, move.before, move.why, move.forced) == (2, 1, "the old camera is gone", ())


def test_what_must_tell_banks_apart_is_refused_at_once(workplace, adtrack, photos, good_data, tmp_path):
    done = adtrack("tune", *photos, "--weights", "imagenet")  # refused before weights would be fetched
    said = "needs labelled anomalies to tell which model is better, but class photos has only good images."
    assert done.code == 2 and f"Error: tune {said}" in done.err and len(done.err.strip().splitlines()) == 1
    assert "test/<defect>/" in done.err and "build-bank --register" in done.err
    assert not (workplace / "optuna.db").exists()
    setup = Setup(("photos",), str(good_data), (PatchCoreSpec(),), ImageSpec(64, 0), BackboneSpec("resnet18", "random"))
    with pytest.raises(UserError, match=f"experiment severity {said}"):
        run_experiment(Experiment("severity", lambda *_: []), setup, {}, tmp_path, print, print)
    done = adtrack("export", "--class", "photos", "--out", Path("tables"))
    assert done.code == 2 and "class photos has none" in done.err
    assert search_runs("") == []
