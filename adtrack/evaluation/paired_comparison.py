"""Models beside each other on the same images: how far one is ahead, how sure that is, and where they disagree."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from adtrack.evaluation.intervals import ROUNDING, Estimate, difference, share_higher, side, value_of
from adtrack.evaluation.resampling import Sample

SAME = 0.01  # a difference of a metric that no user would act upon
LOWER_IS_BETTER = ("false_alarm_rate",)
_BOTH = ("image_auroc", "image_auprc", "f1", "false_alarm_rate", "recall")
_NORMAL_ONLY, _ANOMALOUS_ONLY = ("false_alarm_rate",), ("recall",)


@dataclass(frozen=True, eq=False)
class ModelScores:
    """What a model says of the n images of a set.

    ``images`` tell which image a score belongs to, and two sets are aligned by them. They may be the paths.
    """

    images: tuple[str, ...]
    paths: tuple[str, ...]
    kinds: tuple[str, ...]
    sample: Sample


@dataclass(frozen=True)
class Contrast:
    """A metric of a model beside the reference's on the same images, and the model's value minus the reference's.

    ``reference_better`` is the share of paired resamples in which the reference is better; a tie counts one half. The
    share and the interval are NaN if there are none.
    """

    metric: str
    reference: float
    value: float
    difference: Estimate
    reference_better: float

    @property
    def ahead(self) -> int | None:
        """1 if the model is better, -1 if the reference is, 0 if these images can't tell, None if it is undefined."""
        found = side(self.difference)
        return -found if found and self.metric in LOWER_IS_BETTER else found

    @property
    def equal(self) -> bool:
        """Whether there are enough images to say that the two differ by no more than SAME."""
        return self.difference.low >= -SAME - ROUNDING and self.difference.high <= SAME + ROUNDING


@dataclass(frozen=True)
class Disagreement:
    """An image that the models call differently, each at its own threshold. Tuples are in the order of the models."""

    path: str
    kind: str
    anomalous: bool
    scores: tuple[float, ...]
    thresholds: tuple[float, ...]
    called: tuple[bool, ...]


def aligned(sets: Sequence[ModelScores]) -> list[ModelScores]:
    """The sets cut down to the images that all of them hold, and sorted by them; [] if they have none in common."""
    common = set.intersection(*(set(found.images) for found in sets))
    return [_chosen(found, sorted(common)) for found in sets] if common else []


def _chosen(found: ModelScores, images: Sequence[str]) -> ModelScores:
    place = {image: at for at, image in enumerate(found.images)}
    rows = [place[image] for image in images]
    sample = found.sample
    return ModelScores(
        tuple(images),
        tuple(found.paths[row] for row in rows),
        tuple(found.kinds[row] for row in rows),
        Sample(sample.scores[rows], sample.labels[rows], sample.threshold),
    )


def metrics_of(sample: Sample) -> tuple[str, ...]:
    """The image metrics that are defined for these labels."""
    if sample.labels.all():
        return _ANOMALOUS_ONLY
    return _BOTH if sample.labels.any() else _NORMAL_ONLY


def contrasts(name: str, reference: ModelScores, other: ModelScores) -> list[Contrast]:
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
    """The difference of two numbers without resamples, so it has no interval."""
    return Contrast(metric, reference, value, Estimate(value - reference, math.nan, math.nan), math.nan)


def disagreements(sets: Sequence[ModelScores]) -> list[Disagreement]:
    """The images of aligned sets that are alarms for some models and not for others."""
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
