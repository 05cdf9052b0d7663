"""Metrics of resamples of an image set, in which each image has a weight: how often it was drawn, or any share."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from adtrack.errors import UserError
from adtrack.evaluation.metrics import labelled_scores

RESAMPLES = 1000
SHARES = ("accuracy", "precision", "recall", "false_alarm_rate")


@dataclass(frozen=True, eq=False)
class Sample:
    """One row of a table on one class: float64 scores (n,), bool labels (n,), True = anomalous, and the threshold.

    Labels may be given as 0 and 1. Raises UserError where ``image_metrics`` does.
    """

    scores: np.ndarray
    labels: np.ndarray
    threshold: float

    def __post_init__(self) -> None:
        scores, labels = labelled_scores(self.scores, self.labels)
        if np.isnan(self.threshold):
            raise UserError(f"threshold must be a number, but got {self.threshold}.")
        object.__setattr__(self, "scores", scores)
        object.__setattr__(self, "labels", labels)


def stratified_draws(labels: np.ndarray, resamples: int, seed: int) -> np.ndarray:
    """How often each of n images is drawn with replacement in each resample: int64 (resamples, n).

    Normal and anomalous images are drawn separately, so that each resample has as many of either as the set (Efron &
    Tibshirani, *An Introduction to the Bootstrap*, 1993, chapter 13). Scores play no part: rows on the same images have
    the same resamples.
    """
    labels = np.asarray(labels, dtype=bool)
    rng = np.random.default_rng(seed)
    draws = np.zeros((resamples, len(labels)), dtype=np.int64)
    for stratum in (np.flatnonzero(~labels), np.flatnonzero(labels)):
        if len(stratum):
            draws[:, stratum] = _draws(len(stratum), resamples, rng)
    return draws


def class_draws(class_name: str, labels: np.ndarray, resamples: int = RESAMPLES, seed: int = 0) -> np.ndarray:
    """``stratified_draws`` by a seed of the class's own, so that classes vary independently in a macro mean."""
    return stratified_draws(labels, resamples, class_seed(class_name, seed))


def class_seed(class_name: str, seed: int) -> int:
    """The seed of one class's resamples."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{class_name}".encode()).digest())


def resampled(sample: Sample, metric: str, draws: np.ndarray) -> np.ndarray:
    """The metric of each resample, float64 (resamples,), for weights (resamples, n) of the sample's n images.

    Whole numbers give the bits of images that are repeated so often. A metric is NaN where it is in ``image_metrics``.
    """
    return _METRICS[metric](sample, draws)


def _draws(images: int, resamples: int, rng: np.random.Generator) -> np.ndarray:
    drawn = rng.integers(images, size=(resamples, images)) + images * np.arange(resamples)[:, None]
    return np.bincount(drawn.ravel(), minlength=resamples * images).reshape(resamples, images)


def _auroc(sample: Sample, draws: np.ndarray) -> np.ndarray:
    """The share of pairs in the right order, ties one half."""
    labels = sample.labels
    if labels.all() or not labels.any():
        return np.full(len(draws), np.nan)
    normal, anomalous = sample.scores[~labels], sample.scores[labels]
    order = np.argsort(normal, kind="stable")
    # Column i counts those that were drawn among the lowest i.
    below = np.pad(np.cumsum(draws[:, ~labels][:, order], axis=1), ((0, 0), (1, 0)))
    lower = below[:, np.searchsorted(normal, anomalous, side="left", sorter=order)]
    lower_or_equal = below[:, np.searchsorted(normal, anomalous, side="right", sorter=order)]
    twice_won = np.einsum("ri,ri->r", draws[:, labels], lower + lower_or_equal)
    return np.asarray(twice_won / (2 * _total(draws, ~labels) * _total(draws, labels)))


def _auprc(sample: Sample, draws: np.ndarray) -> np.ndarray:
    """Average precision: the precision at each distinct score, weighted by the anomalous images that it adds."""
    if sample.labels.all() or not sample.labels.any():
        return np.full(len(draws), np.nan)
    order = np.argsort(sample.scores, kind="stable")[::-1]
    last = np.flatnonzero(np.append(np.diff(sample.scores[order]) != 0, True))  # of the images with equal scores
    called = np.cumsum(draws[:, order], axis=1)[:, last]
    found = np.cumsum((draws * sample.labels)[:, order], axis=1)[:, last]
    added = np.diff(found, axis=1, prepend=0)
    precision = np.divide(found, called, out=np.zeros(found.shape), where=called > 0)
    return np.asarray(np.einsum("ri,ri->r", added, precision) / _total(draws, sample.labels))


def _total(draws: np.ndarray, images: np.ndarray) -> np.ndarray:
    """What the images, bool (n,), weigh together in each resample. It is no matrix product, whose bits depend on the
    BLAS."""
    return np.asarray(draws[:, images].sum(axis=1))


def _alarms(sample: Sample, draws: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What right and false alarms weigh in each resample, (resamples,)."""
    alarms = sample.scores >= sample.threshold
    return _total(draws, alarms & sample.labels), _total(draws, alarms & ~sample.labels)


def _f1(sample: Sample, draws: np.ndarray) -> np.ndarray:
    hits, false = _alarms(sample, draws)
    return _share(2 * hits, hits + false + _total(draws, sample.labels))


def _accuracy(sample: Sample, draws: np.ndarray) -> np.ndarray:
    hits, false = _alarms(sample, draws)
    return np.asarray((hits + _total(draws, ~sample.labels) - false) / draws.sum(axis=1))


def _precision(sample: Sample, draws: np.ndarray) -> np.ndarray:
    hits, false = _alarms(sample, draws)
    return _share(hits, hits + false)


def _recall(sample: Sample, draws: np.ndarray) -> np.ndarray:
    hits, _ = _alarms(sample, draws)
    return _share(hits, _total(draws, sample.labels))


def _false_alarm_rate(sample: Sample, draws: np.ndarray) -> np.ndarray:
    _, false = _alarms(sample, draws)
    return false / _total(draws, ~sample.labels) if not sample.labels.all() else np.full(len(draws), np.nan)


def counts(sample: Sample, metric: str) -> tuple[int, int]:
    """The parts of a metric in SHARES: how many images count for it, and of how many it is the share."""
    alarms = sample.scores >= sample.threshold
    part, whole = {
        "accuracy": (alarms == sample.labels, np.ones_like(alarms)),
        "precision": (alarms & sample.labels, alarms),
        "recall": (alarms & sample.labels, sample.labels),
        "false_alarm_rate": (alarms & ~sample.labels, ~sample.labels),
    }[metric]
    return int(np.count_nonzero(part)), int(np.count_nonzero(whole))


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """The quotient, and 0 where ``whole`` is 0."""
    return np.asarray(np.divide(part, whole, out=np.zeros(len(part)), where=whole > 0))


_METRICS: dict[str, Callable[[Sample, np.ndarray], np.ndarray]] = {
    "image_auroc": _auroc,
    "image_auprc": _auprc,
    "f1": _f1,
    "accuracy": _accuracy,
    "precision": _precision,
    "recall": _recall,
    "false_alarm_rate": _false_alarm_rate,
}
METRICS = tuple(_METRICS)
