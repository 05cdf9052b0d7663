"""Several classes, and options of studies that try each of two cells."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from adtrack.tracking.store import search_runs
from adtrack.tracking.tags import CLASS, ROLE
from adtrack.tracking.trials import study_trials
from tests.tuning.spaces import PLAIN_OPTIONS

VALUES = ("val_clean/image_auroc", "val_shift/image_auroc", "val_clean/threshold", "objective")


@pytest.fixture(scope="session")
def classes(tmp_path_factory: pytest.TempPathFactory, tiny_data: Path) -> Path:
    """A data root with the classes "nut" and "part", whose images differ in their splits alone, and "torn", one of
    whose files is no image. For reading only."""
    root = tmp_path_factory.mktemp("classes")
    for name in ("nut", "part", "torn"):
        shutil.copytree(tiny_data / "part", root / name)
    (root / "torn" / "train" / "good" / "003.png").write_text("no image")
    return root


@pytest.fixture(scope="session")
def each_cell(classes: Path) -> tuple[str, ...]:
    """Options of studies of these classes, without --class."""
    view = ("--resize", "64", "--crop", "0", "--backbone", "resnet18", "--weights", "random", "--device", "cpu")
    sizes = ("--space-patch-size", "1", "--space-coreset-fraction", "0.1", "--space-layers", "layer2,layer3")
    return ("--data", str(classes), *view, *sizes, *PLAIN_OPTIONS, "--sampler", "grid", "--pruner", "none")


@pytest.fixture(scope="session")
def found() -> Callable[[], dict[str, dict]]:
    """What the studies of the store have found: for each class {layers: values}."""

    def look() -> dict[str, dict]:
        studies = [run for run in search_runs("") if run.data.tags[ROLE] == "study"]
        return {
            run.data.tags[CLASS]: {
                one.params["layers"]: [one.metrics[name] for name in VALUES]
                for one in study_trials(run.data.tags["adtrack.study"])
            }
            for run in studies
        }

    return look
