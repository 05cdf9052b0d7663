"""Engines are timed in turns on the same images."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from adtrack.detectors.patchcore_spec import PatchCoreSpec
from adtrack.edge.engines import Engine, ViewJudgement
from adtrack.edge.timing import Contender, Times, time_in_turns
from tests.edge.tiny import LAYERS, model, pictures


class Noting(Engine):
    """Notes who was asked for which view, with how many threads."""

    def __init__(self, name: str, notes: list[tuple[str, int, int]]) -> None:
        self.name, self.notes = name, notes

    def run(self, view: np.ndarray) -> ViewJudgement:
        self.notes.append((self.name, int(view[0, 0, 0]), torch.get_num_threads()))
        return ViewJudgement(0.0, 0, None)


def test_contenders_take_turns_on_the_same_photos_and_threads_are_as_before(tmp_path: Path) -> None:
    scorer, photos = model(PatchCoreSpec(LAYERS, coreset_fraction=0.5), tmp_path / "kept"), []
    for at, _ in enumerate(pictures(2)):
        photos.append(tmp_path / f"{at}.png")
        Image.fromarray(np.full((50, 70, 3), 10 * at, np.uint8)).save(photos[-1])
    notes: list[tuple[str, int, int]] = []
    before = torch.get_num_threads()
    contenders = [Contender(name, threads, Noting(name, notes)) for name, threads in (("a", 1), ("b", 2))]
    found = time_in_turns(scorer, photos, contenders, 4)
    assert torch.get_num_threads() == before
    assert notes == [note for turn in range(7) for note in (("a", 10 * (turn % 2), 1), ("b", 10 * (turn % 2), 2))]
    assert [(one.name, one.threads, one.milliseconds.shape) for one in found] == [("a", 1, (4, 3)), ("b", 2, (4, 3))]
    assert all((one.milliseconds > 0).all() for one in found)


def test_a_median_is_that_of_whole_images() -> None:
    times = Times("a", 1, np.array([[1.0, 2.0, 9.0], [1.0, 8.0, 1.0], [7.0, 1.0, 1.0]]))
    assert times.median == 10.0 and times.part("decode") == 1.0 and times.part("graph") == 1.0
    assert times.p95 == pytest.approx(11.8)
