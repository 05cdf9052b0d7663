"""A method's settings as keyword arguments."""

from collections.abc import Mapping
from typing import Any

from adtrack.config import DetectorSpec
from adtrack.detectors import detector_class
from adtrack.settings import setting_of


def make_spec(method: str, given: Mapping[str, Any], seed: int) -> DetectorSpec:
    """The specification of a method; a value may be typed as on the command line ("layer2+layer3") or be what it
    means (("layer2", "layer3")). UserError: the method or a setting is unknown, or a value is not allowed."""
    kind = detector_class(method).spec_type
    values: dict[str, Any] = {}
    for key, value in given.items():
        one = setting_of(kind, key, f"settings of {method}")
        values[one.name] = one.parse(value) if isinstance(value, str) else value
    return kind(**values, seed=seed)
