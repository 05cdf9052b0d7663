"""The pictures of an evaluation: which maps they need."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from adtrack.config import BackboneSpec, DataSpec, ImageSpec
from adtrack.detectors.patchcore_spec import PatchCoreSpec
from adtrack.evaluation.building import build
from adtrack.evaluation.evaluate import Maps
from adtrack.evaluation.pictures.of_evaluation import write_pictures
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


def test_the_sheet_takes_the_heatmaps_that_are_drawn_already(tiny_data: Path, tmp_path: Path) -> None:
    network = BackboneSpec("resnet18", "random", 1)
    bench = Workbench.open(DataSpec("part", str(tiny_data)), ImageSpec(72, 64), network, ("layer1",), "cpu")
    built = build(bench, PatchCoreSpec(layers=("layer1",), coreset_fraction=0.1), ("val_clean",))
    (evaluation,) = built.evaluations
    maps = Counted(evaluation.scored.maps)
    watched = replace(evaluation, scored=replace(evaluation.scored, maps=maps))
    write_pictures(bench, watched, built.scorer.calibration.colours, tmp_path)
    pictured = Counter(index for _, index in telling_images(evaluation.scored))
    assert maps.reads == {index: pictured[index] or 1 for index in range(len(maps))}
