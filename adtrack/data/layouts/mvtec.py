"""MVTec AD's layout: which files of a class are good images, defects and masks, and which count as none of these."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...errors import UserError
from ...findings import counted, listed
from ..classes import GOOD, ImageClass, ImageRecord, Places
from ..files import SUFFIXES, entries, files_below, images_below, is_beside, is_image
from .interface import Layout, by_path
from .truth import find_masks, truth_folders

# Folders of these names hold good parts, as far as one can tell. Counted as defects they would spoil every number.
_LIKE_GOOD = {
    *("good", "goods", "ok", "okay", "normal", "nominal", "pass", "passed", "healthy", "intact", "clean", "nodefect"),
    *("nodefects", "nondefective", "defectfree", "anomalyfree", "io", "gut", "良品", "正常", "合格"),
}


class Mvtec(Layout):
    """The layout of MVTec AD and MVTec LOCO: a folder for each class, and in it a folder for each part and kind."""

    help = (
        "A class is a folder with train/good, test/good, test/<defect> and, if there are masks, ground_truth/<defect>."
    )

    def recognises(self, root: Path) -> bool:
        """Whether ``root`` holds a class, or is one itself, which ``class_names`` refuses."""
        return is_class(root) or any(map(is_class, entries(root)))

    def class_names(self, root: Path) -> list[str]:
        """The folders in ``root`` that have train/good."""
        if is_class(root):
            raise UserError(
                f"data must be the folder that holds the classes, but {root} is a class itself.",
                f"Pass its parent {root.resolve().parent} and the class {root.resolve().name}.",
            )
        return [entry.name for entry in entries(root) if is_class(entry)]

    def read(self, root: Path, name: str) -> ImageClass:
        """The images of the class in the folder ``name``; ``list_class`` says what is refused."""
        files = list_class(root / name)

        def record(image: Path, kind: str = GOOD) -> ImageRecord:
            mask = files.masks.get(image)
            mask_path = None if mask is None else _relative(mask, root)
            return ImageRecord(_relative(image, root), int(kind != GOOD), kind, mask_path)

        test = [record(image) for image in files.good]
        test += [record(image, kind) for kind, images in files.defects.items() for image in images]
        train = by_path(map(record, files.train))
        return ImageClass(name, root, train, by_path(test), mvtec_places(name), remarks=files.remarks)


def mvtec_places(name: str) -> Places:
    """Where the images of class ``name`` belong."""
    return Places(f"{name}/train/{GOOD}", f"{name}/test/{GOOD}", f"{name}/test/<defect>/", "ground_truth")


def _relative(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix()


@dataclass(frozen=True)
class Listing:
    """The files of a class: good images for training and for test, the images of each defect, and their masks.

    A mask is a file, or a folder of files whose union is the mask. ``remarks`` are sentences on what counts or does not
    count although a reader of the numbers might think otherwise.
    """

    train: tuple[Path, ...]
    good: tuple[Path, ...]
    defects: Mapping[str, tuple[Path, ...]]
    masks: Mapping[Path, Path]
    remarks: tuple[str, ...]


def is_class(folder: Path) -> bool:
    """Whether ``folder`` has train/good."""
    return (folder / "train" / GOOD).is_dir()


def list_class(folder: Path) -> Listing:
    """The files of the class in ``folder``.

    Images in folders below train/good, test/good and test/<defect> count as if they lay in those; their masks lie in
    the same folders below ground_truth/<defect>. UserError: train/good has no image, a folder of test is called as if
    its images were good, a mask is missing although others are given, or two images would share one.
    """
    train, good = (tuple(images_below(folder / split / GOOD)) for split in ("train", "test"))
    if not train:
        raise UserError(
            f"train/good must hold normal images, but {folder.name}/train/good has none.",
            f"It takes {' '.join(SUFFIXES)}.",
        )
    kinds = [entry.name for entry in entries(folder / "test") if entry.is_dir() and entry.name != GOOD]
    defects = {kind: tuple(images_below(folder / "test" / kind)) for kind in kinds}
    _refuse_good_ones(folder, defects)
    places = truth_folders(folder / "ground_truth", kinds)
    truths = {kind: find_masks(folder / "test" / kind, defects[kind], place) for kind, place in places.items()}
    masks = {image: mask for truth in truths.values() for image, mask in truth.masks.items()}
    if any(truth.given for truth in truths.values()):
        _refuse_missing(folder, defects, masks)
    images = [*train, *good, *(image for found in defects.values() for image in found)]
    remarks = (
        *_deeper(folder, images),
        *_written_otherwise(folder, places),
        *_left_out(folder, {*images, *(file for truth in truths.values() for file in truth.used)}),
    )
    return Listing(train, good, defects, masks, remarks)


def _named(folder: Path, files: Iterable[Path]) -> str:
    """Some of the files or folders of a class, by their paths from the data root."""
    return listed([file.relative_to(folder.parent).as_posix() for file in files])


def _refuse_good_ones(folder: Path, defects: Mapping[str, Sequence[Path]]) -> None:
    places = dict.fromkeys(
        place for images in defects.values() for image in images for place in _like_good(folder, image)
    )
    if places:
        raise UserError(
            f"good parts must lie in test/good, but {_named(folder, places)} would count as defects.",
            f"move the images to {folder.name}/test/good, or name the folder after the defect that they have.",
        )


def _like_good(folder: Path, image: Path) -> Iterator[Path]:
    """The folders between ``test`` and the image whose names say that they hold good parts."""
    test = folder / "test"
    for place in image.parents[: len(image.relative_to(test).parts) - 1]:
        if "".join(filter(str.isalnum, place.name.casefold())) in _LIKE_GOOD:
            yield place


def _refuse_missing(folder: Path, defects: Mapping[str, Sequence[Path]], masks: Mapping[Path, Path]) -> None:
    missing = next((image for images in defects.values() for image in images if image not in masks), None)
    if missing is not None:
        place = folder / "ground_truth" / missing.relative_to(folder / "test").with_name(f"{missing.stem}_mask.png")
        raise UserError(
            f"every anomalous image must have a mask if any has one, but {_named(folder, [missing])} has none.",
            f"It belongs in {_named(folder, [place])}.",
        )


def _deeper(folder: Path, images: Sequence[Path]) -> Iterator[str]:
    deeper = [image for image in images if len(image.relative_to(folder).parts) > 3]
    if deeper:
        places = dict.fromkeys(image.parent for image in deeper)
        yield (
            f"Class {folder.name} counts {counted(len(deeper), 'image')} in folders below train/good, test/good or "
            f"test/<defect> as if they lay in those ({_named(folder, places)})."
        )


def _written_otherwise(folder: Path, places: Mapping[str, Path]) -> Iterator[str]:
    for kind, place in places.items():
        if place.name != kind:
            yield f"Class {folder.name} has its masks of test/{kind} from {_named(folder, [place])}."


def _left_out(folder: Path, taken: set[Path]) -> Iterator[str]:
    """Sentences on files in the class's folders that look like images or masks but count as neither."""
    masks: list[Path] = []
    images: list[Path] = []
    others: list[Path] = []
    for file in (file for entry in entries(folder) if entry.is_dir() for file in files_below(entry)):
        if file not in taken and not is_beside(file):
            in_truth = file.is_relative_to(folder / "ground_truth")
            (others if not is_image(file) else masks if in_truth else images).append(file)
    for files, rule in (
        (masks, "the mask of test/<defect>/<name>.png is ground_truth/<defect>/<name>_mask.png"),
        (images, "its images are those of train/good, test/good and test/<defect>"),
        (others, f"images are {' '.join(SUFFIXES)}"),
    ):
        if files:
            yield f"Class {folder.name} leaves out {counted(len(files), 'file')} ({_named(folder, files)}): {rule}."
