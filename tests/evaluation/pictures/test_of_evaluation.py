"""The pictures of an evaluation: which maps they need."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from adtrack.config import BackboneSpec, DataSpec, ImageSpec
from adtrack.detectors.patchcore_spec import PatchCoreSpec
from adtrack.evaluation.building import BuiltModel, build
from adtrack.evaluation.evaluate import Evaluation, Maps
from adtrack.evaluation.measuring import score_set
from adtrack.evaluation.pictures import of_evaluation
from adtrack.evaluation.pictures.of_evaluation import write_pictures
from adtrack.evaluation.pictures.sheets import Tile, contact_sheet
from adtrack.evaluation.telling import telling_images
from adtrack.evaluation.workbench import Workbench


class Counted:
    """Maps that count how often each of them is read."""

    def __init__(self, maps: Maps) -> None:
        self.maps, self.reads = maps, Counter[int]()

    def __len__(self) -> int:
        return len(self.maps)

    def __getitem__(self, index: int, /) -> np.ndarray:
        self.reads[index] += 1
        return self.maps[index]

    def __iter__(self) -> Iterator[np.ndarray]:
        return map(self.__getitem__, range(len(self)))


@pytest.fixture
def built(tiny_data: Path) -> tuple[Workbench, BuiltModel]:
    network = BackboneSpec("resnet18", "random", 1)
    bench = Workbench.open(DataSpec("part", str(tiny_data)), ImageSpec(72, 64), network, ("layer1",), "cpu")
    built = build(bench, PatchCoreSpec(layers=("layer1",), coreset_fraction=0.1), ("val_clean",))
    return bench, built


def watched(built: BuiltModel, searched: bool) -> tuple[Evaluation, Counted]:
    """The evaluation with maps that count."""
    (evaluation,) = built.evaluations
    maps = Counted(evaluation.scored.maps)
    return replace(evaluation, scored=replace(evaluation.scored, maps=maps, searched=searched)), maps


def test_the_sheet_takes_the_heatmaps_that_are_drawn_already(
    built: tuple[Workbench, BuiltModel], tmp_path: Path
) -> None:
    bench, model = built
    evaluation, maps = watched(model, searched=True)
    write_pictures(bench, evaluation, model.scorer.calibration.colours, tmp_path)
    pictured = Counter(index for _, index in telling_images(evaluation.scored))
    assert maps.reads == {index: pictured[index] or 1 for index in range(len(maps))}


@pytest.mark.parametrize(("searched", "shown"), [(True, 4), (False, 2)])
def test_a_sheet_whose_heatmaps_take_searches_shows_fewer_images(
    built: tuple[Workbench, BuiltModel], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, searched: bool, shown: int
) -> None:
    tiles: list[Tile] = []

    def sheet(some: list[Tile]) -> np.ndarray:
        tiles.extend(some)
        return contact_sheet(some)

    monkeypatch.setattr(of_evaluation, "_SEARCHED_TILES", 2)
    monkeypatch.setattr(of_evaluation, "contact_sheet", sheet)
    bench, model = built
    evaluation, _ = watched(model, searched=searched)
    write_pictures(bench, evaluation, model.scorer.calibration.colours, tmp_path)
    highest, *_, lowest = np.sort(evaluation.scored.scores)[::-1]
    assert len(tiles) == shown
    assert tiles[0].caption.startswith(f"{highest:.2f}") and tiles[-1].caption.startswith(f"{lowest:.2f}")


def test_only_sets_whose_patches_are_scored_count_as_searched(built: tuple[Workbench, BuiltModel]) -> None:
    bench, model = built
    assert score_set(bench, model.scorer.detector, "val_clean").searched
    assert not score_set(bench, model.scorer.detector, "val_clean", patches=False).searched
