"""Which defects a view shows: by the crop, by the shift, and by what was drawn."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from adtrack.config import ImageSpec
from adtrack.data.checking import check_images
from adtrack.data.imageset import ImageSet, image_set
from adtrack.data.layouts import read_class
from adtrack.data.loading import footprint
from adtrack.data.memory_file import write_memory
from adtrack.data.shift import draw_shift
from adtrack.data.splits import make_splits
from adtrack.data.transform import shift_mask
from adtrack.evaluation.visibility import Visibility, visibility
from adtrack.findings import listed

KEPT = "part/ground_truth/spot/000_mask.png"


def rows(first: int, end: int) -> np.ndarray:
    mask = np.zeros((64, 64), dtype=bool)
    mask[first:end] = True
    return mask


@pytest.fixture
def images(data_with_masks):
    """The named set of the class with these masks."""

    def read(mask: np.ndarray, split: str, domain: str, severity: float = 1.0) -> ImageSet:
        root = data_with_masks(mask, but=KEPT)
        found = read_class(root, "part")
        splits = make_splits(found, 42, check_images(root, found.train + found.test))
        return image_set(splits, root, split, domain, severity)

    return read


def test_a_defect_outside_the_crop_is_not_shown_and_one_row_inside_is(images):
    """Crop 56 of 64 leaves out 4 rows on each side."""
    test = images(rows(0, 4), "test", "clean")
    found = visibility(test, ImageSpec(64, 56))
    kept = "part/test/spot/000.png"
    defects = [record.path for record in test.records if record.label]
    assert kept in defects and found == Visibility((kept,), tuple(path for path in defects if path != kept))
    assert found.count == len(defects) == 6
    assert found.missing == f"5 of 6 defects lie wholly outside the view ({listed(found.outside)})"
    for view in (ImageSpec(64, 58), ImageSpec(64, 0), ImageSpec(256, 0)):
        assert visibility(test, view) == Visibility(tuple(defects))


def test_empty_masks_are_told_from_hidden_defects(images):
    found = visibility(images(rows(0, 0), "test", "clean"), ImageSpec(64, 0))
    assert (len(found.shown), len(found.outside), len(found.empty)) == (1, 0, 5)
    assert found.missing.startswith("5 of 6 masks are empty (part/test/s")


def test_the_shift_can_move_a_defect_out_of_the_view(images):
    shifted, view = images(rows(0, 2), "val", "shift", 2.0), ImageSpec(64, 60)
    part = footprint(64, 64, view)
    seen = {}
    for record in shifted.records:
        if record.mask:
            mask = shift_mask(rows(0, 2), draw_shift(record.path, 42, 2.0))
            seen[record.path] = mask[part.top : part.bottom, part.left : part.right].any()
    found = visibility(shifted, view)
    assert set(found.shown) == {path for path, shown in seen.items() if shown}
    assert set(found.outside) == {path for path, shown in seen.items() if not shown} and not found.empty


def test_sets_add_up_and_many_paths_are_counted():
    both = Visibility(("a",), ("b",)) + Visibility((), ("c", "d", "e"), ("f",))
    assert both == Visibility(("a",), ("b", "c", "d", "e"), ("f",)) and both.count == 6
    assert both.missing == "4 of 6 defects lie wholly outside the view (b, c, d and 1 more), 1 of 6 masks are empty (f)"
    assert Visibility().missing == ""


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths of the images whose masks were read."""
    paths: list[str] = []
    read = ImageSet.mask

    def mask(images: ImageSet, index: int) -> np.ndarray | None:
        paths.append(images.records[index].path)
        return read(images, index)

    monkeypatch.setattr(ImageSet, "mask", mask)
    return paths


def test_the_answer_is_remembered_for_this_set_and_view_alone(images, looked):
    test = images(rows(0, 4), "test", "clean")
    shifted = replace(test, domain="shift", severity=2.0)
    asked = [
        (test, ImageSpec(64, 56)),
        (test, ImageSpec(64, 58)),
        (test, ImageSpec(32, 0)),
        (shifted, ImageSpec(64, 0)),
    ]
    first = [visibility(*what) for what in asked]
    assert len(set(first[:2])) == 2 and len(looked) >= 3 * 6 + 2
    looked.clear()
    assert [visibility(*what) for what in asked] == first and looked == []


def test_another_mask_is_looked_at_anew(images):
    test, view = images(rows(0, 4), "test", "clean"), ImageSpec(64, 56)
    outside = visibility(test, view).outside
    record = next(record for record in test.records if record.path == outside[0])
    Image.fromarray(rows(20, 24)).save(test.root / record.mask)
    changed = replace(test, contents={**test.contents, record.mask: "1" * 64})
    assert len(outside) == 5 and visibility(changed, view).outside == outside[1:]


@pytest.mark.parametrize("places", [None, 7, [], ["shown"] * 5, ["shown"] * 5 + ["nowhere"], ["shown"] * 5 + [[]]])
def test_an_answer_of_another_form_is_none(images, looked, own_cache, places):
    test = images(rows(0, 4), "test", "clean")
    expected = visibility(test, ImageSpec(64, 56))
    for file in (own_cache / "checked").glob("*.json"):
        write_memory(file, {"places": places})
    looked.clear()
    assert visibility(test, ImageSpec(64, 56)) == expected and len(set(looked)) == 6


def test_a_cache_that_cannot_be_written_changes_no_answer(images, monkeypatch, tmp_path):
    test = images(rows(0, 4), "test", "clean")
    expected = visibility(test, ImageSpec(64, 56))
    (tmp_path / "in the way").touch()
    monkeypatch.setenv("ADTRACK_CACHE", str(tmp_path / "in the way"))
    assert visibility(test, ImageSpec(64, 56)) == expected
