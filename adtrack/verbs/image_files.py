"""The images that a user names by files and folders, and the place of each one's overlay."""

from collections.abc import Sequence
from pathlib import Path

from adtrack.data.files import SUFFIXES, files_below, is_beside, is_image
from adtrack.errors import UserError
from adtrack.filenames import UniquePaths, file_path
from adtrack.verbs.checks import check_sources


def find_images(sources: Sequence[Path], out: Path) -> list[tuple[Path, Path]]:
    """Pairs of an image, as ``find_photos`` finds it, and the place of its overlay below ``out``."""
    return _places(find_photos(sources, overlay_folders(out)))


def find_photos(sources: Sequence[Path], skip: Sequence[Path] = ()) -> dict[Path, Path]:
    """Each image, and its path below the folder in which it was found.

    Files are taken as they are given, and folders are searched but for those to ``skip``. Each image is listed once.
    Linked subfolders are searched too, but a folder to which several paths lead is searched once. UserError: there is
    no image.
    """
    check_sources(sources)
    found: dict[Path, Path] = {}
    for source in sources:
        if source.is_dir():
            below = files_below(source, skip=tuple(skip))
            found |= {path: path.relative_to(source) for path in below if is_image(path)} | found
        else:
            found.setdefault(source, Path(source.name))
    if not found:
        raise UserError(
            f"images must hold at least one image, but {', '.join(map(str, sources))} hold none.",
            f"adtrack reads {', '.join(SUFFIXES)}.",
        )
    return found


def left_out(sources: Sequence[Path], skip: Sequence[Path] = ()) -> list[Path]:
    """The files below folders that are not scored because of their suffix, apart from texts and the like."""
    below = (path for source in sources if source.is_dir() for path in files_below(source, skip=tuple(skip)))
    return [path for path in below if not is_image(path) and not is_beside(path)]


def overlay_folders(out: Path) -> tuple[Path, ...]:
    """Where an earlier call may have left overlays. A folder that is searched may itself be ``out``."""
    return out, out / "overlays"


def _places(found: dict[Path, Path]) -> list[tuple[Path, Path]]:
    """The places of the overlays, all different: photo.jpg and photo.png in one folder get different ones."""
    places = UniquePaths()
    below = {path: file_path(("overlays", *inside.parts[:-1], inside.stem)) for path, inside in found.items()}
    return [(path, Path(places.free(place.with_name(f"{place.name}.png")))) for path, place in below.items()]
