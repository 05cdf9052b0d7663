"""False alarms in words: a threshold that calls nearly every good image anomalous is of no use, even if scores rank
the images well."""

import math
from collections.abc import Mapping, Sequence

from adtrack.data.domains import CLEAN
from adtrack.data.imageset import parse_name

NEARLY_ALL = 0.9  # of a set's good images


def set_name(name: str) -> str:
    """``val_clean`` as people write it: ``Val-clean``."""
    return name.replace("_", "-").capitalize()


def floods(rates: Mapping[str, float]) -> list[str]:
    """Sentences on the image sets in which all or nearly all good images raise a false alarm.

    ``rates`` are the shares that do so by the names of the sets. Sets of the same share and domain share a sentence.
    """
    alike: dict[tuple[float, str], list[str]] = {}
    for name, rate in rates.items():
        if not math.isnan(rate) and rate >= NEARLY_ALL:
            _, domain, _ = parse_name(name)
            alike.setdefault((rate, domain), []).append(set_name(name))
    return [_flood(names, rate, domain) for (rate, domain), names in alike.items()]


def _flood(names: Sequence[str], rate: float, domain: str) -> str:
    share = "Every good image" if rate == 1 else f"{100 * rate:.0f} % of the good images"
    words = f"{share} of {' and of '.join(names)} {'raises' if rate == 1 else 'raise'} a false alarm at this threshold"
    remedy = ": a threshold or a model made from images as they will be may mend that" if domain != CLEAN else ""
    return f"{words}{remedy}."
