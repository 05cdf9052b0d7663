"""The wider family of draws: one kind for each image, drawn by seed and path, and left out if it is held out."""

import numpy as np
import pytest

from adtrack.data import wide
from adtrack.data.corruptions import DEFOCUS_SIGMA
from adtrack.data.wide import WIDE, widened

IMAGE = np.random.default_rng(0).integers(0, 256, (64, 80, 3), dtype=np.uint8)
PATHS = [f"part/train/good/{number:03}.png" for number in range(200)]


def drawn(monkeypatch: pytest.MonkeyPatch, without: str = "", severity: float = 1.0) -> list[tuple]:
    """What is done to each of PATHS: the transform's name and its parameters."""
    found: list[tuple] = []
    for name in ("shadow", "defocus", "gamma", "white_balance"):
        monkeypatch.setattr(wide, name, lambda image, *values, name=name: found.append((name, *values)) or image)
    for path in PATHS:
        widened(IMAGE, path, 42, severity, without)
    return found


def test_an_image_is_drawn_by_seed_and_path_alone() -> None:
    before = IMAGE.copy()
    found = [widened(IMAGE, path, seed, 1.0) for path in PATHS[:8] for seed in (1, 2)]
    assert len({image.tobytes() for image in found}) > 12
    np.testing.assert_array_equal(widened(IMAGE, PATHS[0], 1, 1.0), found[0])
    np.testing.assert_array_equal(IMAGE, before)
    assert all(image.dtype == np.uint8 and image.shape == IMAGE.shape for image in found)


def test_every_kind_is_as_likely_and_has_its_range(monkeypatch: pytest.MonkeyPatch) -> None:
    found = drawn(monkeypatch)
    values = {name: np.array([one[1:] for one in found if one[0] == name]) for name in {one[0] for one in found}}
    assert len(values) == len(WIDE) and all(30 < len(some) < 75 for some in values.values())

    def ends(name: str, column: int) -> tuple[float, float]:
        return float(values[name][:, column].min()), float(values[name][:, column].max())

    for name, column, low, high in (
        ("shadow", 0, 0.5, 0.7),
        ("shadow", 1, 0, 360),
        ("shadow", 2, -0.3, 0.3),
        ("defocus", 0, 0, 1.25 * DEFOCUS_SIGMA),
        ("gamma", 0, 1 / 1.7, 1.7),
        ("white_balance", 0, 0.75, 1.25),
        ("white_balance", 1, 0.75, 1.25),
    ):
        least, most = ends(name, column)
        assert low <= least < low + 0.15 * (high - low) and high - 0.15 * (high - low) < most <= high, (name, column)


@pytest.mark.parametrize("kind", WIDE)
def test_a_kind_that_is_held_out_is_never_drawn(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name = {"colour": "white_balance"}.get(kind, kind)
    names = {one[0] for one in drawn(monkeypatch, kind)}
    assert name not in names and len(names) == len(WIDE) - 1


def test_severity_scales_and_none_of_it_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert all((widened(IMAGE, path, 42, 0.0) == IMAGE).all() for path in PATHS[:20])
    one, twice = drawn(monkeypatch), drawn(monkeypatch, severity=2.0)
    assert [first[0] for first in one] == [second[0] for second in twice]
    for first, second in zip(one, twice, strict=True):
        if first[0] == "white_balance":
            assert np.array(second[1:]) - 1 == pytest.approx(2 * (np.array(first[1:]) - 1))
        if first[0] == "shadow":
            assert 0.05 <= second[1] == pytest.approx(max(1 - 2 * (1 - first[1]), 0.05)) and second[2:] == first[2:]
