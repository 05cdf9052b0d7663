"""Scores of an image set → the numbers that are reported of it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from adtrack.config import ImageSpec
from adtrack.data.imageset import ImageSet
from adtrack.data.loading import footprint
from adtrack.evaluation.intervals import auroc_interval, share_interval
from adtrack.evaluation.masked_maps import Planes
from adtrack.evaluation.metrics import good_metrics, image_metrics, ranked_metrics
from adtrack.evaluation.pixels import PixelRanking, rank_pixels

PIXEL_METRICS = ("pixel_auroc", "pixel_aupro_030", "pixel_aupro_005")
IMAGE_METRICS = ("image_auroc", "image_auprc", "f1", "accuracy", "precision", "recall")
RANKED_METRICS = IMAGE_METRICS + PIXEL_METRICS
GOOD_METRICS = ("false_alarm_rate", "score_median", "score_q95", "score_max")  # where there are no anomalies
_PRO_LIMIT, _PRO_POINTS = 0.3, 301  # the PRO curve is kept up to this false-positive rate, at so many points


class Maps(Protocol):
    """Anomaly maps float32 (H, W) by the places of their images: a list, or what computes a map when it is read."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> np.ndarray: ...

    def __iter__(self) -> Iterator[np.ndarray]: ...


@dataclass(frozen=True)
class ScoredSet:
    """An image set with the images' scores, float64 (n,), and their anomaly maps at source size, NaN outside the crop.

    ``maps`` is None if the method scores whole images only. ``searched`` says whether the patches of all images have
    been scored; otherwise the bank has to be searched for every map that is read.
    """

    images: ImageSet
    scores: np.ndarray
    maps: Maps | None
    searched: bool = True


@dataclass(frozen=True)
class Evaluation:
    """A scored image set measured at a fixed threshold.

    ``pro_curve`` float64 (n, 2) holds false-positive rates and the per-region overlap there; None without pixel
    metrics.
    """

    scored: ScoredSet
    threshold: float
    metrics: dict[str, float]
    pro_curve: np.ndarray | None = None

    @property
    def name(self) -> str:
        """``val_clean``, ``test_shift``, …"""
        return self.scored.images.name


def evaluate(scored: ScoredSet, masks: Planes | None, view: ImageSpec, threshold: float) -> Evaluation:
    """All metrics of a scored image set; those of pixels only with ``masks``, bool (H, W) at source size, and anomaly
    maps.

    A set without anomalies has ``GOOD_METRICS`` only. AUROC and false-alarm rate come with the ends of their intervals.
    ``threshold`` comes from elsewhere (Val) and is applied as it is. Pixels outside the view's crop have no
    score, so they do not count.
    """
    metrics = image_level(scored.scores, scored.images.labels, threshold)
    if masks is None or scored.maps is None:
        return Evaluation(scored, threshold, metrics)
    ranking = _ranked(scored.maps, masks, view)
    curve = np.column_stack(ranking.pro_curve(_PRO_LIMIT, _PRO_POINTS))
    return Evaluation(scored, threshold, metrics | ranked_metrics(ranking), curve)


@dataclass(frozen=True)
class _Seen:
    """The parts of maps or masks that the view shows, cut out when they are read."""

    planes: Planes
    view: ImageSpec

    def __len__(self) -> int:
        return len(self.planes)

    def __getitem__(self, index: int, /) -> np.ndarray:
        plane = self.planes[index]
        part = footprint(plane.shape[0], plane.shape[1], self.view)
        return plane[part.top : part.bottom, part.left : part.right]


def _ranked(maps: Maps, masks: Planes, view: ImageSpec) -> PixelRanking:
    """The pixels that the view shows. Maps and masks of large photos are in memory one at a time."""
    return rank_pixels(_Seen(maps, view), _Seen(masks, view))


def image_level(scores: np.ndarray, labels: np.ndarray, threshold: float) -> dict[str, float]:
    """The metrics of images' scores, and the ends of their intervals."""
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
