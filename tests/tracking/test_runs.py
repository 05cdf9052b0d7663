"""Runs: how they end, and what the runs of a finished study hold."""

import contextlib
import csv
import json
import os
import re
from pathlib import Path

import mlflow
import numpy as np
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.tracking import fluent
from PIL import Image

from adtrack.tracking.runs import end_open, reopened_run, tracked_run
from adtrack.tracking.tags import STUDY, TRIAL, WORKER, RunTags
from adtrack.tracking.workers import working

IMAGE_METRICS = {"image_auroc", "image_auprc", "f1", "accuracy", "precision", "recall", "threshold"}
IMAGE_METRICS |= {f"false_alarm_rate{end}" for end in ("", "_low", "_high")}
INTERVAL = {"image_auroc_low", "image_auroc_high"}
PIXEL_METRICS = {"pixel_auroc", "pixel_aupro_030", "pixel_aupro_005"}
COSTS = {"cost/bank_rows", "cost/bank_mb", "cost/build_s", "cost/score_ms"}
TAGS = RunTags("part", "patchcore", "a study", "0123abcd")


def run_of(run_id: str) -> Run:
    return MlflowClient().get_run(run_id)


def artifacts(run_id: str, folder: str = "") -> set[str]:
    """Every file below ``folder``."""
    found = set()
    for item in MlflowClient().list_artifacts(run_id, folder):
        found |= artifacts(run_id, item.path) if item.is_dir else {item.path}
    return found


def fetched(run_id: str, path: str) -> Path:
    return Path(mlflow.artifacts.download_artifacts(run_id=run_id, artifact_path=path))


def names(*splits: str) -> set[str]:
    metrics = IMAGE_METRICS | INTERVAL | PIXEL_METRICS
    return {f"{split}/{metric}" for split in splits for metric in metrics}


def test_a_run_that_ends_well_is_finished_and_can_be_found(opened_store):
    with working() as worker, tracked_run(worker, TAGS, name="one", extra={"adtrack.role": "bank"}) as opened:
        during = run_of(opened.run_id)
        assert during.info.status == "RUNNING" and during.data.tags[WORKER] == worker.name
    run = run_of(opened.run_id)
    assert run.info.status == "FINISHED" and run.info.run_name == "one"
    assert run.data.tags["adtrack.class"] == "part" and run.data.tags["adtrack.method"] == "patchcore"
    assert run.data.tags["adtrack.study"] == "a study" and run.data.tags["adtrack.split_digest"] == "0123abcd"
    assert run.data.tags["adtrack.role"] == "bank"


def test_an_error_fails_the_run_and_leaves_its_traceback(opened_store):
    with working() as worker, pytest.raises(RuntimeError), tracked_run(worker, TAGS) as run:
        raise RuntimeError("the lamp went out")
    assert run_of(run.run_id).info.status == "FAILED"
    assert "the lamp went out" in fetched(run.run_id, "error.txt").read_text()


def test_ctrl_c_kills_the_run_and_the_one_around_it(opened_store):
    with working() as worker, pytest.raises(KeyboardInterrupt), tracked_run(worker, TAGS) as parent:  # noqa: SIM117
        with tracked_run(worker, TAGS, name="child", parent=parent) as child:
            raise KeyboardInterrupt
    assert run_of(parent.run_id).info.status == run_of(child.run_id).info.status == "KILLED"
    assert run_of(child.run_id).data.tags["mlflow.parentRunId"] == parent.run_id
    assert not artifacts(child.run_id)


def test_a_run_is_opened_again_under_its_id_with_its_old_name(opened_store):
    with working() as worker:
        with tracked_run(worker, TAGS, name="first") as run:
            run_id = run.run_id
        with tracked_run(worker, TAGS, name="second", run_id=run_id) as again:
            assert again == run and run_of(run_id).info.status == "RUNNING"
    assert run_of(run_id).info.status == "FINISHED" and run_of(run_id).info.run_name == "first"


def test_the_run_that_mlflow_run_made_is_joined(opened_store, monkeypatch):
    client = MlflowClient()
    made = client.create_run(client.get_experiment_by_name("adtrack").experiment_id, run_name="dashing-fox-7")
    monkeypatch.setenv("MLFLOW_RUN_ID", made.info.run_id)
    with working() as worker, tracked_run(worker, TAGS, name="study a") as run:
        assert run.run_id == made.info.run_id and "MLFLOW_RUN_ID" not in os.environ
    joined = run_of(run.run_id)
    assert joined.info.status == "FINISHED" and joined.info.run_name == "study a"
    assert joined.data.tags["adtrack.study"] == "a study"


@pytest.mark.parametrize(
    ("trouble", "status"), [(None, "FINISHED"), (RuntimeError, "FAILED"), (KeyboardInterrupt, "KILLED")]
)
def test_a_run_that_mlflow_run_made_in_default_points_to_ours_and_ends_as_it_does(
    opened_store, monkeypatch, trouble, status
):
    client = MlflowClient()
    made = client.create_run("0").info.run_id
    client.log_param(made, "class", "part")
    monkeypatch.setenv("MLFLOW_RUN_ID", made)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", "0")
    ends = contextlib.nullcontext() if trouble is None else pytest.raises(trouble)
    with working() as worker, ends, tracked_run(worker, TAGS, name="bank: part") as opened:
        with tracked_run(worker, TAGS, parent=opened) as child:
            pass
        assert run_of(made).info.status == "RUNNING"
        if trouble:
            raise trouble
    run_id = opened.run_id
    run, pointer = run_of(run_id), run_of(made)
    adtrack = client.get_experiment_by_name("adtrack").experiment_id
    assert {run.info.experiment_id, run_of(child.run_id).info.experiment_id} == {adtrack} and run_id != made
    assert run.info.status == pointer.info.status == status
    assert pointer.data.tags["adtrack.role"] == "pointer" and pointer.data.tags["adtrack.logged_in"] == run_id
    assert f"[bank: part](#/experiments/{adtrack}/runs/{run_id})" in pointer.data.tags["mlflow.note.content"]
    assert pointer.info.run_name == "bank: part (see experiment adtrack)" and pointer.data.params == {"class": "part"}


@pytest.mark.parametrize("trouble", [RuntimeError, KeyboardInterrupt])
def test_what_was_finished_stays_finished_when_more_is_logged_to_it(opened_store, trouble):
    with working() as first, tracked_run(first, TAGS) as run:
        run_id = run.run_id
    with working() as worker, pytest.raises(trouble), reopened_run(run_id, worker) as again:
        assert again.run_id == run_id
        during = run_of(run_id)
        assert during.info.status == "RUNNING" and during.data.tags[WORKER] == worker.name
        raise trouble
    assert run_of(run_id).info.status == "FINISHED"


def test_an_error_is_past_once_the_run_has_finished(opened_store):
    with working() as worker:

        def go_on(trouble: str = "") -> str:
            with tracked_run(worker, TAGS, run_id=run_id):
                if trouble:
                    raise RuntimeError(trouble)
            return fetched(run_id, "error.txt").read_text()

        with pytest.raises(RuntimeError), tracked_run(worker, TAGS) as run:
            run_id = run.run_id
            raise RuntimeError("the lamp went out")
        text = go_on()
        assert re.match(r"Past: the run went on and finished, 20\d\d-\d\d-\d\d \d\d:\d\d UTC\.", text)
        assert "What had stopped it before:\n\nTraceback" in text and "the lamp went out" in text
        assert go_on() == text
        with pytest.raises(RuntimeError):
            go_on("the lamp fell down")
        assert fetched(run_id, "error.txt").read_text().startswith("Traceback")
        assert go_on().count("Past") == 1 and run_of(run_id).info.status == "FINISHED"


def test_runs_of_trials_are_ended_that_are_open_and_named(opened_store):
    client = MlflowClient()
    experiment = client.get_experiment_by_name("adtrack").experiment_id

    def opened(tags: dict[str, str], trial: int) -> str:
        return client.create_run(experiment, tags={**tags, TRIAL: str(trial)}).info.run_id

    runs = [opened(TAGS.texts(), 0), opened(TAGS.texts(), 1), opened({STUDY: "another"}, 0)]
    end_open("a study", {0, 7})
    assert [run_of(run_id).info.status for run_id in runs] == ["FINISHED", "RUNNING", "RUNNING"]


def test_the_active_run_and_experiment_of_the_program_around_it_are_left_alone(opened_store):
    elsewhere = mlflow.set_experiment("the caller's").experiment_id
    with mlflow.start_run() as theirs, working() as worker:
        del os.environ["MLFLOW_EXPERIMENT_ID"]  # which set_experiment has set, and which would be a choice for us too
        with tracked_run(worker, TAGS) as run:
            assert mlflow.active_run().info.run_id == theirs.info.run_id
        assert mlflow.active_run().info.run_id == theirs.info.run_id
    assert run_of(theirs.info.run_id).info.experiment_id == elsewhere != run_of(run.run_id).info.experiment_id
    assert "mlflow.parentRunId" not in run_of(run.run_id).data.tags
    assert fluent._active_experiment_id == elsewhere


def test_mlflows_pages_show_who_started_a_run_and_how(opened_store):
    with working() as worker, tracked_run(worker, TAGS) as run:
        pass
    assert {"mlflow.user", "mlflow.source.name", "mlflow.source.type"} <= set(run_of(run.run_id).data.tags)


def test_parent_and_children_carry_the_tags_and_have_finished(study):
    digests = set()
    for run_id in (study.parent, *study.children):
        run = run_of(run_id)
        tags = run.data.tags
        assert run.info.status == "FINISHED"
        assert (tags["adtrack.class"], tags["adtrack.method"]) == ("part", "patchcore")
        assert tags["adtrack.study"] == study.name
        assert tags["adtrack.version.torch"] and tags["adtrack.device"].startswith("cpu")
        assert tags["adtrack.weights_fell_back"] == "false"
        digests.add(tags["adtrack.split_digest"])
    assert len(digests) == 1 and re.fullmatch("[0-9a-f]{64}", digests.pop())
    assert [run_of(child).data.tags["mlflow.parentRunId"] for child in study.children] == [study.parent] * 3
    assert [run_of(child).data.tags["adtrack.trial"] for child in study.children] == ["0", "1", "2"]


def test_a_trial_holds_every_choice_as_a_parameter(study):
    for child in study.children:
        params = run_of(child).data.params
        assert params["class"] == "part" and params["method"] == "patchcore" and params["backbone"] == "resnet18"
        assert params["weights"] == "random (seed 42)" and re.fullmatch("[0-9a-f]{64}", params["weights_sha256"])
        assert params["layers"] in ("layer2", "layer3") and params["patch_size"] in ("1", "3")
        assert params["coreset_fraction"] in ("0.1", "0.25") and params["reweight_neighbours"] == "9"
        assert (params["resize"], params["crop"], params["seed"]) == ("64", "0", "42")
        assert params["projection"] == "128"


def test_metrics_have_the_promised_names_and_only_the_best_trial_is_tested(study):
    for child in study.children:
        expected = names("val_clean", "val_shift") | COSTS | {"objective", "ladder/objective"}
        if child == study.best:
            expected |= names("test_clean", "test_shift")
        metrics = run_of(child).data.metrics
        assert set(metrics) == expected
        assert np.isfinite(list(metrics.values())).all()
        thresholds = {value for name, value in metrics.items() if name.endswith("/threshold")}
        assert len(thresholds) == 1  # Val-clean's, applied as it is


@pytest.mark.parametrize("which", ["trial", "best"])
def test_pictures_show_worst_median_and_best_of_every_kind_and_a_sheet_of_all(study, which):
    run_id = study.best if which == "best" else next(child for child in study.children if child != study.best)
    splits = {"val_clean", "val_shift"} | ({"test_clean", "test_shift"} if which == "best" else set())
    files = artifacts(run_id, "heatmaps")
    kinds = {f"{kind}-{word}" for kind in ("good", "scratch", "spot") for word in ("worst", "median", "best")}
    for split in splits:
        shown = {Path(file).name for file in files if file.startswith(f"heatmaps/{split}/")}
        assert {re.fullmatch(r"(\w+-\w+)-\d{3}\.png", name)[1] for name in shown} == kinds
        assert f"heatmaps/{split}.png" in files
    assert {Path(file).parts[1].removesuffix(".png") for file in files} == splits
    folder = fetched(run_id, "heatmaps")
    for file in folder.rglob("*.png"):
        with Image.open(file) as picture:
            picture.load()
            assert min(picture.size) >= 64


def test_scores_are_a_row_an_image_and_splits_and_spec_say_where_they_come_from(study, tiny_splits):
    tags = run_of(study.best).data.tags
    for split, records in (("val", tiny_splits.val.records), ("test", tiny_splits.test.records)):
        for domain in ("clean", "shift"):
            with fetched(study.best, f"scores/{split}_{domain}.csv").open(newline="") as stream:
                rows = list(csv.DictReader(stream))
            assert list(rows[0]) == ["path", "kind", "label", "score", "threshold", "predicted"]
            expected = [(record.path, record.kind, str(record.label)) for record in records]
            assert [(row["path"], row["kind"], row["label"]) for row in rows] == expected
            assert all(int(row["predicted"]) == (float(row["score"]) >= float(row["threshold"])) for row in rows)
    assert json.loads(fetched(study.best, "splits.json").read_text()) == tiny_splits.manifest()
    assert tags["adtrack.split_digest"] == tiny_splits.digest
    spec = json.loads(fetched(study.best, "spec.json").read_text())
    params = run_of(study.best).data.params
    assert spec["split_digest"] == tiny_splits.digest and spec["data"]["class_name"] == "part"
    assert spec["image"] == {"resize": 64, "crop": 0}
    assert spec["backbone"]["sha256"] == params["weights_sha256"]
    assert "+".join(spec["bank"]["layers"]) == params["layers"]
    assert spec["bank"]["coreset_fraction"] == float(params["coreset_fraction"])


def test_data_sets_are_logged_by_digest_and_role(study):
    seen = {}
    for child in study.children:
        inputs = run_of(child).inputs.dataset_inputs
        context = {item.tags[0].value: item.dataset for item in inputs}
        assert set(context) == {"train_clean", "val_clean", "val_shift"}
        assert {name: data.name for name, data in context.items()} == {name: f"part/{name}" for name in context}
        seen[child] = {name: data.digest for name, data in context.items()}
    assert all(digests == seen[study.best] for digests in seen.values())
    assert len(set(seen[study.best].values())) == 3 and all(seen[study.best].values())


def test_the_trunk_lies_once_on_the_parent(study):
    sha256 = run_of(study.best).data.params["weights_sha256"]
    assert artifacts(study.parent, "trunk") == {f"trunk/{sha256}.safetensors"}
    assert not any("trunk" in file for child in study.children for file in artifacts(child))


def test_tables_and_figures_are_on_the_parent(study):
    files = artifacts(study.parent)
    assert {f"tables/best_trials.{suffix}" for suffix in ("csv", "md", "tex", "html")} <= files
    assert {"plots/optimisation_history.html", "plots/parallel_coordinates.html"} <= files
    with fetched(study.parent, "tables/best_trials.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert {row["run_id"] for row in rows} == set(study.children) and rows[0]["run_id"] == study.best
    assert rows[0]["test_clean/image_auroc"] and not any(row["test_clean/image_auroc"] for row in rows[1:])
