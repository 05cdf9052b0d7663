"""The time of an image: with a clock that only scoring moves."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from adtrack.config import DataSpec
from adtrack.evaluation import stopwatch
from adtrack.evaluation.opened_class import open_class


def test_the_time_of_an_image_is_that_of_its_fastest_scoring(tiny_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Others on the machine make single ones slow; the fastest tells what the scorer takes."""
    now, mapped = [0.0], []
    seconds = iter([60.0, *(0.05, 9.0, 0.06), *(9.0, 8.0, 0.01), *(0.07, 0.08, 9.0)])  # the first one warms up

    class Slow:
        def judge(self, image: np.ndarray) -> str:
            now[0] += next(seconds)
            return "judged"

        def map(self, judged: str, height: int, width: int) -> None:
            mapped.append((judged, height, width))

    monkeypatch.setattr(stopwatch, "time", SimpleNamespace(perf_counter=lambda: now[0]))
    images = open_class(DataSpec("part", str(tiny_data))).images("val_clean")
    assert stopwatch.milliseconds(Slow(), images) == pytest.approx(50.0)  # of 50, 10 and 70
    assert mapped == [("judged", 64, 64)] * 10  # the map is part of it
