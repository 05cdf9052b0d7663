"""Which classes ``--class`` names: one, several, or all of the data."""

from pathlib import Path

from adtrack.config import DEMO, DEMO_CLASSES
from adtrack.data.layouts import class_names, read_class
from adtrack.errors import UserError

ALL = "all"


def asked_classes(text: str, data: str) -> tuple[list[str], list[str]]:
    """The classes that ``text`` names, and those that ``all`` leaves out, as they have no labelled anomalies.

    A class whose own name is ``all`` or holds a comma is that class alone. UserError: no class is left, or an empty
    name.
    """
    known = list(DEMO_CLASSES) if data == DEMO else class_names(Path(data).expanduser())
    if text in known:
        return [text], []
    if text == ALL:
        return _with_anomalies(known, data)
    names = list(dict.fromkeys(name.strip() for name in text.split(",")))
    if "" in names:
        raise UserError(f"class must be names joined by commas, but {text!r} holds an empty one.")
    return names, []


def _with_anomalies(known: list[str], data: str) -> tuple[list[str], list[str]]:
    if data == DEMO:
        return known, []
    chosen = [name for name in known if read_class(Path(data).expanduser(), name).has_anomalies]
    if not chosen:
        raise UserError(
            f"class all must find a class with labelled anomalies in {data}, but there is none.",
            "put some defects under test/<defect> of a class.",
        )
    return chosen, [name for name in known if name not in chosen]
