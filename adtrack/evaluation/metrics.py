"""How well scores and anomaly maps separate anomalous from normal: image level and pixel level.

Scores are used as they come, as float64 or as the maps' own precision: a sigmoid would saturate at distances
above 17 in float32 and turn every AUROC into 0.5.
"""

from collections.abc import Sequence

import numpy as np
from sklearn.metrics import average_precision_score, precision_recall_fscore_support, roc_auc_score

from adtrack.errors import UserError
from adtrack.evaluation.pixels import PixelRanking, Planes, rank_pixels


def labelled_scores(scores: Sequence[float], labels: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Image scores as float64 (N) and labels as bool (N), True = anomalous.

    Raises UserError if the shapes differ, a score is not finite or a label is neither 0 nor 1.
    """
    scores, labels = np.asarray(scores, dtype=np.float64), np.asarray(labels)
    if scores.ndim != 1 or scores.shape != labels.shape or not scores.size:
        raise UserError(f"scores and labels must be one value an image, but got shapes {scores.shape}, {labels.shape}.")
    if not np.isfinite(scores).all():
        worst = int(np.flatnonzero(~np.isfinite(scores))[0])
        raise UserError(f"scores must be finite, but the score of image {worst} is {scores[worst]}.")
    if not np.isin(labels, (0, 1)).all():
        raise UserError(f"labels must be 0 (normal) or 1 (anomalous), but got {np.unique(labels).tolist()[:5]}.")
    return scores, labels.astype(bool)


def image_metrics(scores: Sequence[float], labels: Sequence[int], threshold: float) -> dict[str, float]:
    """Image-level metrics of N scores and labels (1 = anomalous); an alarm is a score >= threshold.

    AUROC and AUPRC (average precision of the anomalous class) are NaN where only one class is present, false_alarm_rate
    (the share of normal images that raise an alarm) without normal ones; F1, precision and recall are 0 where they
    would divide by zero.
    """
    scores, labels = labelled_scores(scores, labels)
    if np.isnan(threshold):
        raise UserError(f"threshold must be a number, but got {threshold}.")
    alarms = scores >= threshold
    both = labels.any() and not labels.all()
    precision, recall, f1, _ = precision_recall_fscore_support(labels, alarms, average="binary", zero_division=0.0)
    metrics = {
        "image_auroc": roc_auc_score(labels, scores) if both else np.nan,
        # A sum of many parts, rounded: that of a perfect ranking can come out a bit above 1.
        "image_auprc": min(1.0, average_precision_score(labels, scores)) if both else np.nan,
        "f1": f1,
        "accuracy": np.mean(alarms == labels),
        "precision": precision,
        "recall": recall,
        "false_alarm_rate": np.mean(alarms[~labels]) if not labels.all() else np.nan,
        "threshold": threshold,
    }
    return {name: float(value) for name, value in metrics.items()}


def good_metrics(scores: Sequence[float], threshold: float) -> dict[str, float]:
    """What is defined of N scores of normal images alone: the share at or above the threshold, and where they lie."""
    scores, _ = labelled_scores(scores, np.zeros(len(scores), dtype=np.int64))
    metrics = {
        "false_alarm_rate": np.mean(scores >= threshold),
        "score_median": score_quantile(scores, 0.5),
        "score_q95": score_quantile(scores, 0.95),
        "score_max": scores.max(),
        "threshold": threshold,
    }
    return {name: float(value) for name, value in metrics.items()}


def score_quantile(scores: np.ndarray, quantile: float) -> float:
    """The ``quantile`` of float64 scores (N): on average over sets of N, this share of further scores lies below it.

    The score of rank (N + 1) · quantile in ascending order, interpolated between neighbours, and the highest score
    where that rank is beyond N (Hyndman & Fan, *Sample Quantiles in Statistical Packages*, 1996, definition 6).
    """
    return float(np.quantile(scores, quantile, method="weibull"))


def pixel_auroc(maps: Planes, masks: Planes) -> float:
    """AUROC over all pixels of all images, exact with ties; NaN without a defect pixel or without a normal one.

    ``maps`` and ``masks`` (non-zero = defect) are N×H×W arrays or lists of H×W of different sizes. Raises
    UserError where shapes differ or a map holds NaN or infinity.
    """
    return rank_pixels(maps, masks).auroc()


def aupro(maps: Planes, masks: Planes, limit: float = 0.3) -> float:
    """Area under the per-region overlap curve up to false-positive rate ``limit``, divided by ``limit``.

    Bergmann et al., MVTec AD (IJCV 2021), section 5.2.2, and the data set's evaluation script: regions are the
    8-connected components of the masks; PRO is the mean share of a region at or above the threshold; the
    false-positive rate counts the normal pixels of all images, defect-free ones included; equal scores
    make one point of the curve. Arguments, NaN and errors as in ``pixel_auroc``.
    """
    if not 0 < limit <= 1:
        raise UserError(f"limit of the false-positive rate must be in (0, 1], but got {limit}.", "0.3 is usual.")
    return rank_pixels(maps, masks).aupro(limit)


def pixel_metrics(maps: Planes, masks: Planes) -> dict[str, float]:
    """``pixel_auroc`` and ``aupro`` to 0.30 (MVTec AD) and 0.05 (MVTec AD 2) from one sort of the pixels."""
    return ranked_metrics(rank_pixels(maps, masks))


def ranked_metrics(ranking: PixelRanking) -> dict[str, float]:
    """``pixel_metrics`` of pixels that are ranked already."""
    return {
        "pixel_auroc": ranking.auroc(),
        "pixel_aupro_030": ranking.aupro(0.30),
        "pixel_aupro_005": ranking.aupro(0.05),
    }
