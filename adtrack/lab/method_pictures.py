"""The same few images as every method sees them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from adtrack.data.imageset import TEST_SETS
from adtrack.detectors import detector_class
from adtrack.detectors.scorer import Scorer
from adtrack.errors import UserError
from adtrack.evaluation.pictures.sheets import PAPER
from adtrack.evaluation.pictures.side_by_side import SIDE, Look, compare, comparison_sheet
from adtrack.evaluation.visibility import visibility
from adtrack.evaluation.workbench import Workbench
from adtrack.lab.cell import Cell
from adtrack.tracking.run_contents import run_file

PICTURE = "overlays.png"  # the file of a cell that holds a method's pictures
Pictured = tuple[str, int]  # an image set and the place of an image in it
CHOICE = (
    "No method had a say in which images are shown: those of the smallest, the median and the largest defect that the "
    "view shows, and a good one, each clean and shifted."
)


def pictured_images(bench: Workbench) -> list[Pictured]:
    """The images that are shown of every method, each in all of ``TEST_SETS``: those of the smallest, the median and
    the largest defect that the view of Test-clean shows, and the good image in the middle.

    Without masks, images take the places of their defects' sizes in the order of their paths.
    """
    name = TEST_SETS[0]
    images = bench.opened.images(name)
    labels, shown = images.labels, set(visibility(images, bench.image).shown)
    sizes = {index: _size(bench, name, index) for index in np.flatnonzero(labels).tolist()}
    visible = [index for index in sizes if images.records[index].path in shown] or list(sizes)
    defects = sorted(visible, key=lambda index: (sizes[index], index))
    good = np.flatnonzero(labels == 0).tolist()
    chosen = defects[:1] + defects[len(defects) // 2 :][:1] + defects[-1:] + good[len(good) // 2 :][:1]
    return [(test, index) for index in dict.fromkeys(chosen) for test in TEST_SETS]


def _size(bench: Workbench, name: str, index: int) -> int:
    """The pixels of a defect in the picture that is shown of it; 0 without a mask."""
    mask = bench.display(name, index).mask
    return 0 if mask is None else int(np.count_nonzero(mask))


def overlays(bench: Workbench, scorer: Scorer, chosen: Sequence[Pictured]) -> list[np.ndarray] | None:
    """The chosen images under the maps of a model, uint8 (h, w, 3); None if the method has no maps."""
    found = [row.looks[0].overlay for row in compare(bench, [scorer], chosen)]
    pictures = [one for one in found if one is not None]
    return pictures if len(pictures) == len(found) else None


def as_strip(pictures: Sequence[np.ndarray]) -> np.ndarray:
    """Pictures of at most ``SIDE`` × ``SIDE`` pixels below each other, each in the middle of its square."""
    strip = Image.new("RGB", (SIDE, SIDE * len(pictures)), PAPER)
    for row, picture in enumerate(pictures):
        height, width = picture.shape[:2]
        strip.paste(Image.fromarray(picture), ((SIDE - width) // 2, row * SIDE + (SIDE - height) // 2))
    return np.asarray(strip)


def from_strip(file: Path, count: int) -> list[np.ndarray]:
    """The squares of a strip of so many pictures. UserError: the file holds something else."""
    try:
        with Image.open(file, formats=["PNG"]) as picture:
            if picture.size != (SIDE, SIDE * count) or picture.mode != "RGB":
                raise ValueError(f"it is {picture.mode} {picture.size[0]} × {picture.size[1]}")
            strip = np.asarray(picture)
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise UserError(
            f"a method's pictures must be {count} squares of {SIDE} pixels, but {file} does not hold them ({error}).",
            "delete its run in MLflow, and the experiment measures the method again.",
        ) from error
    return list(strip.reshape(count, SIDE, SIDE, 3))


def method_sheet(bench: Workbench, methods: Mapping[str, Cell]) -> np.ndarray:
    """A picture uint8 (h, w, 3) with a row for each of ``pictured_images`` of the bench's class, and a column for each
    method, given by its name and cell. Thresholds have the best F1 on Val-clean."""
    chosen, class_name = pictured_images(bench), bench.opened.data.class_name
    columns = [_looks(method, cell, class_name, chosen) for method, cell in methods.items()]
    rows = [replace(row, looks=[column[at] for column in columns]) for at, row in enumerate(compare(bench, [], chosen))]
    return comparison_sheet(rows, list(methods))


def _looks(method: str, cell: Cell, class_name: str, chosen: Sequence[Pictured]) -> list[Look]:
    sets = {name: cell.judged(class_name, ("val_clean",), name) for name in TEST_SETS}
    pictures: Sequence[np.ndarray | None] = [None] * len(chosen)
    if detector_class(method).has_maps:
        pictures = from_strip(run_file(cell.run_id, PICTURE), len(chosen))
    return [
        Look(float(sets[name].scores[index]), sets[name].threshold, picture)
        for (name, index), picture in zip(chosen, pictures, strict=True)
    ]
