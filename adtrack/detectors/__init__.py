"""The methods. Another one is a class in a file of its own, and a line here."""

from collections.abc import Mapping
from typing import Any

from ..config import DetectorSpec
from ..errors import UserError
from ..settings import given_values
from .contract import Detector
from .padim import Padim
from .patchcore import PatchCore

DETECTORS: dict[str, type[Detector[Any]]] = {
    "patchcore": PatchCore,
    "padim": Padim,
}


def detector_class(method: str) -> type[Detector[Any]]:
    """The class of a method. UserError: there is none of that name."""
    if method not in DETECTORS:
        raise UserError(f"method must be one of {', '.join(DETECTORS)}, but got {method!r}.")
    return DETECTORS[method]


def make_spec(method: str, texts: Mapping[str, str], **values: object) -> DetectorSpec:
    """The specification of a method from the ``values`` of its fields and, before these, the ``texts`` that were typed
    for its settings. UserError: the method or a setting is unknown, or a value is not allowed."""
    kind = detector_class(method).spec_type
    return kind(**{**values, **given_values(kind, texts, f"options of {method}")})
