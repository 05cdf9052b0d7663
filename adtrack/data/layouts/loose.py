"""Good images that lie in no layout: all of a folder, or a list of files."""

import os
from collections.abc import Sequence
from pathlib import Path

from ...errors import UserError
from ..classes import GOOD, ImageClass, ImageRecord, Places
from ..files import SUFFIXES, images_below
from . import find_layout
from .interface import by_path


def loose_images(source: Path | str | Sequence[Path | str], name: str) -> ImageClass:
    """A class called ``name`` of good images alone: those in and below a folder, or the files of a list.

    Train and Val are drawn from them as from train/good. Paths are relative to the folder, or to the deepest folder
    that holds all files of the list. UserError: there are no images, one is missing, or the folder is a data set.
    """
    if isinstance(source, Path | str):
        root, files, place = _folder(Path(source).expanduser())
    else:
        root, files, place = _listed([Path(file).expanduser() for file in source])
    records = [ImageRecord(file.relative_to(root).as_posix(), 0, GOOD) for file in files]
    return ImageClass(name, root, by_path(records), (), Places(place, place, place))


def _folder(folder: Path) -> tuple[Path, list[Path], str]:
    """The folder, its images, and its name in messages."""
    if not folder.is_dir():
        state = "is a file" if folder.exists() else "does not exist"
        raise UserError(f"good images must lie in a folder, but {folder} {state}.", "pass files as a list.")
    if find_layout(folder):
        raise UserError(
            f"the folder must hold good images and nothing else, but {folder} is a data set or one of its classes.",
            f"pass the folder of good images in it, such as {folder / 'train' / 'good'}.",
        )
    files = images_below(folder)
    if not files:
        raise UserError(f"the folder must hold good images, but {folder} has none.", f"It takes {' '.join(SUFFIXES)}.")
    return folder, files, str(folder)


def _listed(files: Sequence[Path]) -> tuple[Path, list[Path], str]:
    """The deepest folder that holds all files, the files without repetition, and what messages call them."""
    if not files:
        raise UserError("the list of good images must name some, but it is empty.")
    for file in files:
        if not file.is_file():
            state = "is a folder" if file.exists() else "does not exist"
            raise UserError(f"listed images must be files, but {file} {state}.", "pass a folder by itself.")
    different = list(dict.fromkeys(Path(os.path.normpath(file.absolute())) for file in files))
    try:
        root = Path(os.path.commonpath([file.parent for file in different]))
    except ValueError as error:  # on Windows, where each drive is a root
        raise UserError("good images must lie on one drive, but those listed lie on several.") from error
    return root, different, "the list of images"
