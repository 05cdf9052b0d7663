"""Scores of an image set → the numbers that are reported of it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from adtrack.config import ImageSpec
from adtrack.data.imageset import ImageSet
from adtrack.data.loading import footprint
from adtrack.detectors.base import Scores
from adtrack.detectors.scorer import Calibration
from adtrack.evaluation.heatmaps import colour_range
from adtrack.evaluation.intervals import auroc_interval
from adtrack.evaluation.metrics import image_metrics, pixel_metrics
from adtrack.evaluation.thresholds import f1_threshold

PIXEL_METRICS = ("pixel_auroc", "pixel_aupro_030", "pixel_aupro_005")
IMAGE_METRICS = ("image_auroc", "image_auprc", "f1", "accuracy", "precision", "recall")
RANKED_METRICS = IMAGE_METRICS + PIXEL_METRICS


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

    @property
    def name(self) -> str:
        """``val_clean``, ``test_shift``, …"""
        return self.scored.images.name


def calibrate(val: Scored) -> Calibration:
    """The threshold of best F1 and the heatmaps' colour range, both from a Val set."""
    labels = val.images.labels
    good = [anomaly_map for anomaly_map, label in zip(val.maps, labels, strict=True) if not label]
    colours = colour_range(good, val.maps)
    return Calibration(f1_threshold(val.scores.image, labels), colours.low, colours.high)


def evaluate(scored: Scored, masks: Sequence[np.ndarray] | None, view: ImageSpec, threshold: float) -> Evaluation:
    """All metrics of a scored image set; those of pixels only where there are masks, bool (H, W) at source size.

    ``threshold`` comes from elsewhere (Val-clean) and is applied as it is. Pixels outside the view's crop have no
    score, so they do not count.
    """
    labels = scored.images.labels
    metrics = image_metrics(scored.scores.image, labels, threshold)
    metrics["image_auroc_low"], metrics["image_auroc_high"] = auroc_interval(scored.scores.image, labels)
    if masks is not None:
        seen = [footprint(*mask.shape, view) for mask in masks]
        parts = [(slice(part.top, part.bottom), slice(part.left, part.right)) for part in seen]
        maps = [anomaly_map[part] for anomaly_map, part in zip(scored.maps, parts, strict=True)]
        metrics |= pixel_metrics(maps, [mask[part] for mask, part in zip(masks, parts, strict=True)])
    return Evaluation(scored, threshold, metrics)
