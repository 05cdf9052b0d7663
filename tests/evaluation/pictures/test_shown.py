"""Images and masks as they are shown: small, made when the network reads an image, and kept for later verbs."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from adtrack.config import BackboneSpec, DataSpec, ImageSpec
from adtrack.data.imageset import ImageSet
from adtrack.evaluation.pictures.sheets import fit, fit_mask
from adtrack.evaluation.pictures.shown import SIDE, Display, shown_pictures
from adtrack.evaluation.workbench import Workbench

SETS = ("val_clean", "val_shift")


def opened_bench(root: Path) -> Workbench:
    weights = BackboneSpec("resnet18", "random", 1)
    return Workbench.open(DataSpec("part", str(root)), ImageSpec(64, 0), weights, ("layer1",), "cpu")


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Counts how many images of each set are decoded."""
    counts: Counter[str] = Counter()
    decode = ImageSet.decoded

    def decoded(images: ImageSet, index: int) -> np.ndarray:
        counts[images.name] += 1
        return decode(images, index)

    monkeypatch.setattr(ImageSet, "decoded", decoded)
    return counts


def displays(bench: Workbench) -> list[Display]:
    return [bench.display(name, index) for name in SETS for index in range(len(bench.opened.images(name)))]


def same(one: list[Display], other: list[Display]) -> bool:
    pairs = zip(one, other, strict=True)
    return all(np.array_equal(a.image, b.image) and np.array_equal(a.mask, b.mask) for a, b in pairs)


def test_a_display_is_the_shrunk_image_with_its_shrunk_mask(tmp_path: Path, write_part: Callable[..., Path]) -> None:
    """Whatever size and aspect the images have."""
    root = write_part(tmp_path, size=400)
    for file in (root / "part").rglob("*.png"):
        if "train" not in file.parts:
            width, height = 30 + 7 * int(file.stem[:3]), 400 if "good" in file.parts else 90
            with Image.open(file) as image:
                image.resize((width, height)).save(file)
    bench = opened_bench(root)
    for name in SETS:
        images = bench.opened.images(name)
        for index, record in enumerate(images.records):
            shown, mask = bench.display(name, index), images.mask(index)
            assert shown.image.dtype == np.uint8 and shown.mask is not None and shown.mask.dtype == bool
            np.testing.assert_array_equal(shown.image, fit(images.image(index), SIDE))
            np.testing.assert_array_equal(shown.mask, fit_mask(mask, SIDE))
            assert shown.mask.any() == bool(record.label) or name == "val_shift"


def test_the_pass_of_the_network_makes_them_and_no_image_is_decoded_again(
    tiny_data: Path, decoded: Counter[str]
) -> None:
    bench = opened_bench(tiny_data)
    for name in SETS:
        bench.features(name)
    once = Counter({name: len(bench.opened.images(name)) for name in SETS})
    made = displays(bench)
    assert decoded == once
    other = opened_bench(tiny_data)  # as in a second verb
    assert same(displays(other), made) and decoded == once


def test_train_is_not_shrunk(tiny_data: Path, own_cache: Path) -> None:
    bench = opened_bench(tiny_data)
    bench.features("train_clean")
    assert len([entry for entry in (own_cache / "features").iterdir() if entry.is_dir()]) == 1


def test_only_pictures_that_are_missing_are_made(tiny_data: Path, own_cache: Path, decoded: Counter[str]) -> None:
    bench = opened_bench(tiny_data)
    for name in SETS:
        bench.features(name)
    expected, before = displays(bench), Counter(decoded)
    file = own_cache / "features" / shown_pictures(bench.opened, "val_clean").key / "features.npy"
    content = bytearray(file.read_bytes())
    content[-5] ^= 1
    file.unlink()  # what is open stays readable
    file.write_bytes(content)
    again = opened_bench(tiny_data)
    for name in SETS:
        again.features(name)
    assert decoded == before
    assert same(displays(again), expected)
    assert decoded - before == Counter({"val_clean": len(bench.opened.images("val_clean"))})


def test_another_mask_has_pictures_of_its_own(tmp_path: Path, write_part: Callable[..., Path]) -> None:
    root = write_part(tmp_path)
    before = opened_bench(root)
    index = int(np.flatnonzero(before.opened.images("val_clean").labels)[0])
    shown = before.display("val_clean", index)
    mask = root / str(before.opened.images("val_clean").records[index].mask)
    Image.fromarray(np.tril(np.full((64, 64), 255, np.uint8))).save(mask)
    after = opened_bench(root).display("val_clean", index)
    assert np.array_equal(shown.image, after.image) and not np.array_equal(shown.mask, after.mask)
    assert np.array_equal(after.mask, fit_mask(np.tril(np.ones((64, 64))), SIDE))


def test_without_masks_there_is_an_image_all_the_same(tmp_path: Path, write_part: Callable[..., Path]) -> None:
    shown = opened_bench(write_part(tmp_path, masks=False)).display("val_clean", 0)
    assert shown.mask is None and shown.image.any()


def test_a_cache_without_room_changes_no_picture(tiny_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = displays(opened_bench(tiny_data))
    monkeypatch.setenv("ADTRACK_CACHE_GB", "0")
    bench = opened_bench(tiny_data)
    for name in SETS:
        bench.features(name)
    assert same(displays(bench), expected)
