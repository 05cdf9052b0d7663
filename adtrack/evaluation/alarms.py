"""False alarms in words: a threshold that calls nearly every good image anomalous is of no use, even if scores rank
the images well."""

import math
from collections.abc import Mapping, Sequence

from adtrack.data.domains import CLEAN
from adtrack.data.imageset import parse_name
from adtrack.evaluation.intervals import Estimate
from adtrack.evaluation.thresholds import expected_false_alarms
from adtrack.threshold_spec import VAL_CLEAN

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


def promise(threshold: float, quantile: float, count: int, sets: Sequence[str]) -> str:
    """What the user may expect of a threshold by which the share ``quantile`` of ``count`` good images passes, in each
    of the ``sets`` of Val that these images are in."""
    expected, both = expected_false_alarms(count, quantile), len(sets) > 1
    where = "Val-clean and Val-shift scores, whichever is higher" if both else f"{_brief(sets[0])} scores"
    return (
        f"The threshold {threshold:.3f} is the {quantile:g} quantile of {count} good {where}: "
        f"{'at most ' * both}{expected_alarms(expected)}"
    )


def expected_alarms(share: Estimate) -> str:
    """The end of a sentence that says what share of good parts will be called anomalous."""
    return (
        f"about {_percent(share.value)} % (95 %: {_percent(share.low)} … {_percent(share.high)} %) of good parts like "
        "these will raise a false alarm."
    )


def _brief(name: str) -> str:
    """A Val set in the words of a sentence that speaks of clean images unless it says otherwise."""
    return "Val" if name == VAL_CLEAN else set_name(name)


def _percent(share: float) -> str:
    return f"{100 * share:.2g}" if share < 0.0995 else f"{100 * share:.0f}"


def _flood(names: Sequence[str], rate: float, domain: str) -> str:
    share = "Every good image" if rate == 1 else f"{100 * rate:.0f} % of the good images"
    words = f"{share} of {' and of '.join(names)} {'raises' if rate == 1 else 'raise'} a false alarm at this threshold"
    remedy = ": a threshold or a model made from images as they will be may mend that" if domain != CLEAN else ""
    return f"{words}{remedy}."
