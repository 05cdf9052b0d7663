"""Which images a user means by files and folders, and where what is written about each goes."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from adtrack.data.files import SUFFIXES, files_below, is_beside, is_image
from adtrack.errors import UserError
from adtrack.filenames import Places, file_path
from adtrack.verbs.checks import check_sources


def find_images(sources: Sequence[Path], out: Path) -> list[tuple[Path, Path]]:
    """Every image with the overlay's place below ``out``: files as given, folders searched, each image once.

    Linked subfolders are searched, too; a folder that several paths lead to is searched once.
    """
    check_sources(sources)
    found: dict[Path, Path] = {}
    for source in sources:
        if source.is_dir():
            found |= {path: path.relative_to(source) for path in _below(source, out) if is_image(path)} | found
        else:
            found.setdefault(source, Path(source.name))
    if not found:
        raise UserError(
            f"images must hold at least one image, but {', '.join(map(str, sources))} hold none.",
            f"adtrack reads {', '.join(SUFFIXES)}.",
        )
    return _places(found)


def left_out(sources: Sequence[Path], out: Path) -> list[Path]:
    """The files below folders that are no image by their suffix and no text: who meant them should hear of it."""
    below = (path for source in sources if source.is_dir() for path in _below(source, out))
    return [path for path in below if not is_image(path) and not is_beside(path)]


def _below(folder: Path, out: Path) -> Iterator[Path]:
    """Files below ``folder``, but not the overlays of an earlier call; ``folder`` itself may be ``out``."""
    return files_below(folder, skip=(out, out / "overlays"))


def _places(found: dict[Path, Path]) -> list[tuple[Path, Path]]:
    """Overlay paths that no two images share: photo.jpg and photo.png of one folder get different ones."""
    places = Places()
    below = {path: file_path(("overlays", *inside.parts[:-1], inside.stem)) for path, inside in found.items()}
    return [(path, Path(places.free(place.with_name(f"{place.name}.png")))) for path, place in below.items()]
