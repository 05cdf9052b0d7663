"""False alarms in words: a threshold that calls nearly every good image anomalous is of no use, however scores rank."""

import math
from collections.abc import Mapping, Sequence

from adtrack.data.imageset import SHIFT, parse_name

NEARLY_ALL = 0.9  # of a set's good images


def set_name(name: str) -> str:
    """``val_clean`` as people write it: ``Val-clean``."""
    return name.replace("_", "-").capitalize()


def floods(rates: Mapping[str, float]) -> list[str]:
    """Sentences on the image sets, by their names, of whose good images all or nearly all raise an alarm; sets of which
    the same is to be said share one."""
    alike: dict[tuple[float, str], list[str]] = {}
    for name, rate in rates.items():
        if not math.isnan(rate) and rate >= NEARLY_ALL:
            _, domain, _ = parse_name(name)
            alike.setdefault((rate, domain), []).append(set_name(name))
    return [_flood(names, rate, domain) for (rate, domain), names in alike.items()]


def _flood(names: Sequence[str], rate: float, domain: str) -> str:
    share = "Every good image" if rate == 1 else f"{100 * rate:.0f} % of the good images"
    words = f"{share} of {' and of '.join(names)} {'raises' if rate == 1 else 'raise'} a false alarm at this threshold"
    remedy = ": a threshold or a model made from images as they will be may mend that" if domain == SHIFT else ""
    return f"{words}{remedy}."
