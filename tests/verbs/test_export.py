"""export: tables and figures of one study, or of every class's newest."""

import csv
import shutil

import pytest
from mlflow import MlflowClient

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
    assert files(out) >= TABLES | {"plots/optimisation_history.html", "plots/parallel_coordinates.html"}
    assert all(str(out / file) in done.out for file in files(out))
    assert rows(out)[0]["run_id"] == study.best
    assert {row["run_id"] for row in rows(out)} == set(study.children)


def test_export_writes_what_the_parent_run_holds(study, adtrack, tmp_path):
    assert adtrack("export", "--class", "part", "--out", tmp_path / "out").code == 0
    held = MlflowClient().download_artifacts(study.parent, "tables", str(tmp_path))
    for name in TABLES:
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "tables" / name).read_bytes(), held


def test_all_classes_in_one_table_with_figures_apart(workplace, adtrack, part, space, tiny_data, tmp_path):
    for name in ("nut", "part"):
        shutil.copytree(tiny_data / "part", tmp_path / "data" / name)
        options = [*part[4:], "--class", name, "--data", tmp_path / "data", *space]
        assert adtrack("tune", *options, "--trials", 1, "--sampler", "grid").code == 0
    done = adtrack("export", "--out", tmp_path / "out")
    assert done.code == 0, done.err
    assert [row["class"] for row in rows(tmp_path / "out")] == ["nut", "part"]
    assert {"plots/nut/optimisation_history.html", "plots/part/optimisation_history.html"} <= files(tmp_path / "out")


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
        assert done.code == 2 and "out must be a writable folder" in done.err and "Traceback" not in done.err
