"""Banks beside each other on the same images: how far one is ahead, how sure that is, and where they disagree."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from adtrack.evaluation.intervals import ROUNDING, Estimate, difference, share_higher, side, value_of
from adtrack.evaluation.resampling import Sample

SAME = 0.01  # of a metric: no difference that a user would act upon
LOWER_IS_BETTER = ("false_alarm_rate",)
_BOTH = ("image_auroc", "image_auprc", "f1", "false_alarm_rate")
_NORMAL_ONLY, _ANOMALOUS_ONLY = ("false_alarm_rate",), ("recall",)


@dataclass(frozen=True, eq=False)
class SetScores:
    """What a bank says of the n images of a set.

    ``images`` tell which image a score belongs to: two sets are aligned by them. They may be the paths.
    """

    images: tuple[str, ...]
    paths: tuple[str, ...]
    kinds: tuple[str, ...]
    sample: Sample


@dataclass(frozen=True)
class Contrast:
    """A metric of a bank beside the reference's on the same images; the difference is the bank's minus the reference's.

    ``reference_better`` is the share of paired resamples in which the reference is the better one, ties one half. It
    and the interval are NaN where there is none.
    """

    metric: str
    reference: float
    value: float
    difference: Estimate
    reference_better: float

    @property
    def ahead(self) -> int | None:
        """1 if the bank is better, -1 if the reference is, 0 if these images can't tell them apart, None undefined."""
        found = side(self.difference)
        return -found if found and self.metric in LOWER_IS_BETTER else found

    @property
    def equal(self) -> bool:
        """Whether there are images enough to say that no difference of more than SAME is left, whichever way."""
        return self.difference.low >= -SAME - ROUNDING and self.difference.high <= SAME + ROUNDING


@dataclass(frozen=True)
class Disagreement:
    """An image that the banks call differently, each at its own threshold; in the banks' order."""

    path: str
    kind: str
    anomalous: bool
    scores: tuple[float, ...]
    thresholds: tuple[float, ...]
    called: tuple[bool, ...]


def aligned(sets: Sequence[SetScores]) -> list[SetScores]:
    """The sets cut down to the images that all of them hold, in one order, whatever theirs is; [] if there are none."""
    common = set.intersection(*(set(found.images) for found in sets))
    return [_chosen(found, sorted(common)) for found in sets] if common else []


def _chosen(found: SetScores, images: Sequence[str]) -> SetScores:
    place = {image: at for at, image in enumerate(found.images)}
    rows = [place[image] for image in images]
    sample = found.sample
    return SetScores(
        tuple(images),
        tuple(found.paths[row] for row in rows),
        tuple(found.kinds[row] for row in rows),
        Sample(sample.scores[rows], sample.labels[rows], sample.threshold),
    )


def metrics_of(sample: Sample) -> tuple[str, ...]:
    """The image metrics that a set with these labels defines."""
    if sample.labels.all():
        return _ANOMALOUS_ONLY
    return _BOTH if sample.labels.any() else _NORMAL_ONLY


def contrasts(name: str, reference: SetScores, other: SetScores) -> list[Contrast]:
    """Every image metric of two aligned sets of the class called ``name``, which seeds the resamples."""
    a, b = {name: reference.sample}, {name: other.sample}
    found = []
    for metric in metrics_of(reference.sample):
        higher = share_higher(a, b, metric)
        found.append(
            Contrast(
                metric,
                value_of(reference.sample, metric),
                value_of(other.sample, metric),
                difference(b, a, metric),
                1 - higher if metric in LOWER_IS_BETTER else higher,
            )
        )
    return found


def plain_contrast(metric: str, reference: float, value: float) -> Contrast:
    """Two numbers of which no resamples are known: a difference without an interval."""
    return Contrast(metric, reference, value, Estimate(value - reference, math.nan, math.nan), math.nan)


def disagreements(sets: Sequence[SetScores]) -> list[Disagreement]:
    """The images of aligned sets that are an alarm for some banks and none for others."""
    called = np.array([found.sample.scores >= found.sample.threshold for found in sets])
    first = sets[0]
    return [
        Disagreement(
            first.paths[at],
            first.kinds[at],
            bool(first.sample.labels[at]),
            tuple(float(found.sample.scores[at]) for found in sets),
            tuple(float(found.sample.threshold) for found in sets),
            tuple(map(bool, called[:, at])),
        )
        for at in np.flatnonzero(called.any(axis=0) & ~called.all(axis=0))
    ]
