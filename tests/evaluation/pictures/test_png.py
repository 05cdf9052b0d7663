"""PNG files are read by Pillow with the pixels that were written."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from adtrack.evaluation.pictures.png import save_png


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1), (5, 3), (63, 64), (64, 5), (65, 33), (200, 31)])
@pytest.mark.parametrize("kind", ["noise", "flat", "ramp"])
def test_pixels_are_those_that_were_written(tmp_path: Path, shape: tuple[int, int], kind: str) -> None:
    picture = np.full((*shape, 3), 200, dtype=np.uint8)
    if kind == "noise":
        picture = np.random.default_rng(0).integers(0, 256, picture.shape, dtype=np.uint8)
    elif kind == "ramp":
        picture = np.arange(picture.size).astype(np.uint8).reshape(picture.shape)
    save_png(tmp_path / "a.png", picture)
    with Image.open(tmp_path / "a.png") as found:
        assert found.format == "PNG" and found.mode == "RGB"
        found.verify()  # the checksums of all chunks
    assert np.array_equal(np.asarray(Image.open(tmp_path / "a.png")), picture)


def test_pictures_need_not_be_contiguous(tmp_path: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)[::2, 5:-3, ::-1]
    save_png(tmp_path / "a.png", picture)
    assert np.array_equal(np.asarray(Image.open(tmp_path / "a.png")), picture)


def test_flat_pictures_are_small(tmp_path: Path) -> None:
    save_png(tmp_path / "a.png", np.full((500, 500, 3), 255, dtype=np.uint8))
    assert (tmp_path / "a.png").stat().st_size < 10_000
