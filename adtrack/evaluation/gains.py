"""What one model gains over another on several image sets that show the same images, and which share of a gain stays.

The image sets are those of one split in several domains: the same images in the same order. All of them have the same
resamples, as in ``intervals``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from adtrack.evaluation.intervals import Estimate, contrasted, paired, side, value_of
from adtrack.evaluation.resampling import RESAMPLES, Sample
from adtrack.evaluation.unseen import class_weights

_TINY = 1e-9  # a gain that is smaller than this in a resample counts as this


@dataclass(frozen=True)
class Gain:
    """The scores of two models on one image set, by class. The gain is ``new``'s metric minus ``old``'s."""

    new: Mapping[str, Sample]
    old: Mapping[str, Sample]


def mean_gain(gains: Sequence[Gain], metric: str, *, resamples: int = RESAMPLES, seed: int = 0) -> Estimate:
    """The mean of ``metric``'s gains on several image sets, and over classes, with its 95 % interval."""
    value, ends = _gained(gains, metric, resamples, seed)
    return Estimate(value, min(value, _quantile(ends[0], 0.025)), max(value, _quantile(ends[1], 0.975)))


def share_kept(
    gains: Sequence[Gain], reference: Sequence[Gain], metric: str, *, resamples: int = RESAMPLES, seed: int = 0
) -> Estimate:
    """Which share of the mean gain in ``reference`` is gained on other image sets too, with its 95 % interval.

    1 is the whole gain, 0 is none, and below 0 something is lost. All three numbers are NaN where these images cannot
    tell that there is a gain in ``reference``: nothing is there to be kept. Each resample has a quotient of its own.
    What was not seen is worst for the one gain and best for the other.
    """
    nothing = Estimate(np.nan, np.nan, np.nan)
    if not gains or not reference:
        return nothing
    whole, wholes = _gained(reference, metric, resamples, seed)
    if side(mean_gain(reference, metric, resamples=resamples, seed=seed)) != 1:
        return nothing
    part, parts = _gained(gains, metric, resamples, seed)
    quotients = np.stack([one / np.maximum(other, _TINY) for one in parts for other in wholes])
    value = part / whole
    low, high = _quantile(quotients.min(axis=0), 0.025), _quantile(quotients.max(axis=0), 0.975)
    return Estimate(value, min(value, low), max(value, high))


def _gained(gains: Sequence[Gain], metric: str, resamples: int, seed: int) -> tuple[float, np.ndarray]:
    """The mean gain, and its lower and upper ends in each resample, float64 (2, resamples)."""
    values, ends = [], []
    for gain in gains:
        for name in paired(gain.new, gain.old):
            new, old = gain.new[name], gain.old[name]
            values.append(value_of(new, metric) - value_of(old, metric))
            both = np.stack(contrasted(new, old, metric, class_weights(name, new.labels, metric, resamples, seed)))
            ends.append((both.min(axis=0), both.max(axis=0)))
    return float(np.mean(values)), np.mean(ends, axis=0)


def _quantile(values: np.ndarray, level: float) -> float:
    return float(np.quantile(values, level))
