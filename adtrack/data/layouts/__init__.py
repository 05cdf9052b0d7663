"""The classes of a data set on disk, in whichever layout its files lie."""

from pathlib import Path

from ...errors import UserError
from ..classes import ImageClass
from .interface import Layout
from .mvtec import Mvtec

# The first layout that recognises a folder reads it.
LAYOUTS: dict[str, Layout] = {"mvtec": Mvtec()}


def class_names(root: Path) -> list[str]:
    """The classes of the data set in ``root``, sorted; none where no layout recognises the folder."""
    root = Path(root)
    layout = find_layout(root)
    return layout.class_names(root) if layout else []


def read_class(root: Path, name: str) -> ImageClass:
    """The images of class ``name`` below ``root``; only names are read here, ``checking.check_images`` opens the files.

    UserError: there is no such root or class, or its layout refuses what it finds.
    """
    root = Path(root)
    layout = find_layout(root)
    known = layout.class_names(root) if layout else []
    # Membership in the listing is also what keeps "../elsewhere" and absolute paths out.
    if layout is None or name not in known:
        there = f"one of {', '.join(known)} in {root}" if known else f"a folder in {root}, which holds none"
        raise UserError(f"class must be {there}, but got {name!r}.", _help())
    return layout.read(root, name)


def find_layout(root: Path) -> Layout | None:
    """The layout of the data set in ``root``, if it has one that is known. UserError: there is no such folder."""
    if not root.exists():
        raise UserError(f"data must be a folder with classes, but {root} does not exist.", _help())
    if not root.is_dir():
        raise UserError(f"data must be a folder with classes, but {root} is a file.", _help())
    return next((layout for layout in LAYOUTS.values() if layout.recognises(root)), None)


def _help() -> str:
    return " ".join(layout.help for layout in LAYOUTS.values())
