"""adtrack.evaluation.pictures.sheets: what is where on panels and contact sheets, on real and on generated images."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from adtrack.detectors.calibration import ColourRange
from adtrack.errors import UserError
from adtrack.evaluation.calibrating import colour_range
from adtrack.evaluation.pictures.heatmaps import CONTOUR, Heatmap
from adtrack.evaluation.pictures.png import save_png
from adtrack.evaluation.pictures.sheets import GAP, THUMB, VERDICTS, Tile, contact_sheet, fit, panel, thumb

RANGE = ColourRange(10.0, 20.0)


def scene(height: int, width: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A grey image with a defect in its lower right quarter, its mask, and a map that is hot there."""
    mask = np.zeros((height, width), dtype=np.uint8)
    mask[height * 5 // 8 : height * 7 // 8, width * 5 // 8 : width * 7 // 8] = 255
    return np.full((height, width, 3), 90, np.uint8), mask, np.where(mask, 25.0, 9.0).astype(np.float32)


def coloured(picture: np.ndarray) -> np.ndarray:
    """Where a picture is not grey."""
    return np.ptp(picture.astype(int), axis=-1) > 20


@pytest.mark.parametrize(("height", "width"), [(300, 200), (64, 512), (1024, 1024), (40, 30)])
def test_fit_keeps_the_aspect(height: int, width: int):
    fitted = fit(np.zeros((height, width, 3), np.uint8), 128)
    assert max(fitted.shape[:2]) == 128 and fitted.dtype == np.uint8
    assert fitted.shape[0] / fitted.shape[1] == pytest.approx(height / width, rel=0.05)


@pytest.mark.parametrize(("height", "width"), [(300, 200), (700, 900), (60, 60)])
def test_thumb_is_hot_where_the_map_is(height: int, width: int):
    image, mask, anomaly_map = scene(height, width)
    hot = coloured(thumb(image, Heatmap(anomaly_map, RANGE)))
    expected = fit(mask, THUMB) > 127
    assert np.count_nonzero(hot ^ expected) < 0.15 * np.count_nonzero(expected)


def test_thumb_leaves_the_unseen_border_without_heat():
    image, _, anomaly_map = scene(200, 200)
    anomaly_map[:, :] = 25.0
    anomaly_map[:, :50] = np.nan
    hot = coloured(thumb(image, Heatmap(anomaly_map, RANGE), side=100))
    assert not hot[:, :25].any() and hot[:, 27:].all()


def test_panel_shows_image_outline_overlay_and_scale_in_this_order():
    image, mask, anomaly_map = scene(200, 200)
    side = 100
    sheet = panel(image, mask, Heatmap(anomaly_map, RANGE), "crack/001.png", side=side)
    assert sheet.dtype == np.uint8 and sheet.shape == (24 + side + GAP, sheet.shape[1], 3)
    first, second, third = (sheet[24 : 24 + side, GAP + i * (side + GAP) :][:, :side] for i in range(3))
    assert np.array_equal(first, fit(image, side))
    line = (second == CONTOUR).all(axis=-1)
    assert line.any() and not line[: side // 2].any()
    assert coloured(third)[75, 75] and not coloured(third)[:50].any()
    assert (sheet[:24] < 100).any()  # a caption


def test_panel_without_a_mask_has_no_middle_picture_and_an_empty_mask_no_line():
    image, mask, anomaly_map = scene(200, 200)
    with_mask = panel(image, mask * 0, Heatmap(anomaly_map, RANGE), "", side=100)
    without = panel(image, None, Heatmap(anomaly_map, RANGE), "", side=100)
    assert with_mask.shape[1] - without.shape[1] == 100 + GAP
    assert not (with_mask == CONTOUR).all(axis=-1).any()


def test_without_a_heatmap_the_image_is_shown_alone():
    image, mask, anomaly_map = scene(200, 200)
    assert np.array_equal(thumb(image, None), fit(image, THUMB))
    with_heatmap = panel(image, mask, Heatmap(anomaly_map, RANGE), "", side=100)
    without = panel(image, mask, None, "", side=100)
    columns = 2 * (100 + GAP)  # the image, and the outline
    assert without.shape[1] == GAP + columns < with_heatmap.shape[1]
    assert np.array_equal(without[24:], with_heatmap[24:, : without.shape[1]])


def test_a_defect_of_one_pixel_is_outlined_in_a_much_smaller_panel():
    image, _, anomaly_map = scene(1024, 1024)
    mask = np.zeros((1024, 1024), dtype=bool)
    mask[701, 333] = True
    sheet = panel(image, mask, Heatmap(anomaly_map, RANGE), "", side=128)
    assert (sheet == CONTOUR).all(axis=-1).any()


def test_long_captions_stay_inside():
    image, mask, anomaly_map = scene(120, 40)
    sheet = panel(image, mask, Heatmap(anomaly_map, RANGE), "a very long kind of defect/" + "x" * 500, side=64)
    assert sheet.shape[1] <= 3 * 64
    assert (sheet[:24, -GAP // 2 :] == 255).all()


@pytest.mark.parametrize("part", ["mask", "map"])
def test_panel_refuses_other_sizes_even_of_the_same_aspect(part: str):
    image, mask, anomaly_map = scene(200, 200)
    parts = {"mask": mask, "map": anomaly_map} | {part: np.zeros((100, 100), np.float32)}
    with pytest.raises(UserError, match=r"\(200, 200, 3\) and \(100, 100\)"):
        panel(image, parts["mask"], Heatmap(parts["map"], RANGE), "")


def test_contact_sheet_frames_each_verdict_in_its_colour_and_word():
    picture = np.full((50, 80, 3), 90, np.uint8)
    verdicts = [(True, True), (True, False), (False, True), (False, False)]
    tiles = [Tile(picture, "", anomalous, alarm) for anomalous, alarm in verdicts]
    sheet = contact_sheet(tiles, columns=2)
    cell = [THUMB + 8 + GAP, THUMB + 8 + GAP + 28]
    words = []
    for index, verdict in enumerate(verdicts):
        left, top = GAP + index % 2 * cell[0], GAP + index // 2 * cell[1]
        assert tuple(sheet[top, left]) == VERDICTS[verdict][1]
        words.append((sheet[top + THUMB + 8 :][:15, left : left + THUMB] < 200).any(axis=-1))
    assert all(word.any() for word in words)
    assert not any(np.array_equal(words[i], words[j]) for i in range(4) for j in range(i))


def test_contact_sheet_keeps_the_order_and_refuses_none():
    tiles = [Tile(np.full((10, 10, 3), level, np.uint8), "x" * 80, False, False) for level in range(0, 230, 10)]
    sheet = contact_sheet(tiles, columns=5)
    centre = [
        sheet[GAP + 64 + i // 5 * (THUMB + 8 + GAP + 28), GAP + 64 + i % 5 * (THUMB + 8 + GAP), 0] for i in range(23)
    ]
    assert centre == list(range(0, 230, 10))
    with pytest.raises(UserError, match="at least one picture"):
        contact_sheet([])


def test_png_gives_the_same_pixels_back(tmp_path: Path):
    picture = np.random.default_rng(0).integers(0, 256, (30, 20, 3), dtype=np.uint8)
    save_png(tmp_path / "panel.png", picture)
    with Image.open(tmp_path / "panel.png") as stored:
        assert stored.format == "PNG" and np.array_equal(np.asarray(stored), picture)


@pytest.mark.shared
def test_panels_of_real_images_of_every_kind(shared: Path):
    root = shared / "data" / "magnetic_tile"
    for folder in sorted((root / "ground_truth").iterdir()):
        path = sorted(folder.glob("*_mask.png"))[0]
        mask = np.asarray(Image.open(path))
        name = path.name.removesuffix("_mask.png")
        image = np.asarray(Image.open(root / "test" / folder.name / f"{name}.jpg").convert("RGB"))
        anomaly_map = 20 + 10 * ndimage.gaussian_filter((mask > 0).astype(np.float32), 4)
        colours = colour_range([np.full((8, 8), 20.0)], [anomaly_map])
        sheet = panel(image, mask, Heatmap(anomaly_map, colours), f"{folder.name}/{name}.jpg")
        assert coloured(sheet).any() and sheet.shape[0] <= 24 + 256 + GAP
