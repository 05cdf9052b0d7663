"""export: tables and figures of one study, or of every class's newest."""

import csv

import pytest
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, Run

from adtrack.tracking.store import open_store

TABLES = {"best_trials.csv", "best_trials.md", "best_trials.tex", "best_trials.html"}


def files(folder) -> set[str]:
    return {file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()}


def rows(folder) -> list[dict]:
    with (folder / "best_trials.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.mark.parametrize("chosen", ["class", "study", "nothing"])
def test_one_study(study, adtrack, tmp_path, chosen):
    options = {"class": ("--class", "part"), "study": ("--study", study.name), "nothing": ()}[chosen]
    out = tmp_path / "new" / "tables"
    done = adtrack("export", *options, "--out", out)
    assert done.code == 0, done.err
    assert f"Studies: {study.name}" in done.out
    assert files(out) >= TABLES | {"report.html", "plots/optimisation_history.html", "plots/parallel_coordinates.html"}
    assert all(str(out / file) in done.out for file in files(out))
    assert rows(out)[0]["run_id"] == study.best
    assert {row["run_id"] for row in rows(out)} == set(study.children)


def test_export_writes_what_the_parent_run_holds(study, adtrack, tmp_path):
    assert adtrack("export", "--class", "part", "--out", tmp_path / "out").code == 0
    held = MlflowClient().download_artifacts(study.parent, "tables", str(tmp_path))
    for name in TABLES:
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "tables" / name).read_bytes(), held


def copied(run: Run, study: str, class_name: str) -> None:
    """The run once more, in the store that is open now, as one of another class and study."""
    tags = {name: text for name, text in run.data.tags.items() if name.startswith("adtrack.")}
    client = MlflowClient()
    experiment = client.get_experiment_by_name("adtrack").experiment_id
    made = client.create_run(experiment, tags=tags | {"adtrack.class": class_name, "adtrack.study": study})
    metrics = [Metric(name, value, 0, 0) for name, value in run.data.metrics.items()]
    client.log_batch(made.info.run_id, metrics, [Param(*param) for param in run.data.params.items()])
    client.set_terminated(made.info.run_id)


def test_the_newest_studies_of_all_classes_in_one_table_with_figures_apart(study, adtrack, workplace, tmp_path):
    there = MlflowClient(f"sqlite:///{study.folder}/mlflow.db")
    runs = [there.get_run(run_id) for run_id in (study.parent, *study.children)]
    open_store()
    for name, class_name in (("old nuts", "nut"), ("parts", "part"), ("nuts", "nut")):
        for run in runs:
            copied(run, name, class_name)
    done = adtrack("export", "--out", tmp_path / "out")
    assert done.code == 0 and "Studies: nuts, parts" in done.out, done.err
    assert [(row["class"], row["study"]) for row in rows(tmp_path / "out")] == [("nut", "nuts")] * 3 + [
        ("part", "parts")
    ] * 3
    assert {"nut/plots/optimisation_history.html", "part/plots/optimisation_history.html"} <= files(tmp_path / "out")


def test_nothing_to_export(study, adtrack, tmp_path):
    for options, said in (
        (("--class", "nut"), "class nut has none"),
        (("--study", "no such"), "study no such has none"),
    ):
        done = adtrack("export", *options, "--out", tmp_path / "out")
        assert done.code == 2 and said in done.err and "run adtrack tune first" in done.err
    assert not (tmp_path / "out").exists()


def test_an_empty_store_has_nothing_to_export(workplace, adtrack):
    done = adtrack("export", "--out", "out")
    assert done.code == 2 and "the store has none" in done.err


def test_out_that_cannot_be_written_is_named(study, adtrack, tmp_path):
    (tmp_path / "file").touch()
    for out in (tmp_path / "file", tmp_path / "file/below"):
        done = adtrack("export", "--class", "part", "--out", out)
        assert (
            done.code == 2 and "out must be a folder that can be written to" in done.err and "Traceback" not in done.err
        )
