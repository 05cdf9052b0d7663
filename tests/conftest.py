"""Fixtures that several rooms share: a cache of their own, a miniature data set, the real data where it is."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from adtrack.data.classes import read_class
from adtrack.data.splits import Splits, make_splits

# The networks and banks here are so small that threads would only wait for each other; commands run by tests inherit it.
os.environ.setdefault("OMP_NUM_THREADS", "1")

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Each test keeps its caches to itself, so that none passes because another has run before it."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("ADTRACK_CACHE", str(folder))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return folder


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with real images and weights; tests that ask for it skip where it is absent."""
    folder = Path(os.environ.get("ADTRACK_SHARED", SHARED))
    if not (folder / "data" / "magnetic_tile").is_dir():
        pytest.skip(f"needs the real data set in {folder}")
    return folder


def _part_image(number: int, kind: str, size: int) -> tuple[np.ndarray, np.ndarray]:
    """A striped, noisy part, uint8 (size, size, 3), with a bright spot or a dark scratch at ``mask``."""
    draws = np.random.default_rng([number, len(kind)])
    y, x = np.mgrid[:size, :size]
    picture = 110 + 40 * np.sin((x + draws.integers(8)) / 3) + 8 * draws.standard_normal((size, size))
    cy, cx = draws.integers(size // 4, 3 * size // 4, 2)
    spot, scratch = np.hypot(y - cy, x - cx) < size / 10, (abs(y - cy) < size / 32) & (abs(x - cx) < size / 4)
    mask = {"spot": spot, "scratch": scratch}.get(kind, np.zeros_like(spot))
    picture[mask] = 250 if kind == "spot" else 5
    return np.repeat(np.clip(picture, 0, 255).astype(np.uint8)[:, :, None], 3, axis=2), mask


@pytest.fixture(scope="session")
def write_part() -> Callable[..., Path]:
    """Writes a class "part" in MVTec layout below ``root``: 10 train/good, 4 test/good and 4 of each of two defects."""

    def write(root: Path, masks: bool = True, size: int = 64) -> Path:
        number = 0
        for folder, count in {"train/good": 10, "test/good": 4, "test/spot": 4, "test/scratch": 4}.items():
            kind = folder.split("/")[1]
            truth = root / "part" / "ground_truth" / kind
            (root / "part" / folder).mkdir(parents=True)
            for index in range(count):
                picture, mask = _part_image(number, kind, size)
                Image.fromarray(picture).save(root / "part" / folder / f"{index:03}.png")
                if masks and kind != "good":
                    truth.mkdir(parents=True, exist_ok=True)
                    Image.fromarray(np.uint8(255) * mask).save(truth / f"{index:03}_mask.png")
                number += 1
        return root

    return write


@pytest.fixture(scope="session")
def tiny_data(tmp_path_factory: pytest.TempPathFactory, write_part: Callable[..., Path]) -> Path:
    """A data root with the class "part": 22 images of 64 × 64 with masks. For reading only."""
    return write_part(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def tiny_splits(tiny_data: Path) -> Splits:
    """The splits of the class "part": 8 images in Train, 4 in Val, 10 in Test."""
    from adtrack.data.loading import check_images  # imports torch, which reads OMP_NUM_THREADS when it is loaded

    images = read_class(tiny_data, "part")
    return make_splits(images, 42, check_images(tiny_data, images.train + images.test))
