"""Images and masks as they are shown: small, and read once."""

import gc
from collections.abc import Callable
from pathlib import Path

import numpy as np

from adtrack.config import DataSpec
from adtrack.evaluation.opened_class import open_class
from adtrack.evaluation.pictures import displays
from adtrack.evaluation.pictures.displays import display


def test_displays_are_small_and_remembered_while_the_class_is_open(
    tmp_path: Path, write_part: Callable[..., Path]
) -> None:
    opened = open_class(DataSpec("part", str(write_part(tmp_path, size=400))))
    shown = display(opened, "val_clean", 0)
    assert shown.image.dtype == np.uint8 and shown.image.shape == (*shown.mask.shape, 3) and max(shown.mask.shape) < 400
    assert shown.mask.dtype == bool and shown.mask.any() and display(opened, "val_clean", 0) is shown
    assert display(opened, "val_shift", 0) is not shown and opened in displays._SHOWN
    gc.collect()  # of classes that other tests have opened
    known = len(displays._SHOWN)
    del opened
    gc.collect()
    assert len(displays._SHOWN) == known - 1


def test_without_masks_there_is_an_image_all_the_same(tmp_path: Path, write_part: Callable[..., Path]) -> None:
    opened = open_class(DataSpec("part", str(write_part(tmp_path, masks=False))))
    shown = display(opened, "val_clean", 0)
    assert shown.mask is None and shown.image.any()
