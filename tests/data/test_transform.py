"""MVTec-Shift on pixels: each of its steps against another implementation, and image and mask together."""

import dataclasses
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from scipy import ndimage
from torchvision.transforms.v2 import functional as reference

from adtrack.data.light import light
from adtrack.data.shift import LINEAR, RADIAL, Shift, draw_shift
from adtrack.data.strips import PIXELS
from adtrack.data.transform import _noise, shift_image, shift_mask
from tests.data import plain_transform as plain

RNG = np.random.default_rng(0)
DRAWN = [draw_shift(f"zipper/test/broken_teeth/{i:03}.png", 42) for i in range(30)]
SEVERE = [draw_shift(f"zipper/test/{i:03}.png", 7, severity) for severity in (0.25, 0.5, 1.5, 2.0) for i in range(10)]


def geometry_of(shift: Shift) -> Shift:
    names = ("angle", "crop_top", "crop_left", "crop_height", "crop_width", "translate_y", "translate_x")
    return Shift(**{name: getattr(shift, name) for name in names})


def smooth_image(height: int = 90, width: int = 120) -> np.ndarray:
    noise = ndimage.gaussian_filter(RNG.random((height, width, 3)), (6, 6, 0))
    noise = (noise - noise.min()) / np.ptp(noise)
    return np.rint(40 + 170 * noise).astype(np.uint8)


def test_no_shift_is_no_change() -> None:
    image, mask = smooth_image(), RNG.random((90, 120)) > 0.5
    assert (shift_image(image, Shift()) == image).all()
    assert (shift_mask(mask, Shift()) == mask).all() and shift_mask(mask, Shift()).dtype == bool


def test_rotation_is_pillows() -> None:
    image = smooth_image()
    turned = Image.fromarray(image).rotate(8, Image.Resampling.BILINEAR)
    inside = np.s_[20:-20, 20:-20]
    assert np.abs(shift_image(image, Shift(angle=8.0)).astype(int) - np.asarray(turned))[inside].max() <= 2


def test_crop_is_torchvisions_resized_crop() -> None:
    image = smooth_image(100, 200)
    shift = Shift(crop_top=0.05, crop_left=0.1, crop_height=0.9, crop_width=0.8)
    tensor = torch.from_numpy(image).permute(2, 0, 1).float()
    expected = reference.resized_crop(tensor, 5, 20, 90, 160, [100, 200], antialias=False).permute(1, 2, 0).numpy()
    inside = np.s_[1:-1, 1:-1]  # torchvision repeats the crop's edge, here the image goes on
    assert np.abs(shift_image(image, shift) - expected)[inside].max() <= 0.51


def test_translation_moves_down_and_right_and_reflects_behind() -> None:
    image = smooth_image(100, 200)
    moved = shift_image(image, Shift(translate_y=0.05, translate_x=0.02))
    assert (moved[5:, 4:] == image[:-5, :-4]).all()
    assert (moved[:5, 4:] == image[4::-1, :-4]).all()


def bilinear(plane: np.ndarray, shift: Shift, y: int, x: int) -> float:
    """One output pixel by the steps one at a time: undo translation, then crop, then rotation; sample; reflect."""
    height, width = plane.shape
    v, u = y + 0.5 - shift.translate_y * height, x + 0.5 - shift.translate_x * width
    v, u = shift.crop_top * height + shift.crop_height * v, shift.crop_left * width + shift.crop_width * u
    turn = np.exp(1j * np.radians(shift.angle))
    z = complex(u - width / 2, v - height / 2) * turn + complex(width / 2, height / 2)
    row, column = z.imag - 0.5, z.real - 0.5
    top, left = int(np.floor(row)), int(np.floor(column))

    def at(i: int, n: int) -> int:
        i %= 2 * n
        return i if i < n else 2 * n - 1 - i

    total = 0.0
    for i, weight_i in ((top, 1 - row + top), (top + 1, row - top)):
        for j, weight_j in ((left, 1 - column + left), (left + 1, column - left)):
            total += weight_i * weight_j * float(plane[at(i, height), at(j, width)])
    return total


@pytest.mark.parametrize("shift", DRAWN[:4])
def test_composed_map_is_the_steps_one_after_the_other(shift: Shift) -> None:
    image = RNG.integers(0, 256, (23, 37, 3), dtype=np.uint8)
    moved = shift_image(image, geometry_of(shift))
    expected = [[bilinear(image[..., 1], shift, y, x) for x in range(37)] for y in range(23)]
    assert np.abs(moved[..., 1] - np.array(expected)).max() <= 0.51


@pytest.mark.parametrize("shift", DRAWN + SEVERE)
def test_image_and_mask_move_together(shift: Shift) -> None:
    height, width = 90, 130
    mask = np.zeros((height, width), bool)
    mask[40:52, 60:75] = True
    image = np.repeat((mask * np.uint8(200))[:, :, None], 3, axis=2)
    moved_mask = shift_mask(mask, shift)
    moved = shift_image(image, geometry_of(shift))[..., 0] > 100
    # Nearest and bilinear-then-halved can differ along the outline only.
    outline = ndimage.binary_dilation(moved_mask) & ~ndimage.binary_erosion(moved_mask)
    assert (moved == moved_mask)[~outline].all()
    larger = 1 / (shift.crop_height * shift.crop_width)
    assert 0.9 * larger * 180 <= moved_mask.sum() <= 1.1 * larger * 180
    difference = np.array(ndimage.center_of_mass(moved)) - ndimage.center_of_mass(moved_mask)
    assert np.abs(difference).max() < 0.2


@pytest.mark.parametrize("shift", DRAWN + SEVERE)
def test_white_stays_white_and_a_full_mask_full(shift: Shift) -> None:
    assert (shift_image(np.full((61, 83, 3), 255, np.uint8), geometry_of(shift)) == 255).all()
    assert shift_mask(np.ones((61, 83), bool), shift).all()
    assert not shift_mask(np.zeros((61, 83), bool), shift).any()


@pytest.mark.parametrize("shift", DRAWN[:10] + SEVERE)
def test_a_mark_is_inside_the_moved_mask_whatever_else_happens(shift: Shift) -> None:
    """With light, blur and noise too: inside the mask the red is far above what it is around it."""
    mask = np.zeros((120, 90), bool)
    mask[55:70, 30:44] = True
    image = np.full((120, 90, 3), 60, np.uint8)
    image[mask] = (200, 60, 60)
    red = shift_image(image, shift)[..., 0].astype(float)
    moved = shift_mask(mask, shift)
    inside = ndimage.binary_erosion(moved, iterations=3)
    around = ndimage.binary_dilation(moved, iterations=8) & ~ndimage.binary_dilation(moved, iterations=4)
    assert inside.sum() > 50
    assert red[inside].mean() > 1.8 * red[around].mean() > 0


@pytest.mark.parametrize("shape", [(1, 1), (7, 130), (64, 65)])
def test_severity_0_gives_the_very_image_and_mask(shape: tuple[int, int]) -> None:
    for number in range(20):
        shift = draw_shift(f"{number}.png", 42, 0)
        image, mask = RNG.integers(0, 256, (*shape, 3), dtype=np.uint8), RNG.random(shape) > 0.5
        np.testing.assert_array_equal(shift_image(image, shift), image)
        np.testing.assert_array_equal(shift_mask(mask, shift), mask)


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (40, 1), (2, 3)])
def test_tiny_images(shape: tuple[int, int]) -> None:
    for shift in DRAWN[:20]:
        assert shift_image(np.full((*shape, 3), 9, np.uint8), shift).shape == (*shape, 3)
        assert shift_mask(np.ones(shape, bool), shift).all()


@pytest.mark.parametrize(("brightness", "contrast", "saturation"), [(1.3, 1.2, 0.7), (0.7, 1.3, 1.3), (1.1, 0.7, 1)])
def test_photometric_is_torchvisions(brightness: float, contrast: float, saturation: float) -> None:
    image = RNG.integers(0, 256, (40, 50, 3), dtype=np.uint8)
    expected = torch.from_numpy(image).permute(2, 0, 1).double() / 255
    expected = reference.adjust_brightness(expected, brightness)
    expected = reference.adjust_contrast(expected, contrast)
    expected = reference.adjust_saturation(expected, saturation).permute(1, 2, 0).numpy() * 255
    ours = shift_image(image, Shift(brightness=brightness, contrast=contrast, saturation=saturation))
    assert np.abs(ours - expected).max() < 0.6  # half a level of rounding, and torchvision's 0.2989 for 0.299


@pytest.mark.parametrize(("kernel", "sigma"), [(3, 0.8), (5, 1.1)])
def test_blur_is_torchvisions(kernel: int, sigma: float) -> None:
    image = RNG.integers(0, 256, (40, 50, 3), dtype=np.uint8)
    tensor = torch.from_numpy(image).permute(2, 0, 1).double()
    expected = reference.gaussian_blur(tensor, [kernel, kernel], [sigma, sigma]).permute(1, 2, 0).numpy()
    inside = np.s_[2:-2, 2:-2]  # torchvision does not repeat the edge pixel
    assert np.abs(shift_image(image, Shift(blur_kernel=kernel)) - expected)[inside].max() <= 0.51


def test_noise_is_gaussian_of_its_sigma_and_has_its_own_seed() -> None:
    field = np.concatenate(list(_noise((200, 201, 3), Shift(noise_sigma=1.0, noise_seed=7)))).astype(np.float64)
    assert field.mean() == pytest.approx(0, abs=0.01) and field.std() == pytest.approx(1, abs=0.01)
    for quantile, z in ((0.02275, -2), (0.1587, -1), (0.5, 0), (0.99865, 3)):
        assert np.mean(field < z) == pytest.approx(quantile, abs=0.005)
    assert abs(np.corrcoef(field[..., 0].ravel(), field[..., 1].ravel())[0, 1]) < 0.02
    assert abs(np.corrcoef(field[:, 1:].ravel(), field[:, :-1].ravel())[0, 1]) < 0.02
    grey = np.full((200, 200, 3), 128, np.uint8)
    noisy = shift_image(grey, Shift(noise_sigma=0.03, noise_seed=7)).astype(float) / 255
    assert noisy.std() == pytest.approx(0.03, rel=0.02)
    assert (shift_image(grey, Shift(noise_sigma=0.03, noise_seed=8)) / 255 != noisy).any()


ENDS = {  # dark end, bright end as pixels of a 200 × 300 image
    "left": ([(0, 0), (199, 0)], [(0, 299), (100, 299)]),
    "right": ([(0, 299), (199, 299)], [(0, 0), (100, 0)]),
    "top": ([(0, 0), (0, 299)], [(199, 0), (199, 150)]),
    "bottom": ([(199, 0), (199, 299)], [(0, 0), (0, 150)]),
    "centre": ([(100, 150)], [(0, 0), (199, 299), (0, 299)]),
    "edge": ([(0, 0), (199, 299), (0, 299)], [(100, 150)]),
}


def whole_light(shift: Shift, height: int, width: int) -> np.ndarray:
    return np.concatenate(list(light(shift, height, width)))


@pytest.mark.parametrize("kind", ENDS)
def test_light_runs_from_the_dark_end_to_the_bright_one(kind: str) -> None:
    found = whole_light(Shift(illumination=kind, illumination_depth=0.55), 200, 300)
    dark, bright = ENDS[kind]
    assert found.shape == (200, 300) and found.dtype == np.float32
    assert all(found[pixel] == pytest.approx(0.45, abs=0.01) for pixel in dark)
    assert all(found[pixel] == pytest.approx(1, abs=0.01) for pixel in bright)
    assert found.min() >= 0.4499 and found.max() <= 1.0001


def test_light_is_a_ramp_smoothed_by_the_protocols_gaussian() -> None:
    """Against a ramp image of 1024 pixels, mirrored at the dark end, really filtered with σ = 80 pixels."""
    ramp = np.minimum(np.abs((np.arange(-2048, 3072) + 0.5) / 1024), 1)
    smooth = ndimage.gaussian_filter1d(ramp, 80, truncate=8)
    # The ends lie between two pixels.
    dark, bright = smooth[2047:2049].mean(), smooth[3071:3073].mean()
    expected = 0.4 + 0.6 * (smooth[2048:3072] - dark) / (bright - dark)
    found = whole_light(Shift(illumination="left", illumination_depth=0.6), 3, 1024)
    np.testing.assert_allclose(found[1], expected, atol=1e-4)


@pytest.mark.parametrize("kind", ENDS)
def test_light_scales_with_the_side_and_has_no_edge(kind: str) -> None:
    shift = Shift(illumination=kind, illumination_depth=0.7)
    small, large = whole_light(shift, 128, 64), whole_light(shift, 512, 256)
    assert np.abs(large.reshape(128, 4, 64, 4).mean((1, 3)) - small).max() < 0.002
    assert max(np.abs(np.diff(large, axis=axis)).max() * large.shape[axis] for axis in (0, 1)) < 1.2
    assert max(np.abs(np.diff(large, 2, axis=axis)).max() for axis in (0, 1)) < 2e-3


def test_light_darkens_the_image() -> None:
    white = np.full((100, 100, 3), 200, np.uint8)
    lit = shift_image(white, Shift(illumination="top", illumination_depth=0.5))
    assert (lit[0] // 2 * 2 == 100).all() and (lit[-1] >= 199).all()


def test_pixels_are_not_gone_through_one_by_one(calls_of: Callable[..., int]) -> None:
    images = [RNG.integers(0, 256, (side, side, 3), dtype=np.uint8) for side in (8, 128, 512)]
    lit = next(shift for shift in DRAWN if shift.illumination != "none")
    shift_image(images[0], lit)  # what is only done at the first call
    tiny, small, large = (calls_of(lambda image=image: shift_image(image, lit)) for image in images)
    assert tiny < 700 and small < tiny + 50  # the calls that the border needs
    assert large < 700 * (1 + 512**2 / PIXELS)  # so many for each part of the image


def assert_plain(image: np.ndarray, mask: np.ndarray, shift: Shift) -> None:
    np.testing.assert_array_equal(shift_image(image, shift), plain.shift_image(image, shift))
    np.testing.assert_array_equal(shift_mask(mask, shift), plain.shift_mask(mask, shift))


def random_pair(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    return RNG.integers(0, 256, (height, width, 3), dtype=np.uint8), RNG.random((height, width)) > 0.5


SIZES = [(1, 1), (1, 2), (2, 3), (3, 2), (5, 5), (1, 700), (700, 1), (2, 900), (127, 301), (129, 257), (600, 611)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("severity", [0, 0.5, 1, 2])
def test_every_size_and_severity_has_the_bits_of_the_plain_steps(size: tuple[int, int], severity: float) -> None:
    for number in range(4):
        assert_plain(*random_pair(*size), draw_shift(f"{size}/{number}.png", 42, severity))


@pytest.mark.parametrize("kind", ["none", *LINEAR, *RADIAL])
@pytest.mark.parametrize("kernel", [1, 3, 5, 7, 11])
def test_every_light_and_kernel_has_the_bits_of_the_plain_steps(kind: str, kernel: int) -> None:
    drawn = draw_shift(f"{kind}/{kernel}.png", 42, 1.5)
    light_and_blur = {"illumination": kind, "illumination_depth": 0.6, "blur_kernel": kernel}
    assert_plain(*random_pair(181, 237), dataclasses.replace(drawn, **light_and_blur))


@given(
    size=st.tuples(st.integers(1, 180), st.integers(1, 300)),
    path=st.text(max_size=5),
    severity=st.floats(0, 2),
    smooth=st.booleans(),
)
def test_any_image_has_the_bits_of_the_plain_steps(size, path, severity: float, smooth: bool) -> None:
    image, mask = random_pair(*size)
    assert_plain(smooth_image(*size) if smooth and min(size) > 1 else image, mask, draw_shift(path, 3, severity))


def test_an_image_of_several_megapixels_has_the_bits_of_the_plain_steps() -> None:
    for number, size in enumerate([(1024, 1024), (1300, 1733)]):
        assert_plain(*random_pair(*size), draw_shift(f"{number}.png", 42))


def test_planes_of_another_order_in_memory_make_no_difference() -> None:
    image, mask = random_pair(90, 130)
    turned = np.ascontiguousarray(image.transpose(2, 1, 0)).transpose(2, 1, 0)
    for shift in DRAWN[:3]:
        assert_plain(turned, np.asfortranarray(mask), shift)
        np.testing.assert_array_equal(shift_image(turned, shift), shift_image(image, shift))


def test_threads_share_nothing() -> None:
    """Eight images at once, each of several tiles, are those that are shifted one after the other."""
    pairs = [(random_pair(300, 400)[0], shift) for shift in SEVERE[:8]]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda pair: shift_image(*pair), pairs))
    for (image, shift), moved in zip(pairs, found, strict=True):
        np.testing.assert_array_equal(moved, plain.shift_image(image, shift))


@pytest.mark.parametrize("shift", DRAWN[:8] + SEVERE[20:32], ids=str)
def test_a_small_mark_is_found_wherever_it_lies(shift: Shift) -> None:
    """Parts of the image that no mark comes near are passed over."""
    for top, left in ((0, 0), (140, 255), (297, 505), (60, 508), (298, 3)):
        mask = np.zeros((301, 511), bool)
        mask[top : top + 3, left : left + 5] = True
        np.testing.assert_array_equal(shift_mask(mask, shift), plain.shift_mask(mask, shift))
