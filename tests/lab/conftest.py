"""What the lab's tests measure: the miniature class with both methods."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from adtrack.config import BackboneSpec, ImageSpec
from adtrack.detectors.padim import PadimSpec
from adtrack.detectors.patchcore_spec import PatchCoreSpec
from adtrack.lab.cells import Cells
from adtrack.lab.setup import Setup


@pytest.fixture
def setup(tiny_data: Path) -> Setup:
    """The class "part" behind the smallest network."""
    detectors = (PatchCoreSpec(("layer2",), coreset_fraction=0.1), PadimSpec(("layer2",), dimensions=12))
    backbone = BackboneSpec("resnet18", "random")
    return Setup(("part",), str(tiny_data), detectors, ImageSpec(64, 0), backbone, device="cpu")


@pytest.fixture
def said() -> list[str]:
    """What cells said."""
    return []


@pytest.fixture
def cells(opened_store: str, said: list[str]) -> Iterator[Cells]:
    """The cells of an experiment whose parent run is open."""
    from adtrack.tracking.runs import tracked_run
    from adtrack.tracking.tags import RunTags
    from adtrack.tracking.workers import working

    tags = RunTags("part", "several", "none", "several")
    with working() as worker, tracked_run(worker, tags, name="experiment") as run:
        yield Cells(run, said.append)


@pytest.fixture
def fresh(cells: Cells) -> Callable[[], Cells]:
    """Cells of a further experiment in the same store."""
    return lambda: Cells(cells.parent, lambda text: None)
