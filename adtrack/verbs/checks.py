"""Checks of folders and file names, which take no time and need no libraries, so they come before everything else."""

import tempfile
from collections.abc import Iterable
from pathlib import Path

from adtrack.config import DEMO, DEMO_CLASSES, BuildSpec, DataSpec
from adtrack.data.classes import ImageClass
from adtrack.data.layouts import class_names, read_class
from adtrack.errors import UserError
from adtrack.scale.remote_files import is_remote


def check_class(data: DataSpec) -> None:
    """Refuse a class that is not there."""
    _class(data)


def check_build(spec: BuildSpec) -> None:
    """Refuse a class that is not there, and a rule for thresholds that needs anomalies where none are labelled."""
    images = _class(spec.data)
    spec.threshold.resolved(images is None or images.has_anomalies)


def check_data(root: str | None) -> None:
    """Refuse a folder of data that is not there."""
    if root not in (None, DEMO):
        class_names(Path(root).expanduser())


def need_anomalies(data: DataSpec, what: str) -> None:
    """Refuse a class that is not there, and one that has only good images."""
    images = _class(data)
    if images is not None and not images.has_anomalies:
        raise UserError(
            f"{what} needs labelled anomalies to tell which model is better, but class {data.class_name} has only good "
            "images.",
            f"put some defects under {images.places.defects}; adtrack build-bank --register makes a model of "
            "good images alone.",
        )


def check_sources(sources: Iterable[str | Path]) -> None:
    """Refuse images and folders of images that are not there. Texts may be addresses, which are not asked here."""
    for source in sources:
        if not (isinstance(source, str) and is_remote(source)) and not Path(source).exists():
            raise UserError(f"images must be files or folders that exist, but {source} does not.")


def check_writable(out: Path) -> None:
    """Refuse a folder that cannot be made or written to. The check leaves no trace."""
    try:
        there = next(path for path in (out, *out.absolute().parents) if path.exists())
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        raise UserError(
            f"out must be a folder that can be written to, but {out} is not ({error.strerror or error}).",
            "choose another --out.",
        ) from error


def _class(data: DataSpec) -> ImageClass | None:
    """The class's images by name; None for one of the demo's, which are drawn when they are needed."""
    if data.root != DEMO:
        return read_class(Path(data.root).expanduser(), data.class_name)
    if data.class_name not in DEMO_CLASSES:
        raise UserError(
            f"class must be one of {', '.join(DEMO_CLASSES)} in the demo data, but got {data.class_name!r}.",
            "--data FOLDER names images of your own.",
        )
    return None
