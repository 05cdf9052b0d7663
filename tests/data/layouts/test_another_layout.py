"""A layout is one class and one line: a CSV file for each class, defined here, goes all the way to a model."""

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import mlflow
import numpy as np
import pytest

from adtrack.config import BackboneSpec, DataSpec, ImageSpec
from adtrack.data.classes import GOOD, ImageClass, ImageRecord, Places
from adtrack.data.layouts import LAYOUTS, class_names, read_class
from adtrack.data.layouts.interface import Layout, by_path
from adtrack.data.shifted_copy import write_shifted
from adtrack.detectors.patchcore_spec import PatchCoreSpec
from adtrack.errors import UserError
from adtrack.evaluation.building import build
from adtrack.evaluation.workbench import Workbench
from adtrack.tracking.store import search_runs

Rows = list[dict[str, str]]


class Csv(Layout):
    """A class is a file NAME.csv, whose rows have a path, a label, perhaps a mask, and perhaps a split."""

    help = "A class is a file NAME.csv with the columns path, label, mask and split."

    def recognises(self, root: Path) -> bool:
        return any(root.glob("*.csv"))

    def class_names(self, root: Path) -> list[str]:
        return sorted(file.stem for file in root.glob("*.csv"))

    def read(self, root: Path, name: str) -> ImageClass:
        parts: dict[str, list[ImageRecord]] = {"train": [], "val": [], "test": []}
        with (root / f"{name}.csv").open(newline="") as stream:
            for row in csv.DictReader(stream):
                record = ImageRecord(row["path"], int(row["label"] != GOOD), row["label"], row["mask"] or None)
                parts[row["split"]].append(record)
        train, val, test = (by_path(records) for records in parts.values())
        places = Places(*3 * [f"{name}.csv"])
        return ImageClass(name, root, train, test, places, val or None)


@pytest.fixture(autouse=True)
def csv_layout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(LAYOUTS, "csv", Csv())


Write = Callable[[Callable[[str, str, int], str]], Path]


@pytest.fixture
def write(tmp_path: Path, tiny_data: Path) -> Write:
    """Writes the images of "part" without any folders that mean something, listed in nuts.csv.

    It is told the split of an image by what it was in MVTec's layout: its part, its kind and its number.
    """

    def write(split: Callable[[str, str, int], str]) -> Path:
        root, rows = tmp_path / "listed", []
        (root / "files").mkdir(parents=True)
        for number, record in enumerate(read_class(tiny_data, "part").records):
            _, part, kind, name = record.path.split("/")
            row = {
                "path": f"files/{number:02}.png",
                "label": kind,
                "mask": "",
                "split": split(part, kind, int(name[:3])),
            }
            shutil.copy(tiny_data / record.path, root / row["path"])
            if record.mask:
                row["mask"] = f"files/{number:02}.mask.png"
                shutil.copy(tiny_data / record.mask, root / row["mask"])
            rows.append(row)
        write_rows(root / "nuts.csv", rows)
        return root

    return write


def write_rows(file: Path, rows: Rows) -> None:
    with file.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, ["path", "label", "mask", "split"])
        writer.writeheader()
        writer.writerows(rows)


def own_split(part: str, kind: str, number: int) -> str:
    """Another one than the protocol's: the last image of each kind is Val, of train/good the last three."""
    if part == "train":
        return "train" if number < 7 else "val"
    return "test" if number < 3 or kind == GOOD else "val"


def open_bench(root: Path) -> Workbench:
    data, network = DataSpec("nuts", str(root)), BackboneSpec("resnet18", "random", 1)
    return Workbench.open(data, ImageSpec(64, 0), network, ("layer1",), "cpu")


def counts(bench: Workbench) -> list[tuple[int, int]]:
    """Images and anomalous images of Train, Val and Test."""
    return [(len(split.records), int(split.labels.sum())) for split in bench.opened.splits.all]


def test_its_split_is_honoured(write: Write) -> None:
    root = write(own_split)
    assert class_names(root) == ["nuts"]
    bench = open_bench(root)
    assert counts(bench) == [(7, 0), (5, 2), (10, 6)] and bench.opened.splits.given and bench.opened.splits.has_masks
    built = build(bench, PatchCoreSpec(layers=("layer1",)), ("val_clean", "val_shift", "test_clean"))
    for evaluation in built.evaluations:
        assert np.isfinite(evaluation.metrics["image_auroc"]) and np.isfinite(evaluation.metrics["pixel_auroc"])


def test_without_val_the_protocol_draws_it(write: Write, tiny_data: Path) -> None:
    bench = open_bench(write(lambda part, kind, number: part))
    assert counts(bench) == [(8, 0), (4, 2), (10, 6)] and not bench.opened.splits.given


def test_the_command_line_takes_it(write: Write, workplace: Path, adtrack: Callable) -> None:
    root = write(own_split)
    options = ("--class", "nuts", "--data", root, "--resize", "64", "--crop", "0", "--backbone", "resnet18")
    bank = ("--weights", "random", "--device", "cpu", "--layers", "layer1", "--coreset-fraction", "0.25")
    done = adtrack("build-bank", *options, *bank)
    assert done.code == 0 and "Warning" not in done.err, done.err
    (run,) = search_runs("")
    assert {"val_clean/image_auroc", "val_shift/pixel_auroc"} < set(run.data.metrics)
    manifest = Path(mlflow.artifacts.download_artifacts(f"runs:/{run.info.run_id}/splits.json"))
    assert json.loads(manifest.read_text())["given"] is True


def test_a_class_that_is_not_listed(write: Write) -> None:
    with pytest.raises(UserError, match=r"one of nuts in .*, but got 'part'.*train/good.*NAME\.csv"):
        read_class(write(own_split), "part")


def test_its_shifted_copy_has_mvtecs_layout(write: Write, tmp_path: Path) -> None:
    images = read_class(write(lambda part, kind, number: part), "nuts")
    write_shifted(images, tmp_path / "out", 42)
    copy = read_class(tmp_path / "out", "nuts")
    assert [len(copy.train), len(copy.test)] == [10, 12] and copy.has_masks and copy.remarks
    assert sorted(record.kind for record in copy.test) == sorted(record.kind for record in images.test)


def test_a_shifted_copy_cannot_hold_a_split(write: Write, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no split, but class nuts comes with one"):
        write_shifted(read_class(write(own_split), "nuts"), tmp_path / "out", 42)
    assert not (tmp_path / "out").exists()


def test_mvtecs_layout_comes_first(tiny_data: Path, tmp_path: Path) -> None:
    root = shutil.copytree(tiny_data, tmp_path / "both")
    (root / "list.csv").write_text("path,label,mask,split\n")
    assert class_names(root) == ["part"]
