"""How sure a metric of a small test set is: bootstrap intervals."""

from collections.abc import Sequence

import numpy as np

from adtrack.errors import UserError
from adtrack.evaluation.metrics import labelled_scores


def auroc_interval(
    scores: Sequence[float], labels: Sequence[int], *, resamples: int = 1000, seed: int = 0, level: float = 0.95
) -> tuple[float, float]:
    """Percentile bootstrap interval of the image AUROC of N scores and labels (1 = anomalous).

    Normal and anomalous images are resampled separately, so that each resample keeps both numbers
    (Efron & Tibshirani, *An Introduction to the Bootstrap*, 1993, chapter 13). (NaN, NaN) where only one class
    is present. The same images in the same order and the same seed give the same bits.
    """
    if resamples < 1 or not 0 < level < 1:
        raise UserError(f"resamples must be at least 1 and level in (0, 1), but got {resamples} and {level}.")
    scores, labels = labelled_scores(scores, labels)
    if labels.all() or not labels.any():
        return float("nan"), float("nan")
    # Drawn before any score is looked at: two models on the same images see the same resamples.
    rng = np.random.default_rng(seed)
    normal_draws = _draws(np.count_nonzero(~labels), resamples, rng)
    anomalous_draws = _draws(np.count_nonzero(labels), resamples, rng)
    aurocs = _resampled_auroc(scores[~labels], scores[labels], normal_draws, anomalous_draws)
    low, high = np.quantile(aurocs, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _draws(images: int, resamples: int, rng: np.random.Generator) -> np.ndarray:
    """How often each image is drawn with replacement in each resample: int64 (resamples, images)."""
    drawn = rng.integers(images, size=(resamples, images)) + images * np.arange(resamples)[:, None]
    return np.bincount(drawn.ravel(), minlength=resamples * images).reshape(resamples, images)


def _resampled_auroc(
    normal: np.ndarray, anomalous: np.ndarray, normal_draws: np.ndarray, anomalous_draws: np.ndarray
) -> np.ndarray:
    """AUROC of each resample (resamples,): the share of pairs in the right order, ties one half."""
    order = np.argsort(normal, kind="stable")
    below = np.pad(np.cumsum(normal_draws[:, order], axis=1), ((0, 0), (1, 0)))  # column i: drawn among the lowest i
    lower = below[:, np.searchsorted(normal, anomalous, side="left", sorter=order)]
    lower_or_equal = below[:, np.searchsorted(normal, anomalous, side="right", sorter=order)]
    twice_won = np.einsum("ri,ri->r", anomalous_draws, lower + lower_or_equal)
    return twice_won / (2 * len(normal) * len(anomalous))
