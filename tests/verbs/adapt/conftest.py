"""A class with good images enough for a threshold that can be moved, a registered model of it, and photos."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

COUNTS = {"train/good": 80, "test/good": 6, "test/spot": 60}
BANK = ("--layers", "layer2", "--coreset-fraction", "0.1", "--register")


def picture(seed: int, *, light: float = 1.0, spot: bool = False) -> np.ndarray:
    """A noisy striped part, uint8 (64, 64, 3), under more or less light."""
    draws = np.random.default_rng(seed)
    y, x = np.mgrid[:64, :64]
    grey = 110 + 40 * np.sin((x + draws.integers(8)) / 3) + draws.uniform(4, 12) * draws.standard_normal((64, 64))
    if spot:
        grey[np.hypot(y - 30, x - draws.integers(20, 44)) < 7] = 250
    return np.repeat(np.clip(grey * light, 0, 255).astype(np.uint8)[:, :, None], 3, axis=2)


@dataclass(frozen=True)
class Plant:
    """The data, and a folder of photos that a test may fill."""

    data: Path
    photos: Path

    def take(self, good: int, *, light: float = 0.8, spots: int = 0, first: int = 1000) -> Path:
        """Take photos of new parts under another light."""
        self.photos.mkdir(exist_ok=True)
        for number in range(good + spots):
            photo = picture(first + number, light=light, spot=number >= good)
            Image.fromarray(photo).save(self.photos / f"{first + number}.png")
        return self.photos


@pytest.fixture(scope="session")
def _plant(tmp_path_factory: pytest.TempPathFactory, blank_store: Path, adtrack: Callable) -> tuple[Path, Path, Path]:
    data, folder, cache = (tmp_path_factory.mktemp(name) for name in ("plant", "plant-store", "plant-cache"))
    seed = 0
    for part, count in COUNTS.items():
        (data / "ring" / part).mkdir(parents=True)
        for number in range(count):
            seed += 1
            image = picture(seed, light=1 + (seed % 5) / 100, spot=part.endswith("spot"))
            Image.fromarray(image).save(data / "ring" / part / f"{number:03}.png")
    shutil.copy(blank_store, folder)
    view = ("--resize", "64", "--crop", "0", "--backbone", "resnet18", "--weights", "random", "--device", "cpu")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("ADTRACK_CACHE", str(cache))
        for more in (("--calibrate-on", "both"), ("--calibrate-on", "val_clean", "--method", "padim")):
            done = adtrack("build-bank", "--class", "ring", "--data", str(data), *view, *BANK, *more)
            assert done.code == 0, done.err
    return data, folder, cache


@pytest.fixture
def plant(
    _plant: tuple[Path, Path, Path], workplace: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Plant]:
    """Version 1, PatchCore, and version 2, PaDiM, of "ring" in a store of the test's own, whose files are for reading
    only."""
    from adtrack.tracking.store import open_store

    data, folder, cache = _plant
    shutil.copy(folder / "mlflow.db", workplace)
    monkeypatch.setenv("ADTRACK_CACHE", str(cache))
    open_store()
    yield Plant(data, tmp_path / "photos")
