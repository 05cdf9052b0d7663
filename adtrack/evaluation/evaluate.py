"""Scores of an image set → the numbers that are reported of it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from adtrack.config import GOOD_QUANTILE, ImageSpec
from adtrack.data.imageset import ImageSet
from adtrack.data.loading import footprint
from adtrack.detectors.contract import Scores
from adtrack.detectors.scorer import Calibration
from adtrack.evaluation.intervals import auroc_interval, share_interval
from adtrack.evaluation.metrics import good_metrics, image_metrics, ranked_metrics
from adtrack.evaluation.pictures.heatmaps import colour_range
from adtrack.evaluation.pixels import rank_pixels
from adtrack.evaluation.thresholds import f1_threshold, good_threshold

PIXEL_METRICS = ("pixel_auroc", "pixel_aupro_030", "pixel_aupro_005")
IMAGE_METRICS = ("image_auroc", "image_auprc", "f1", "accuracy", "precision", "recall")
RANKED_METRICS = IMAGE_METRICS + PIXEL_METRICS
GOOD_METRICS = ("false_alarm_rate", "score_median", "score_q95", "score_max")  # all there are without anomalies
_PRO_LIMIT, _PRO_POINTS = 0.3, 301  # of the curve that is kept to be drawn


@dataclass(frozen=True)
class Scored:
    """An image set with its scores and its anomaly maps, float32 (H, W) at source size, NaN outside the crop."""

    images: ImageSet
    scores: Scores
    maps: Sequence[np.ndarray]


@dataclass(frozen=True)
class Evaluation:
    """A scored image set measured at a fixed threshold."""

    scored: Scored
    threshold: float
    metrics: dict[str, float]
    pro_curve: np.ndarray | None = None  # float64 (n, 2): false-positive rate, per-region overlap; with masks only

    @property
    def name(self) -> str:
        """``val_clean``, ``test_shift``, …"""
        return self.scored.images.name


def calibrate(val: Scored, good_quantile: float = GOOD_QUANTILE) -> Calibration:
    """The threshold and the heatmaps' colour range, both from a Val set.

    The threshold is that of best F1, or, in a set without anomalies, the ``good_quantile`` of its scores.
    """
    labels, scores = val.images.labels, val.scores.image
    good = [anomaly_map for anomaly_map, label in zip(val.maps, labels, strict=True) if not label]
    colours = colour_range(good, val.maps)
    threshold = f1_threshold(scores, labels) if labels.any() else good_threshold(scores, good_quantile)
    return Calibration(threshold, colours.low, colours.high)


def evaluate(scored: Scored, masks: Sequence[np.ndarray] | None, view: ImageSpec, threshold: float) -> Evaluation:
    """All metrics of a scored image set; those of pixels only where there are masks, bool (H, W) at source size.

    Of a set without anomalies there are ``GOOD_METRICS`` only. With AUROC and false-alarm rate come the ends of their
    intervals. ``threshold`` comes from elsewhere (Val-clean) and is applied as it is. Pixels outside the view's crop
    have no score, so they do not count.
    """
    metrics = _image_level(scored.scores.image, scored.images.labels, threshold)
    curve = None
    if masks is not None:
        seen = [footprint(*mask.shape, view) for mask in masks]
        parts = [(slice(part.top, part.bottom), slice(part.left, part.right)) for part in seen]
        maps = [anomaly_map[part] for anomaly_map, part in zip(scored.maps, parts, strict=True)]
        ranking = rank_pixels(maps, [mask[part] for mask, part in zip(masks, parts, strict=True)])
        metrics |= ranked_metrics(ranking)
        curve = np.column_stack(ranking.pro_curve(_PRO_LIMIT, _PRO_POINTS))
    return Evaluation(scored, threshold, metrics, curve)


def _image_level(scores: np.ndarray, labels: np.ndarray, threshold: float) -> dict[str, float]:
    if labels.any():
        metrics = image_metrics(scores, labels, threshold)
        metrics["image_auroc_low"], metrics["image_auroc_high"] = auroc_interval(scores, labels)
    else:
        metrics = good_metrics(scores, threshold)
    good = scores[labels == 0]
    if len(good):
        ends = share_interval(int(np.count_nonzero(good >= threshold)), len(good))
        metrics["false_alarm_rate_low"], metrics["false_alarm_rate_high"] = ends
    return metrics
