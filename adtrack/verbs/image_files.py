"""Which images a user means by files and folders, and where what is written about each goes."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NoReturn

from adtrack.data.classes import SUFFIXES
from adtrack.errors import UserError
from adtrack.verbs.checks import check_sources


def find_images(sources: Sequence[Path], out: Path) -> list[tuple[Path, Path]]:
    """Every image with the overlay's place below ``out``: files as given, folders searched, each image once.

    Linked subfolders are searched, too; a folder that several paths lead to is searched once.
    """
    check_sources(sources)
    found: dict[Path, Path] = {}
    for source in sources:
        for path in _below(source, out) if source.is_dir() else [source]:
            inside = path.relative_to(source) if source.is_dir() else Path(path.name)
            found.setdefault(path, inside)
    if not found:
        raise UserError(
            f"images must hold at least one image, but {', '.join(map(str, sources))} hold none.",
            f"adtrack reads {', '.join(SUFFIXES)}.",
        )
    return _places(found)


def _below(folder: Path, out: Path) -> Iterator[Path]:
    """Images below ``folder`` in path order, linked folders last, but not the overlays of an earlier call."""
    seen = {out.resolve(), (out / "overlays").resolve()}  # ``folder`` itself may be ``out``
    for base, folders, files in os.walk(folder, onerror=_unreadable, followlinks=True):
        folders[:] = [path.name for path in _to_search(Path(base), folders, folder.resolve(), seen)]
        for name in sorted(files):
            if Path(name).suffix.lower() in SUFFIXES and not name.startswith("."):
                yield Path(base) / name


def _to_search(base: Path, names: Sequence[str], top: Path, seen: set[Path]) -> Iterator[Path]:
    """The subfolders that no other path has led to; a link to the top folder or out of it upwards is not followed."""
    for path in sorted((base / name for name in names), key=lambda path: (path.is_symlink(), path.name)):
        real = path.resolve()
        if real not in seen and not top.is_relative_to(real):
            seen.add(real)
            yield path


def _unreadable(error: OSError) -> NoReturn:
    """What is left out silently would pass for inspected."""
    raise UserError(
        f"folders of images must be readable, but {error.filename} is not ({error.strerror}).",
        "name the folders that are meant, or make it readable.",
    ) from error


def _places(found: dict[Path, Path]) -> list[tuple[Path, Path]]:
    """Overlay paths that no two images share: photo.jpg and photo.png of one folder get different ones."""
    taken: set[Path] = set()
    places = []
    for path, inside in found.items():
        target = Path("overlays") / inside.with_suffix(".png")
        count = 2
        while target in taken:
            target = Path("overlays") / inside.with_name(f"{inside.stem}-{count}.png")
            count += 1
        taken.add(target)
        places.append((path, target))
    return places
