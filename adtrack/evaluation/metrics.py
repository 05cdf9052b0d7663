"""How well scores and anomaly maps separate anomalous from normal: image level and pixel level.

Scores are used as they come, as float64 or as the maps' own precision: a sigmoid would saturate at distances
above 17 in float32 and turn every AUROC into 0.5.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from sklearn.metrics import average_precision_score, precision_recall_fscore_support, roc_auc_score

from adtrack.errors import UserError

Planes = np.ndarray | Sequence[np.ndarray]
EIGHT_NEIGHBOURS = np.ones((3, 3), dtype=bool)


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

    AUROC and AUPRC (average precision of the anomalous class) are NaN where only one class is present;
    F1, precision and recall are 0 where they would divide by zero.
    """
    scores, labels = labelled_scores(scores, labels)
    if np.isnan(threshold):
        raise UserError(f"threshold must be a number, but got {threshold}.")
    alarms = scores >= threshold
    both = labels.any() and not labels.all()
    precision, recall, f1, _ = precision_recall_fscore_support(labels, alarms, average="binary", zero_division=0.0)
    metrics = {
        "image_auroc": roc_auc_score(labels, scores) if both else np.nan,
        "image_auprc": average_precision_score(labels, scores) if both else np.nan,
        "f1": f1,
        "accuracy": np.mean(alarms == labels),
        "precision": precision,
        "recall": recall,
        "threshold": threshold,
    }
    return {name: float(value) for name, value in metrics.items()}


def pixel_auroc(maps: Planes, masks: Planes) -> float:
    """AUROC over all pixels of all images, exact with ties; NaN without a defect pixel or without a normal one.

    ``maps`` and ``masks`` (non-zero = defect) are N×H×W arrays or lists of H×W of different sizes. Raises
    UserError where shapes differ or a map holds NaN or infinity.
    """
    return _auroc(_rank(maps, masks))


def aupro(maps: Planes, masks: Planes, limit: float = 0.3) -> float:
    """Area under the per-region overlap curve up to false-positive rate ``limit``, divided by ``limit``.

    Bergmann et al., MVTec AD (IJCV 2021), section 5.2.2, and the data set's evaluation script: regions are the
    8-connected components of the masks; PRO is the mean share of a region at or above the threshold; the
    false-positive rate counts the normal pixels of all images, defect-free ones included; equal scores
    make one point of the curve. Arguments, NaN and errors as in ``pixel_auroc``.
    """
    if not 0 < limit <= 1:
        raise UserError(f"limit of the false-positive rate must be in (0, 1], but got {limit}.", "0.3 is usual.")
    return _aupro(_rank(maps, masks), limit)


def pixel_metrics(maps: Planes, masks: Planes) -> dict[str, float]:
    """``pixel_auroc`` and ``aupro`` to 0.30 (MVTec AD) and 0.05 (MVTec AD 2) from one sort of the pixels."""
    ranking = _rank(maps, masks)
    return {
        "pixel_auroc": _auroc(ranking),
        "pixel_aupro_030": _aupro(ranking, 0.30),
        "pixel_aupro_005": _aupro(ranking, 0.05),
    }


@dataclass(frozen=True)
class _Ranking:
    """All that the curves depend on: one entry for each distinct score of a defect pixel, highest first."""

    above: np.ndarray  # int64: normal pixels with a higher score
    reached: np.ndarray  # int64: normal pixels with this score or a higher one
    defects: np.ndarray  # int64: defect pixels with exactly this score
    pro: np.ndarray  # float64: per-region overlap at this score as threshold
    normal_total: int

    @property
    def empty(self) -> bool:
        return not (self.normal_total and len(self.defects))


def _rank(maps: Planes, masks: Planes) -> _Ranking:
    """Place the defect pixels among the sorted normal ones.

    Between two defect scores both curves run level, so the many normal pixels need no indices: their values
    are sorted in one copy, and only the few defect pixels are ordered together with their weights.
    """
    normal, scores, weights, regions = _pixels(maps, masks)
    normal.sort()
    # Equal scores ordered by weight make the sum below, to the last bit, free of the order of images and ties.
    order = np.lexsort((weights, scores))[::-1]
    scores, weights = scores[order], weights[order]
    last = np.flatnonzero(np.append(scores[1:] != scores[:-1], True))[: len(scores)]
    distinct = scores[last]
    pro = np.minimum(np.cumsum(weights)[last] / max(regions, 1), 1.0)
    return _Ranking(
        above=len(normal) - np.searchsorted(normal, distinct, side="right"),
        reached=len(normal) - np.searchsorted(normal, distinct, side="left"),
        defects=np.diff(last, prepend=-1),
        pro=pro,
        normal_total=len(normal),
    )


def _auroc(ranking: _Ranking) -> float:
    """Share of (defect, normal) pixel pairs in the right order, ties one half; counted in whole numbers."""
    if ranking.empty:
        return float("nan")
    twice_below = 2 * ranking.normal_total - ranking.above - ranking.reached
    pairs = int(ranking.defects.sum()) * ranking.normal_total
    return int(twice_below @ ranking.defects) / (2 * pairs)


def _aupro(ranking: _Ranking, limit: float) -> float:
    if ranking.empty:
        return float("nan")
    # Each distinct defect score is an edge of the curve: level up to it, then up (slanting if normal pixels tie).
    counts = np.column_stack((ranking.above, ranking.reached)).ravel()
    edges = np.column_stack((np.append(0.0, ranking.pro[:-1]), ranking.pro)).ravel()
    fpr = np.concatenate(([0.0], counts / ranking.normal_total, [1.0]))
    pro = np.concatenate(([0.0], edges, [1.0]))
    inside = int(np.searchsorted(fpr, limit, side="right"))
    cut = np.interp(limit, fpr[inside - 1 : inside + 1], pro[inside - 1 : inside + 1])
    return float(np.trapezoid(np.append(pro[:inside], cut), np.append(fpr[:inside], limit)) / limit)


def _pixels(maps: Planes, masks: Planes) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """Normal scores; scores of the defect pixels and their weights 1/|region|; number of regions."""
    pairs = _pairs(maps, masks)
    precision = np.result_type(np.float32, *(scores.dtype for scores, _ in pairs))
    normal = np.empty(sum(mask.size - np.count_nonzero(mask) for _, mask in pairs), dtype=precision)
    filled, defects, weights, regions = 0, [np.empty(0, dtype=precision)], [np.empty(0)], 0
    for scores, mask in pairs:
        here = scores[~mask] if mask.any() else scores.ravel()
        normal[filled : filled + len(here)] = here
        filled += len(here)
        if len(here) < scores.size:
            components, count = ndimage.label(mask, structure=EIGHT_NEIGHBOURS)
            region = components[mask]
            defects.append(scores[mask])
            weights.append(1.0 / np.bincount(region)[region])
            regions += count
    return normal, np.concatenate(defects), np.concatenate(weights), regions


def _pairs(maps: Planes, masks: Planes) -> list[tuple[np.ndarray, np.ndarray]]:
    if len(maps) != len(masks):
        raise UserError(f"each anomaly map needs its mask, but got {len(maps)} maps and {len(masks)} masks.")
    pairs = [
        (np.asarray(scores), np.asarray(mask).astype(bool, copy=False))
        for scores, mask in zip(maps, masks, strict=True)
    ]
    for index, (scores, mask) in enumerate(pairs):
        if scores.ndim != 2 or scores.shape != mask.shape:
            raise UserError(
                f"map and mask of image {index} must be H×W of one size, but got {scores.shape} and {mask.shape}."
            )
        if not np.isfinite(scores).all():
            wrong = np.count_nonzero(~np.isfinite(scores))
            raise UserError(
                f"anomaly maps must be finite, but map {index} holds NaN or infinity at {wrong} pixels.",
                "Cut map and mask to the part of the image that was scored.",
            )
    return pairs
