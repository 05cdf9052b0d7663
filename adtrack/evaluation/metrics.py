"""How well scores and anomaly maps separate anomalous from normal: image level and pixel level.

Scores are used as they come, as float64 or in the maps' own precision. A sigmoid would be 1 for all distances above 17
in float32, and every AUROC would be 0.5.
"""

import numpy as np
from numpy.typing import ArrayLike

from adtrack.errors import UserError
from adtrack.evaluation.masked_maps import Planes
from adtrack.evaluation.pixels import PixelRanking, rank_pixels
from adtrack.evaluation.ranked_scores import RankedScores


def labelled_scores(scores: ArrayLike, labels: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Image scores as float64 (N) and labels as bool (N), True = anomalous.

    Raises UserError if the shapes differ, a score is not finite or a label is neither 0 nor 1.
    """
    values, marks = np.asarray(scores, dtype=np.float64), np.asarray(labels)
    if values.ndim != 1 or values.shape != marks.shape or not values.size:
        raise UserError(f"scores and labels must be one per image, but got shapes {values.shape} and {marks.shape}.")
    if not np.isfinite(values).all():
        worst = int(np.flatnonzero(~np.isfinite(values))[0])
        raise UserError(f"scores must be finite, but the score of image {worst} is {values[worst]}.")
    if not np.isin(marks, (0, 1)).all():
        raise UserError(f"labels must be 0 (normal) or 1 (anomalous), but got {np.unique(marks).tolist()[:5]}.")
    return values, marks.astype(bool)


def normal_scores(scores: ArrayLike) -> np.ndarray:
    """Scores of normal images as float64 (N). Raises UserError as ``labelled_scores`` does."""
    values = np.asarray(scores, dtype=np.float64)
    return labelled_scores(values, np.zeros(values.shape, dtype=np.int64))[0]


def image_metrics(scores: ArrayLike, labels: ArrayLike, threshold: float) -> dict[str, float]:
    """Image-level metrics of N scores and labels (1 = anomalous); an alarm is a score >= threshold.

    AUROC and AUPRC (average precision of the anomalous class) are NaN where only one class is present.
    false_alarm_rate, the share of normal images that raise an alarm, is NaN without normal images. F1, precision and
    recall are 0 where they would divide by zero.
    """
    values, anomalous = labelled_scores(scores, labels)
    if np.isnan(threshold):
        raise UserError(f"threshold must be a number, but got {threshold}.")
    alarms = values >= threshold
    both = anomalous.any() and not anomalous.all()
    ranked = RankedScores.of(values, anomalous)
    hits, raised, defects = (int(np.count_nonzero(marks)) for marks in (alarms & anomalous, alarms, anomalous))
    metrics = {
        "image_auroc": ranked.auroc() if both else np.nan,
        "image_auprc": ranked.average_precision() if both else np.nan,
        "f1": 2 * hits / (raised + defects) if raised + defects else 0.0,
        "accuracy": np.mean(alarms == anomalous),
        "precision": hits / raised if raised else 0.0,
        "recall": hits / defects if defects else 0.0,
        "false_alarm_rate": np.mean(alarms[~anomalous]) if not anomalous.all() else np.nan,
        "threshold": threshold,
    }
    return {name: float(value) for name, value in metrics.items()}


def good_metrics(scores: ArrayLike, threshold: float) -> dict[str, float]:
    """What N scores of normal images alone define: the share at or above the threshold, and where the scores lie."""
    values = normal_scores(scores)
    metrics = {
        "false_alarm_rate": np.mean(values >= threshold),
        "score_median": score_quantile(values, 0.5),
        "score_q95": score_quantile(values, 0.95),
        "score_max": values.max(),
        "threshold": threshold,
    }
    return {name: float(value) for name, value in metrics.items()}


def score_quantile(scores: np.ndarray, quantile: float) -> float:
    """The ``quantile`` of float64 scores (N): on average over sets of N, this share of further scores lies below it.

    It is the score of rank (N + 1) · quantile in ascending order, interpolated between neighbours, and the highest
    score if that rank is beyond N (Hyndman & Fan, *Sample Quantiles in Statistical Packages*, 1996, definition 6).
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

    It is defined as by Bergmann et al., MVTec AD (IJCV 2021), section 5.2.2, and in the data set's evaluation script:
    regions are the 8-connected components of the masks; PRO is the mean share of a region at or above the threshold;
    the false-positive rate counts the normal pixels of all images, also of those without a defect; equal scores make
    one point of the curve. Arguments, NaN and errors are those of ``pixel_auroc``.
    """
    if not 0 < limit <= 1:
        raise UserError(f"limit of the false-positive rate must be in (0, 1], but got {limit}.", "0.3 is usual.")
    return rank_pixels(maps, masks).aupro(limit)


def pixel_metrics(maps: Planes, masks: Planes) -> dict[str, float]:
    """``pixel_auroc`` and ``aupro`` to 0.30 (MVTec AD) and 0.05 (MVTec AD 2) from one sort of the pixels."""
    return ranked_metrics(rank_pixels(maps, masks))


def ranked_metrics(ranking: PixelRanking) -> dict[str, float]:
    """``pixel_metrics`` of pixels that have been ranked."""
    return {
        "pixel_auroc": ranking.auroc(),
        "pixel_aupro_030": ranking.aupro(0.30),
        "pixel_aupro_005": ranking.aupro(0.05),
    }
