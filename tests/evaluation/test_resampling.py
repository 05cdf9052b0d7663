"""adtrack.evaluation.resampling against repeating images one resample at a time."""

from collections.abc import Callable

import numpy as np
import pytest

from adtrack.errors import UserError
from adtrack.evaluation.metrics import image_metrics
from adtrack.evaluation.resampling import METRICS, Sample, class_draws, resampled, stratified_draws


def sample_of(seed: int, normal: int = 30, anomalous: int = 40, threshold: float = 0.8) -> Sample:
    """Rounded scores, so that some tie, in mixed order."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.repeat([0, 1], [normal, anomalous]))
    return Sample(np.round(rng.normal(size=labels.size) + 1.2 * labels, 1), labels, threshold)


def slow(sample: Sample, times: np.ndarray) -> dict[str, float]:
    """The metrics of one resample's own list of images, as the package measures a run."""
    scores, labels = np.repeat(sample.scores, times), np.repeat(sample.labels, times)
    false_alarms = scores[~labels] >= sample.threshold
    rate = false_alarms.mean() if false_alarms.size else np.nan
    return image_metrics(scores, labels, sample.threshold) | {"false_alarm_rate": rate}


@pytest.mark.parametrize(
    "sample",
    [
        *(sample_of(seed) for seed in range(2)),
        sample_of(2, 3, 2),
        sample_of(3, threshold=9.0),  # no alarm at all
        sample_of(4, threshold=-9.0),
        sample_of(5, threshold=float("inf")),
        Sample([2.0, 1.0, 1.0], [0, 0, 0], 1.5),
        Sample([2.0, 1.0, 1.0], [0, 0, 0], 2.5),
        Sample([2.0, 1.0, 1.0], [1, 1, 1], 1.5),
        Sample([1.0, 1.0, 1.0, 1.0], [1, 0, 1, 0], 1.0),
    ],
    ids=["a", "b", "few", "silent", "loud", "infinite", "normal", "normal, silent", "anomalous", "all equal"],
)
def test_equals_repeating_the_images(sample: Sample):
    draws = stratified_draws(sample.labels, 30, seed=1)
    expected = [slow(sample, times) for times in draws]
    for metric in METRICS:
        found = resampled(sample, metric, draws)
        assert found.dtype == np.float64 and found.shape == (30,)
        np.testing.assert_allclose(found, [values[metric] for values in expected], atol=1e-12, err_msg=metric)


def test_each_image_once_is_the_metric_itself():
    sample = sample_of(7)
    expected = image_metrics(sample.scores, sample.labels, sample.threshold)
    for metric in set(METRICS) - {"false_alarm_rate"}:
        assert resampled(sample, metric, np.ones((1, 70), dtype=np.int64))[0] == pytest.approx(expected[metric])


def test_draws_keep_both_numbers_and_look_at_nothing_but_the_labels():
    labels = sample_of(0).labels
    draws = stratified_draws(labels, 50, seed=3)
    assert (draws[:, labels].sum(axis=1) == 40).all() and (draws[:, ~labels].sum(axis=1) == 30).all()
    assert (draws >= 0).all() and draws.max() > 2
    assert (draws == stratified_draws(labels.astype(int), 50, seed=3)).all()
    assert (draws != stratified_draws(labels, 50, seed=4)).any()


def test_classes_draw_independently_and_the_same_in_every_process():
    labels = np.repeat([0, 1], [3, 3])
    drawn = {name: class_draws(name, labels, 2).tolist() for name in ("carpet", "zipper")}
    assert drawn["carpet"] != drawn["zipper"]
    assert drawn["carpet"] == [[1, 2, 0, 3, 0, 0], [0, 2, 1, 2, 1, 0]]
    assert class_draws("carpet", labels, 2, seed=1).tolist() != drawn["carpet"]


def test_each_image_is_drawn_once_on_average():
    draws = stratified_draws(np.repeat([0, 1], [20, 5]), 4000, seed=0)
    np.testing.assert_allclose(draws.mean(axis=0), 1, atol=0.08)
    # Poisson's rough share of images that a resample leaves out: (1 − 1/20)²⁰.
    assert (draws[:, :20] == 0).mean() == pytest.approx(0.95**20, abs=0.01)


@pytest.mark.parametrize("metric", METRICS)
def test_resamples_and_images_are_not_gone_through_one_by_one(metric: str, calls_of: Callable[..., int]):
    few, many = sample_of(0, 5, 5), sample_of(0, 150, 150)
    resampled(few, metric, stratified_draws(few.labels, 1, seed=0))  # what is only done at the first call
    calls = {
        calls_of(lambda sample=sample, draws=draws: resampled(sample, metric, draws))
        for sample in (few, many)
        for draws in (stratified_draws(sample.labels, 2, seed=0), stratified_draws(sample.labels, 1000, seed=0))
    }
    assert len(calls) == 1 and calls.pop() < 100


def test_bad_samples_are_refused():
    with pytest.raises(UserError, match="threshold must be a number"):
        Sample([1.0, 2.0], [0, 1], float("nan"))
    with pytest.raises(UserError, match="one per image"):
        Sample([1.0, 2.0], [0], 1.0)
    with pytest.raises(UserError, match="finite"):
        Sample([1.0, np.inf], [0, 1], 1.0)
    with pytest.raises(UserError, match="labels must be 0"):
        Sample([1.0, 2.0], [0, 2], 1.0)
