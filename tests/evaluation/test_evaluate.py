"""From scores to numbers: which metrics there are, on which pixels they are measured, what Val-clean settles."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

from adtrack.config import ImageSpec
from adtrack.data.imageset import image_set
from adtrack.data.splits import Splits
from adtrack.detectors.contract import Scores
from adtrack.evaluation.evaluate import (
    GOOD_METRICS,
    IMAGE_METRICS,
    PIXEL_METRICS,
    RANKED_METRICS,
    Scored,
    calibrate,
    evaluate,
)
from adtrack.evaluation.metrics import aupro

WHOLE, CROPPED = ImageSpec(64, 0), ImageSpec(64, 48)


@pytest.fixture
def scored(tiny_splits: Splits, tiny_data: Path) -> Scored:
    """Val-clean with random scores, and maps that are hotter on defects."""
    images = image_set(tiny_splits, tiny_data, "val", "clean")
    draws = np.random.default_rng(0)
    maps = [draws.random((64, 64), dtype=np.float32) + 0.3 * images.mask(at) for at in range(len(images))]
    return Scored(images, Scores(draws.random(len(images)), np.zeros((len(images), 8, 8), np.float32)), maps)


ENDS = {f"{metric}_{end}" for metric in ("image_auroc", "false_alarm_rate") for end in ("low", "high")}


def masks(scored: Scored) -> list[np.ndarray]:
    return [scored.images.mask(at) for at in range(len(scored.images))]


def test_metrics_of_images_and_pixels(scored: Scored) -> None:
    evaluation = evaluate(scored, masks(scored), WHOLE, 0.4)
    labels, scores = scored.images.labels, scored.scores.image
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


def test_only_seen_pixels_count(scored: Scored) -> None:
    inside = np.zeros((64, 64), dtype=bool)
    inside[8:56, 8:56] = True
    nowhere = [np.where(inside, plane, np.nan).astype(np.float32) for plane in scored.maps]
    evaluation = evaluate(Scored(scored.images, scored.scores, nowhere), masks(scored), CROPPED, 0.4)
    pixels = np.concatenate([mask[8:56, 8:56].ravel() for mask in masks(scored)])
    heat = np.concatenate([plane[8:56, 8:56].ravel() for plane in scored.maps])
    assert evaluation.metrics["pixel_auroc"] == pytest.approx(roc_auc_score(pixels, heat), abs=1e-12)
    everywhere = [np.where(inside, plane, 1e9).astype(np.float32) for plane in scored.maps]  # whatever lies outside
    again = evaluate(Scored(scored.images, scored.scores, everywhere), masks(scored), CROPPED, 0.4)
    assert again.metrics == evaluation.metrics


def test_without_masks_there_are_no_pixel_metrics(scored: Scored) -> None:
    metrics = evaluate(scored, None, WHOLE, 0.4).metrics
    assert set(metrics) == {*IMAGE_METRICS, "threshold", *ENDS, "false_alarm_rate"}
    assert metrics == {name: metrics[name] for name in metrics if name not in PIXEL_METRICS}
    assert set(RANKED_METRICS) == {*IMAGE_METRICS, *PIXEL_METRICS}


def test_calibration_comes_from_scores_and_maps(scored: Scored) -> None:
    separable = Scores(np.array([5.0, 7.0, 1.0, 2.0]), scored.scores.patches)  # scratch, spot, good, good
    calibration = calibrate(Scored(scored.images, separable, scored.maps))
    assert calibration.threshold == 3.5  # the middle of the gap
    good = np.concatenate([scored.maps[at].ravel() for at in (2, 3)])
    assert calibration.colour_low == pytest.approx(np.median(good), abs=0.02)
    assert calibration.colour_high > np.quantile(good, 0.995)


def good_images(scored: Scored) -> Scored:
    """The same without the images that are anomalous."""
    good = np.flatnonzero(scored.images.labels == 0)
    images = replace(scored.images, records=tuple(scored.images.records[at] for at in good))
    scores = Scores(np.array([1.0, 3.0]), scored.scores.patches[good])
    return Scored(images, scores, [scored.maps[at] for at in good])


def test_of_good_images_alone_there_is_what_is_defined(scored: Scored) -> None:
    metrics = evaluate(good_images(scored), None, WHOLE, 2.5).metrics
    ends = {"false_alarm_rate_low", "false_alarm_rate_high"}
    assert set(metrics) == {*GOOD_METRICS, *ends, "threshold"} and np.isfinite(list(metrics.values())).all()
    assert metrics["false_alarm_rate"] == 0.5 and metrics["threshold"] == 2.5
    # One of two: 1 - (1 - p)² = 0.025 at the lower end, 1 - p² = 0.025 at the upper one.
    assert metrics["false_alarm_rate_low"] == pytest.approx(1 - np.sqrt(0.975))
    assert metrics["false_alarm_rate_high"] == pytest.approx(np.sqrt(0.975))


def test_good_images_alone_calibrate_by_a_quantile(scored: Scored) -> None:
    good = good_images(scored)
    calibration = calibrate(good, 0.5)
    assert calibration.threshold == 2.0 and calibrate(good).threshold == 3.0
    maps = np.concatenate([plane.ravel() for plane in good.maps])
    assert calibration.colour_low == pytest.approx(np.median(maps), abs=0.02)
    assert calibration.colour_high > maps.max()  # ordinary texture stays in the darker half
    assert calibrate(scored, 0.5) == calibrate(scored, 0.9)  # where anomalies are labelled the quantile does not count
