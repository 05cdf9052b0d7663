"""False alarms in words: a threshold that calls nearly every good image anomalous is of no use, however scores rank."""

import math
from collections.abc import Mapping

from adtrack.data.imageset import SHIFT, parse_name

NEARLY_ALL = 0.9  # of a set's good images


def set_name(name: str) -> str:
    """``val_clean`` as people write it: ``Val-clean``."""
    return name.replace("_", "-").capitalize()


def floods(rates: Mapping[str, float]) -> list[str]:
    """A sentence on each image set, by its name, of whose good images all or nearly all raise an alarm."""
    return [_flood(name, rate) for name, rate in rates.items() if not math.isnan(rate) and rate >= NEARLY_ALL]


def _flood(name: str, rate: float) -> str:
    share = "Every good image" if rate == 1 else f"{100 * rate:.0f} % of the good images"
    words = f"{share} of {set_name(name)} {'raises' if rate == 1 else 'raise'} a false alarm at this threshold"
    _, domain, _ = parse_name(name)
    remedy = "a threshold, or a bank, from images as they will be may mend that" if domain == SHIFT else ""
    return f"{words}: {remedy}." if remedy else f"{words}."
