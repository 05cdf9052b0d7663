"""Corruptions: each on pixels whose result is known by hand, what their draws depend on, and how strong they are."""

import hashlib
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from adtrack.data.corruptions import (
    CORRUPTIONS,
    Speck,
    corrupted,
    defocus,
    dust,
    gamma,
    jpeg,
    shadow,
    vignette,
    white_balance,
)

RNG = np.random.default_rng(0)
DRAWN = ("shadow", "dust")
SHA = """
import hashlib, numpy as np
from adtrack.data.corruptions import CORRUPTIONS, corrupted
image = (np.arange(40 * 50 * 3, dtype=np.uint32).reshape(40, 50, 3) * 2654435761 >> 24 & 255).astype(np.uint8)
for kind in {kinds}:
    print(kind, hashlib.sha256(corrupted(image, kind, "a/0.png", 42).tobytes()).hexdigest())
"""


def flat(value: int, height: int = 10, width: int = 20) -> np.ndarray:
    return np.full((height, width, 3), value, np.uint8)


def some(height: int = 64, width: int = 80) -> np.ndarray:
    return RNG.integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("kind", CORRUPTIONS)
@pytest.mark.parametrize("shape", [(64, 80), (1, 1), (3, 200)])
def test_a_corruption_keeps_size_and_type_and_leaves_its_source_alone(kind: str, shape: tuple[int, int]) -> None:
    image = some(*shape)
    before = image.copy()
    found = corrupted(image, kind, "a.png", 42)
    assert found.dtype == np.uint8 and found.shape == image.shape
    np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize("kind", CORRUPTIONS)
def test_a_corruption_changes_an_image_of_the_usual_size(kind: str) -> None:
    image = np.rint(60 + 130 * ndimage.gaussian_filter(RNG.random((256, 256, 3)), (1, 1, 0))).astype(np.uint8)
    assert (corrupted(image, kind, "a.png", 42) != image).any()


@pytest.mark.parametrize("kind", CORRUPTIONS)
def test_only_what_is_drawn_depends_on_seed_and_path(kind: str) -> None:
    image = flat(200, 256, 256)
    image[:, ::3, 1] = 90
    found = [corrupted(image, kind, path, seed).tobytes() for path in ("a.png", "b.png") for seed in (1, 2)]
    assert len(set(found)) == (4 if kind in DRAWN else 1)


def test_same_bits_in_any_order_and_process() -> None:
    kinds = list(CORRUPTIONS)
    runs = [
        subprocess.run([sys.executable, "-c", SHA.format(kinds=order)], capture_output=True, text=True, check=True)
        for order in (kinds, kinds[::-1])
    ]
    lines = [run.stdout.splitlines() for run in runs]
    assert lines[0] == lines[1][::-1]
    image = (np.arange(40 * 50 * 3, dtype=np.uint32).reshape(40, 50, 3) * 2654435761 >> 24 & 255).astype(np.uint8)
    assert lines[0] == [
        f"{kind} {hashlib.sha256(corrupted(image, kind, 'a/0.png', 42).tobytes()).hexdigest()}" for kind in kinds
    ]


def test_gamma_by_hand() -> None:
    image = np.array([[[0, 255, 64]]], np.uint8)
    assert gamma(image, 0.5).tolist() == [[[0, 255, 128]]]  # 255 √(64 / 255) = 127.7
    assert gamma(image, 2.0).tolist() == [[[0, 255, 16]]]  # 64² / 255 = 16.06
    grey = flat(128)
    assert corrupted(grey, "gamma_bright", "", 0).min() > 128 > corrupted(grey, "gamma_dark", "", 0).max()


def test_white_balance_by_hand() -> None:
    image = np.array([[[100, 100, 100], [220, 7, 255]]], np.uint8)
    assert white_balance(image, 1.2, 0.8).tolist() == [[[120, 100, 80], [255, 7, 204]]]  # 264 is cut to 255


def test_vignette_by_hand() -> None:
    # Of 2 × 4 pixels the middles lie at y = ±½ and x = ±¼, ±¾ from the middle of the image, whose sides have length 2.
    found = vignette(flat(160, 2, 4), 0.4)[..., 0]
    inner, outer = 160 * (1 - 0.6 * (1 / 4 + 1 / 16) / 2), 160 * (1 - 0.6 * (1 / 4 + 9 / 16) / 2)  # 145, 121
    assert found.tolist() == [[outer, inner, inner, outer]] * 2 == [[121, 145, 145, 121]] * 2


def test_vignette_reaches_its_depth_in_the_corners() -> None:
    found = corrupted(flat(250, 1001, 1001), "vignette", "", 0)[..., 0]
    assert found[500, 500] == 250 and found[0, 0] == found[-1, -1] == 100  # 40 % of 250


def test_defocus_is_a_gaussian_that_grows_with_the_shorter_side() -> None:
    image = flat(0, 101, 301)
    image[50, 150] = 255
    found = defocus(image, 2 / 101)[..., 0].astype(float)  # σ = 2 px
    taps = np.exp(-(np.arange(-8, 9) ** 2) / 8)
    expected = 255 * np.outer(taps, taps) / taps.sum() ** 2
    assert np.abs(found[42:59, 142:159] - expected).max() <= 0.5 + 1e-2  # SciPy ends the Gaussian at 4 σ
    assert found.sum() == found[42:59, 142:159].sum() > 200
    edge = np.repeat(np.arange(1024)[None, :, None] >= 512, 3, 2).repeat(64, 0) * np.uint8(255)
    steps = np.diff(corrupted(np.concatenate([edge] * 16), "defocus", "", 0)[512, :, 0].astype(float))
    places = np.arange(1023) + 0.5
    spread = np.sqrt((steps * (places - 511.5) ** 2).sum() / steps.sum())
    assert spread == pytest.approx(4, abs=0.1)  # σ = 4 px of 1024


def test_shadow_by_hand() -> None:
    # The pixels' middles lie at x = ⅛, ⅜, ⅝, ⅞: beyond ½ + 0.2 lies the last column, and the factor is ½.
    right = shadow(flat(100, 2, 4), 0.5, 0.0, 0.2)[..., 0]
    assert right.tolist() == [[100, 100, 100, 50]] * 2
    down = shadow(flat(100, 4, 2), 0.5, 90.0, -0.2)[..., 0]  # 90° is down: y > 0.3
    assert down.tolist() == [[100, 100], [50, 50], [50, 50], [50, 50]]


@given(st.integers(0, 10**6), st.text("ab/", min_size=1, max_size=5))
def test_a_drawn_shadow_is_slanted_sharp_and_neither_all_nor_nothing(seed: int, path: str) -> None:
    found = corrupted(flat(200, 100, 120), "shadow", path, seed)[..., 0]
    assert set(np.unique(found)) == {110, 200}  # 0.55 · 200
    assert 0.1 < (found == 110).mean() < 0.9
    assert len(np.unique(found, axis=0)) > 1 < len(np.unique(found, axis=1).T)  # neither upright nor level


def test_dust_by_hand() -> None:
    # A speck in the middle of 5 × 5 pixels with a radius of 1 pixel: the next pixels are half covered, those at √2 by
    # 1 + ½ - √2.
    found = dust(flat(200, 5, 5), 0.5, [Speck(0.5, 0.5, 0.2)])[..., 0]
    side, corner = 150, round(200 * (1 - 0.5 * (1.5 - 2**0.5)))
    assert found.tolist() == [
        [200, 200, 200, 200, 200],
        [200, corner, side, corner, 200],
        [200, side, 100, side, 200],
        [200, corner, side, corner, 200],
        [200, 200, 200, 200, 200],
    ]


def test_specks_that_overlap_darken_once() -> None:
    once, twice = ([Speck(0.5, 0.5, 0.1)] * count for count in (1, 2))
    np.testing.assert_array_equal(dust(flat(200, 50, 50), 0.35, once), dust(flat(200, 50, 50), 0.35, twice))


@given(st.integers(0, 10**6))
def test_drawn_dust_is_a_few_dark_specks(seed: int) -> None:
    found = corrupted(flat(200, 512, 512), "dust", "a.png", seed)[..., 0]
    assert 1 <= ndimage.label(found < 190)[1] <= 6
    assert found.min() == 70 and 0 < (found < 200).mean() < 6 * np.pi * 0.01**2


def test_jpeg_is_coarser_the_lower_its_quality() -> None:
    image = np.rint(60 + 130 * ndimage.gaussian_filter(RNG.random((64, 64, 3)), (2, 2, 0))).astype(np.uint8)
    low, high = (np.abs(jpeg(image, quality).astype(int) - image).mean() for quality in (15, 95))
    assert high < low < 10
    np.testing.assert_array_equal(jpeg(flat(128, 16, 16), 15), flat(128, 16, 16))  # a flat grey has only a mean
