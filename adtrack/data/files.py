"""The files of a data set: which are images, which only lie beside them, and which are what a system leaves about."""

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NoReturn

from ..errors import UserError

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")
_BESIDE = {".txt", ".md", ".csv", ".json", ".xml", ".yaml", ".yml", ".html", ".pdf"}  # notes, labels
# What file servers, archivers and desktops put beside pictures, some of it pictures itself. Hidden files are no less.
_LITTER = {
    *("@eadir", "__macosx", "#recycle", "$recycle.bin", "system volume information", "lost+found"),
    *("thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"),
}


def is_image(file: Path) -> bool:
    """Whether its name is one of an image that adtrack reads."""
    return file.suffix.lower() in SUFFIXES


def is_beside(file: Path) -> bool:
    """Whether its name is one of a text that belongs beside images: nobody takes it for one that was left out."""
    return file.suffix.lower() in _BESIDE


def _counts(name: str) -> bool:
    return not name.startswith(".") and name.casefold() not in _LITTER


def entries(folder: Path) -> Iterator[Path]:
    """What ``folder`` holds, by name, without hidden things and litter; nothing if there is no such folder."""
    try:
        found = sorted(folder.iterdir(), key=lambda entry: entry.name) if folder.is_dir() else []
    except OSError as error:
        _unreadable(error)
    yield from (entry for entry in found if _counts(entry.name))


def files_below(folder: Path, skip: Iterable[Path] = ()) -> Iterator[Path]:
    """The files in and below ``folder``, without hidden ones and litter; nothing if there is no such folder.

    They come in path order, those of linked folders last. A folder that several paths lead to counts once, by a path
    without a link if it has one; those in ``skip`` do not count. A broken link is a file: reading it will fail, while
    leaving it out would pass unnoticed.
    """
    seen = {path.resolve() for path in skip}
    if not folder.is_dir():
        return
    for base, folders, files in os.walk(folder, onerror=_unreadable, followlinks=True):
        folders[:] = [path.name for path in _to_search(Path(base), folders, folder.resolve(), seen)]
        yield from (Path(base, name) for name in sorted(files) if _counts(name))


def _to_search(base: Path, names: Sequence[str], top: Path, seen: set[Path]) -> Iterator[Path]:
    """The subfolders that no other path has led to; a link to the top folder or out of it upwards is not followed."""
    paths = (base / name for name in names if _counts(name))
    for path in sorted(paths, key=lambda path: (path.is_symlink(), path.name)):
        real = path.resolve()
        if real not in seen and not top.is_relative_to(real):
            seen.add(real)
            yield path


def images_below(folder: Path) -> list[Path]:
    """The image files in and below ``folder``, by name."""
    return [file for file in files_below(folder) if is_image(file)]


def _unreadable(error: OSError) -> NoReturn:
    """What is left out silently would pass for seen."""
    raise UserError(
        f"folders of images must be readable, but {error.filename} is not ({error.strerror}).",
        "make it readable, or take it away.",
    ) from error
