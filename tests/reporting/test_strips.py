"""Strips of scores: a picture of a known size, the same bytes every time, whatever the groups are called."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from adtrack.palette import LIGHT, rgb
from adtrack.reporting.strips import write_strips

STRIPS = {"Val-clean, good": [1.0, 1.1, 1.2, 1.2], "photos": [2.0, 2.5]}


def test_thresholds_and_strips_are_drawn_where_they_lie(tmp_path: Path) -> None:
    file = write_strips(tmp_path / "one.png", "Title", "Note", STRIPS, {"before": 1.5, "after": 2.7})
    pixels = np.asarray(Image.open(file).convert("RGB")).astype(int)
    red = (np.abs(pixels - rgb(LIGHT.alarm)).max(axis=2) < 8).sum(axis=0)
    lines = np.flatnonzero(red > 0.35 * red.max())
    assert lines.min() < 0.6 * pixels.shape[1] and lines.max() > 0.9 * pixels.shape[1]
    again = write_strips(tmp_path / "two.png", "Title", "Note", STRIPS, {"before": 1.5, "after": 2.7})
    assert file.read_bytes() == again.read_bytes()


@pytest.mark.parametrize("strips", [{"a": [0.0]}, {"$x^2$ \x1b[31m": [1.0, 1.0, 1.0], "b\nc": [1.0]}])
def test_any_names_and_equal_scores_are_drawn(tmp_path: Path, strips: dict[str, list[float]]) -> None:
    file = write_strips(tmp_path / "odd.png", "T" * 200, "n" * 300, strips, {"before": 1.0})
    assert Image.open(file).size[0] == 1600
