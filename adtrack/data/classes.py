"""The classes of a data set on disk and their images, in MVTec AD's layout."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ..errors import UserError

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")
GOOD = "good"
LAYOUT = "A class is a folder with train/good, test/good, test/<defect> and, if there are masks, ground_truth/<defect>."


@dataclass(frozen=True)
class ImageRecord:
    """One image: ``path`` and ``mask`` are posix paths relative to the data root, ``label`` is 1 if anomalous."""

    path: str
    label: int
    kind: str
    mask: str | None = None

    def __post_init__(self) -> None:
        for path in filter(None, (self.path, self.mask)):
            if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
                raise UserError(f"an image's path must stay below the data root, but got {path!r}.")
            try:
                path.encode()
            except UnicodeEncodeError:
                raise UserError(f"an image's path must be text that UTF-8 can write, but got {path!r}.") from None


@dataclass(frozen=True)
class ImageClass:
    """The images of one product; ``train`` is all normal, both tuples are sorted by path."""

    name: str
    root: Path
    train: tuple[ImageRecord, ...]
    test: tuple[ImageRecord, ...]

    @property
    def has_anomalies(self) -> bool:
        """Whether any defect is labelled; without one, only good images are known."""
        return any(record.label for record in self.test)

    @property
    def has_masks(self) -> bool:
        """Whether the anomalous images have masks: all of them do, or none."""
        return any(record.mask for record in self.test)


def _checked(root: Path) -> Path:
    root = Path(root)
    if not root.exists():
        raise UserError(f"data must be a folder with classes, but {root} does not exist.", LAYOUT)
    if not root.is_dir():
        raise UserError(f"data must be a folder with classes, but {root} is a file.", LAYOUT)
    if (root / "train" / GOOD).is_dir():
        raise UserError(
            f"data must be the folder that holds the classes, but {root} is a class itself.",
            f"Pass its parent {root.resolve().parent} and the class {root.resolve().name}.",
        )
    return root


def _visible(folder: Path) -> Iterator[Path]:
    """What ``folder`` holds, by name, hidden things left out; nothing if there is no such folder."""
    try:
        entries = sorted(folder.iterdir(), key=lambda entry: entry.name) if folder.is_dir() else []
    except OSError as error:
        raise UserError(f"data folders must be readable, but {folder} is not ({error.strerror}).") from error
    for entry in entries:
        if not entry.name.startswith("."):
            yield entry


def _images(folder: Path) -> list[Path]:
    """The image files in ``folder``: a broken link is one too, so that reading it fails instead of skipping it."""
    return [entry for entry in _visible(folder) if entry.suffix.lower() in SUFFIXES and not entry.is_dir()]


def class_names(root: Path) -> list[str]:
    """The sub-folders of ``root`` that have train/good, sorted."""
    return [entry.name for entry in _visible(_checked(root)) if (entry / "train" / GOOD).is_dir()]


def _relative(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix()


def _mask_files(folder: Path) -> dict[str, Path]:
    """Mask files by the stem of their image: ``<stem>_mask.png`` counts before ``<stem>.png``."""
    masks = {path.stem: path for path in reversed(_images(folder))}
    return masks | {stem.removesuffix("_mask"): path for stem, path in masks.items() if stem.endswith("_mask")}


def _defect_records(root: Path, kind: Path, truth: Path, has_masks: bool) -> list[ImageRecord]:
    masks = _mask_files(truth / kind.name)
    records = []
    for image in _images(kind):
        mask = masks.get(image.stem)
        if has_masks and mask is None:
            raise UserError(
                f"every anomalous image must have a mask if any has one, but {_relative(image, root)} has none.",
                f"It belongs in {_relative(truth / kind.name, root)}/{image.stem}_mask.png.",
            )
        records.append(ImageRecord(_relative(image, root), 1, kind.name, mask and _relative(mask, root)))
    return records


def _good_records(root: Path, folder: Path) -> list[ImageRecord]:
    return [ImageRecord(_relative(image, root), 0, GOOD) for image in _images(folder)]


def read_class(root: Path, name: str) -> ImageClass:
    """The images of class ``name`` below ``root``; only names are read here, ``loading.check_images`` opens the files.

    Images that are not PNG, JPEG, BMP or TIFF by suffix, and hidden ones, do not count.
    UserError: no such root or class, no image in train/good, or a mask is missing where others are given.
    """
    root = _checked(root)
    known = class_names(root)
    # Membership in the listing is also what keeps "../elsewhere" and absolute paths out.
    if name not in known:
        there = f"one of {', '.join(known)} in {root}" if known else f"a folder in {root}, which holds none"
        raise UserError(f"class must be {there}, but got {name!r}.", LAYOUT)
    folder, truth = root / name, root / name / "ground_truth"
    train = _good_records(root, folder / "train" / GOOD)
    if not train:
        suffixes = " ".join(SUFFIXES)
        raise UserError(f"train/good must hold normal images, but {name}/train/good has none.", f"It takes {suffixes}.")
    kinds = [entry for entry in _visible(folder / "test") if entry.is_dir() and entry.name != GOOD]
    has_masks = any(_images(truth / kind.name) for kind in kinds)
    test = _good_records(root, folder / "test" / GOOD)
    for kind in kinds:
        test += _defect_records(root, kind, truth, has_masks)
    return ImageClass(name, root, _by_path(train), _by_path(test))


def _by_path(records: list[ImageRecord]) -> tuple[ImageRecord, ...]:
    return tuple(sorted(records, key=lambda record: record.path))
