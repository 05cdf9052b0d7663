"""The classes of a data set on disk and their images, in MVTec AD's layout."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ..errors import UserError
from .files import entries
from .mvtec import GOOD, LAYOUT, is_class, list_class


@dataclass(frozen=True)
class ImageRecord:
    """One image: ``path`` and ``mask`` are posix paths relative to the data root, ``label`` is 1 if anomalous.

    ``mask`` is a file or, as MVTec LOCO has it, a folder of files whose union is the mask.
    """

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
    """The images of one product; ``train`` is all normal, both tuples are sorted by path.

    ``remarks`` are sentences on files that count, or do not, although a reader of its numbers might think otherwise.
    """

    name: str
    root: Path
    train: tuple[ImageRecord, ...]
    test: tuple[ImageRecord, ...]
    remarks: tuple[str, ...] = ()

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
    if is_class(root):
        raise UserError(
            f"data must be the folder that holds the classes, but {root} is a class itself.",
            f"Pass its parent {root.resolve().parent} and the class {root.resolve().name}.",
        )
    return root


def class_names(root: Path) -> list[str]:
    """The sub-folders of ``root`` that have train/good, sorted."""
    return [entry.name for entry in entries(_checked(root)) if is_class(entry)]


def read_class(root: Path, name: str) -> ImageClass:
    """The images of class ``name`` below ``root``; only names are read here, ``checking.check_images`` opens the files.

    UserError: no such root or class, or what ``mvtec.list_class`` refuses.
    """
    root = _checked(root)
    known = class_names(root)
    # Membership in the listing is also what keeps "../elsewhere" and absolute paths out.
    if name not in known:
        there = f"one of {', '.join(known)} in {root}" if known else f"a folder in {root}, which holds none"
        raise UserError(f"class must be {there}, but got {name!r}.", LAYOUT)
    files = list_class(root / name)

    def record(image: Path, kind: str = GOOD) -> ImageRecord:
        mask = files.masks.get(image)
        return ImageRecord(_relative(image, root), int(kind != GOOD), kind, mask and _relative(mask, root))

    test = [record(image) for image in files.good]
    test += [record(image, kind) for kind, images in files.defects.items() for image in images]
    return ImageClass(name, root, _by_path(map(record, files.train)), _by_path(test), files.remarks)


def _relative(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix()


def _by_path(records: Iterable[ImageRecord]) -> tuple[ImageRecord, ...]:
    return tuple(sorted(records, key=lambda record: record.path))
