"""The files of a data set: which are images, which are notes beside them, and which are litter of file systems."""

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NoReturn

from ..errors import UserError

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")
_BESIDE = {".txt", ".md", ".csv", ".json", ".xml", ".yaml", ".yml", ".html", ".pdf"}  # notes, labels
# What file servers, archivers and desktops put beside pictures. Some of it is pictures; hidden files are litter too.
_LITTER = {
    *("@eadir", "__macosx", "#recycle", "$recycle.bin", "system volume information", "lost+found"),
    *("thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"),
}


def is_image(file: Path) -> bool:
    """Whether the file has the name of an image that adtrack reads."""
    return file.suffix.lower() in SUFFIXES


def is_beside(file: Path) -> bool:
    """Whether the file has the name of a text, such as notes or labels: nobody misses it among the images."""
    return file.suffix.lower() in _BESIDE


def counts(name: str) -> bool:
    """Whether a file or folder of this name is neither hidden nor litter of a file system."""
    return not name.startswith(".") and name.casefold() not in _LITTER


def entries(folder: Path) -> Iterator[Path]:
    """What ``folder`` holds, sorted by name, without hidden things and litter; nothing if there is no such folder."""
    try:
        found = sorted(folder.iterdir(), key=lambda entry: entry.name) if folder.is_dir() else []
    except OSError as error:
        _unreadable(error)
    yield from (entry for entry in found if counts(entry.name))


def files_below(folder: Path, skip: Iterable[Path] = ()) -> Iterator[Path]:
    """The files in and below ``folder``, without hidden ones and litter; nothing if there is no such folder.

    They come in path order, those of linked folders last. A folder that several paths lead to counts once, by a path
    without a link if it has one. Folders in ``skip`` do not count. A broken link counts as a file: reading it fails,
    whereas nobody would notice that it was left out.
    """
    seen = {path.resolve() for path in skip}
    if not folder.is_dir():
        return
    for base, folders, files in os.walk(folder, onerror=_unreadable, followlinks=True):
        folders[:] = [path.name for path in _to_search(Path(base), folders, folder.resolve(), seen)]
        yield from (Path(base, name) for name in sorted(files) if counts(name))


def _to_search(base: Path, names: Sequence[str], top: Path, seen: set[Path]) -> Iterator[Path]:
    """The subfolders that no other path has led to. A link to the top folder, or to one above it, is not followed."""
    paths = (base / name for name in names if counts(name))
    for path in sorted(paths, key=lambda path: (path.is_symlink(), path.name)):
        real = path.resolve()
        if real not in seen and not top.is_relative_to(real):
            seen.add(real)
            yield path


def images_below(folder: Path) -> list[Path]:
    """The image files in and below ``folder``, in path order."""
    return [file for file in files_below(folder) if is_image(file)]


def _unreadable(error: OSError) -> NoReturn:
    """Refuse a folder that cannot be read: leaving it out would pass unnoticed."""
    raise UserError(
        f"folders of images must be readable, but {error.filename} is not ({error.strerror}).",
        "make it readable, or take it away.",
    ) from error
