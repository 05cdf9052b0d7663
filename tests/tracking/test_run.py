"""The run object: what its verbs leave on the run that it stands for, whatever other runs are open."""

import json
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest
from mlflow import MlflowClient
from mlflow.entities import Dataset
from mlflow.entities import Run as StoredRun
from PIL import Image

from adtrack.tracking.run import Run
from adtrack.tracking.run_contents import has_file, run_file
from adtrack.tracking.runs import tracked_run
from adtrack.tracking.tags import RunTags
from adtrack.tracking.workers import working


@pytest.fixture
def run(opened_store: str) -> Iterator[Run]:
    """An open run, below which another one has been opened and ended since."""
    tags = RunTags("part", "patchcore", "none", "0123")
    with working() as worker, tracked_run(worker, tags) as opened:
        with tracked_run(worker, tags, parent=opened):
            pass
        yield opened


def stored(run: Run) -> StoredRun:
    return MlflowClient().get_run(run.run_id)


def test_parameters_that_the_run_has_already_are_left_as_they_are(run: Run) -> None:
    MlflowClient().log_param(run.run_id, "seed", "42.0")
    run.log_params({"seed": "42", "layers": "layer2"})
    assert stored(run).data.params == {"seed": "42.0", "layers": "layer2"}


def test_metrics_are_values_or_points_of_a_curve(run: Run) -> None:
    run.log_metrics({"objective": 0.5, "cost/bank_mb": 7})
    for step in (1, 2):
        run.log_metrics({"best": step / 4}, step=step)
    assert stored(run).data.metrics == {"objective": 0.5, "cost/bank_mb": 7.0, "best": 0.5}
    curve = MlflowClient().get_metric_history(run.run_id, "best")
    assert [(point.step, point.value) for point in curve] == [(1, 0.25), (2, 0.5)]


def test_tags_are_set_and_the_note_is_the_runs_description(run: Run) -> None:
    run.set_tags({"adtrack.model": "models:/m-0", "adtrack.feasible": "true"})
    run.set_note("**At work**")
    tags = stored(run).data.tags
    assert tags["adtrack.model"] == "models:/m-0" and tags["adtrack.feasible"] == "true"
    assert tags["mlflow.note.content"] == "**At work**"


DIGESTS = {"train_clean": "01", "val_clean": "02"}


def test_data_sets_are_inputs_with_their_context(run: Run, tmp_path: Path) -> None:
    source = json.dumps({"uri": str(tmp_path)})
    sets = {name: Dataset(f"part/{name}", digest, "local", source) for name, digest in DIGESTS.items()}
    run.log_inputs(sets)
    first, second = stored(run).inputs.dataset_inputs
    assert (first.dataset.name, first.dataset.digest, first.tags[0].value) == ("part/train_clean", "01", "train_clean")
    assert first.tags[0].key == "mlflow.data.context" and second.tags[0].value == "val_clean"
    assert first.dataset.source == source


def test_files_and_pictures_are_among_its_artifacts(run: Run, tmp_path: Path) -> None:
    (tmp_path / "found/scores").mkdir(parents=True)
    (tmp_path / "found/scores/val.csv").write_text("path,score")
    run.log_folder(tmp_path / "found")
    run.log_text("once", "notes/a.txt")
    run.log_text("twice", "notes/a.txt")
    assert run_file(run.run_id, "notes/a.txt").read_text() == "twice" and has_file(run.run_id, "scores/val.csv")
    Image.new("RGB", (8, 8)).save(tmp_path / "worst.png")
    run.log_image(tmp_path / "worst.png", "val_clean/scratch-worst")
    assert [item.path for item in MlflowClient().list_artifacts(run.run_id, "images")]


def test_pictures_of_one_call_are_all_there_under_their_names(run: Run, tmp_path: Path) -> None:
    files = {f"val_clean/{kind}-worst": tmp_path / f"{kind}.png" for kind in ("good", "cut", "dent", "hole")}
    for file in files.values():
        Image.new("RGB", (8, 8)).save(file)
    run.log_images(files)
    run.log_images({})
    pictures = [Path(item.path) for item in MlflowClient().list_artifacts(run.run_id, "images")]
    assert sorted(one.name.split("+")[0].replace("~", "/") for one in pictures if one.suffix == ".png") == sorted(files)
    assert stored(run).data.tags["mlflow.loggedImages"]


def test_a_file_is_kept_once(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "trunk.bin"
    for content in ("first", "second"):
        file.write_text(content)
        run.keep_file(file, "trunk")
    assert run_file(run.run_id, "trunk/trunk.bin").read_text() == "first"


def test_on_a_server_things_are_on_a_page_and_else_in_a_folder(run: Run, opened_store: str, workplace: Path) -> None:
    assert run.page is None
    assert run.artifact_place("tables") == f"{workplace}/mlruns/1/{run.run_id}/artifacts/tables"
    mlflow.set_tracking_uri("https://ina:secret@tracks.example/mlflow/")
    page = f"https://tracks.example/mlflow/#/experiments/1/runs/{run.run_id}"
    assert run.page == page and run.artifact_place("report.html") == f"{page}/artifacts/report.html"
    mlflow.set_tracking_uri(opened_store)
