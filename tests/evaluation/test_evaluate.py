"""From scores to numbers: which metrics there are, and on which pixels they are measured."""

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

from adtrack.config import ImageSpec
from adtrack.evaluation.evaluate import (
    GOOD_METRICS,
    IMAGE_METRICS,
    PIXEL_METRICS,
    RANKED_METRICS,
    ScoredSet,
    evaluate,
)
from adtrack.evaluation.metrics import aupro

WHOLE, CROPPED = ImageSpec(64, 0), ImageSpec(64, 48)


ENDS = {f"{metric}_{end}" for metric in ("image_auroc", "false_alarm_rate") for end in ("low", "high")}


def masks(scored: ScoredSet) -> list[np.ndarray]:
    return [scored.images.mask(at) for at in range(len(scored.images))]


def test_metrics_of_images_and_pixels(scored: ScoredSet) -> None:
    evaluation = evaluate(scored, masks(scored), WHOLE, 0.4)
    labels, scores = scored.images.labels, scored.scores
    metrics = evaluation.metrics
    assert evaluation.name == "val_clean" and evaluation.threshold == metrics["threshold"] == 0.4
    assert set(metrics) == {*IMAGE_METRICS, *PIXEL_METRICS, "threshold", *ENDS, "false_alarm_rate"}
    good = scores[labels == 0] >= 0.4
    ends = binomtest(int(good.sum()), len(good)).proportion_ci(0.95, method="exact")
    assert metrics["false_alarm_rate"] == good.mean()
    assert [metrics["false_alarm_rate_low"], metrics["false_alarm_rate_high"]] == pytest.approx([ends.low, ends.high])
    assert metrics["image_auroc"] == roc_auc_score(labels, scores)
    assert metrics["image_auprc"] == average_precision_score(labels, scores)
    assert metrics["f1"] == f1_score(labels, scores >= 0.4)
    assert metrics["image_auroc_low"] <= metrics["image_auroc"] <= metrics["image_auroc_high"]
    pixels = np.concatenate([mask.ravel() for mask in masks(scored)])
    heat = np.concatenate([plane.ravel() for plane in scored.maps])
    assert metrics["pixel_auroc"] == pytest.approx(roc_auc_score(pixels, heat), abs=1e-12)
    assert metrics["pixel_aupro_030"] == aupro(scored.maps, masks(scored), 0.3)
    assert metrics["pixel_aupro_005"] == aupro(scored.maps, masks(scored), 0.05)
    assert all(type(value) is float for value in metrics.values())


def test_only_seen_pixels_count(scored: ScoredSet) -> None:
    inside = np.zeros((64, 64), dtype=bool)
    inside[8:56, 8:56] = True
    nowhere = [np.where(inside, plane, np.nan).astype(np.float32) for plane in scored.maps]
    evaluation = evaluate(ScoredSet(scored.images, scored.scores, nowhere), masks(scored), CROPPED, 0.4)
    pixels = np.concatenate([mask[8:56, 8:56].ravel() for mask in masks(scored)])
    heat = np.concatenate([plane[8:56, 8:56].ravel() for plane in scored.maps])
    assert evaluation.metrics["pixel_auroc"] == pytest.approx(roc_auc_score(pixels, heat), abs=1e-12)
    everywhere = [np.where(inside, plane, 1e9).astype(np.float32) for plane in scored.maps]  # whatever lies outside
    again = evaluate(ScoredSet(scored.images, scored.scores, everywhere), masks(scored), CROPPED, 0.4)
    assert again.metrics == evaluation.metrics


def test_without_masks_there_are_no_pixel_metrics(scored: ScoredSet) -> None:
    metrics = evaluate(scored, None, WHOLE, 0.4).metrics
    assert set(metrics) == {*IMAGE_METRICS, "threshold", *ENDS, "false_alarm_rate"}
    assert metrics == {name: metrics[name] for name in metrics if name not in PIXEL_METRICS}
    assert set(RANKED_METRICS) == {*IMAGE_METRICS, *PIXEL_METRICS}


def test_without_maps_there_are_no_pixel_metrics_either(scored: ScoredSet) -> None:
    whole_images = ScoredSet(scored.images, scored.scores, None)
    without, unmarked = evaluate(whole_images, masks(scored), WHOLE, 0.4), evaluate(scored, None, WHOLE, 0.4)
    assert without.metrics == unmarked.metrics and without.pro_curve is None


def test_of_good_images_alone_there_is_what_is_defined(good_images: ScoredSet) -> None:
    metrics = evaluate(good_images, None, WHOLE, 2.5).metrics
    ends = {"false_alarm_rate_low", "false_alarm_rate_high"}
    assert set(metrics) == {*GOOD_METRICS, *ends, "threshold"} and np.isfinite(list(metrics.values())).all()
    assert metrics["false_alarm_rate"] == 0.5 and metrics["threshold"] == 2.5
    # One of two: 1 - (1 - p)² = 0.025 at the lower end, 1 - p² = 0.025 at the upper one.
    assert metrics["false_alarm_rate_low"] == pytest.approx(1 - np.sqrt(0.975))
    assert metrics["false_alarm_rate_high"] == pytest.approx(np.sqrt(0.975))
