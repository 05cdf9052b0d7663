"""adtrack.evaluation.intervals against resampling one image at a time."""

import numpy as np
import pytest
from scipy.stats import binomtest, norm
from sklearn.metrics import roc_auc_score

from adtrack.errors import UserError
from adtrack.evaluation.intervals import (
    Estimate,
    auroc_interval,
    difference,
    in_words,
    interval,
    share_higher,
    share_interval,
    side,
    value_of,
)
from adtrack.evaluation.metrics import image_metrics
from adtrack.evaluation.resampling import METRICS, Sample, class_draws


def random_case(seed: int, normal: int = 30, anomalous: int = 40) -> tuple[np.ndarray, np.ndarray]:
    """Rounded scores, so that some tie, in mixed order."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.repeat([False, True], [normal, anomalous]))
    return np.round(rng.normal(size=labels.size) + 1.2 * labels, 1), labels


def slow_aurocs(scores: np.ndarray, labels: np.ndarray, resamples: int, seed: int) -> list[float]:
    """The same draws, image by image, through scikit-learn."""
    rng = np.random.default_rng(seed)
    normal, anomalous = scores[~labels], scores[labels]
    normal_draws = rng.integers(len(normal), size=(resamples, len(normal)))
    anomalous_draws = rng.integers(len(anomalous), size=(resamples, len(anomalous)))
    return [
        roc_auc_score(np.repeat([0, 1], [len(first), len(second)]), np.concatenate((normal[first], anomalous[second])))
        for first, second in zip(normal_draws, anomalous_draws, strict=True)
    ]


@pytest.mark.parametrize("seed", range(3))
def test_equals_resampling_one_by_one(seed: int):
    scores, labels = random_case(seed)
    aurocs = slow_aurocs(scores, labels, resamples=200, seed=seed)
    for level in (0.95, 0.5):
        expected = np.quantile(aurocs, [(1 - level) / 2, (1 + level) / 2])
        assert auroc_interval(scores, labels, resamples=200, seed=seed, level=level) == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(5))
def test_holds_the_point_estimate_and_narrows_with_more_images(seed: int):
    scores, labels = random_case(seed)
    low, high = auroc_interval(scores, labels)
    assert 0 <= low < roc_auc_score(labels, scores) < high <= 1
    more_low, more_high = auroc_interval(*random_case(seed, normal=300, anomalous=400))
    assert more_high - more_low < (high - low) / 2


def test_covers_the_truth_about_as_often_as_it_says():
    # Scores N(0, 1) and N(1.2, 1): the true AUROC is Φ(1.2 / √2) = 0.8019.
    hits = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        scores = np.concatenate((rng.normal(size=60), rng.normal(size=60) + 1.2))
        low, high = auroc_interval(scores, np.repeat([0, 1], 60), resamples=300, level=0.9)
        hits += low <= 0.8019 <= high
    assert 0.84 <= hits / 200 <= 0.95


def test_same_seed_same_bits():
    scores, labels = random_case(0)
    assert auroc_interval(scores, labels, seed=4) == auroc_interval(scores, labels, seed=4)
    assert auroc_interval(scores, labels, seed=4) != auroc_interval(scores, labels, seed=5)


def test_perfect_and_useless_scores_have_no_width():
    labels = np.repeat([0, 1], 10)
    assert auroc_interval(labels * 30.0, labels) == (1.0, 1.0)
    assert auroc_interval(np.full(20, 3.0), labels) == (0.5, 0.5)


def test_one_class_only_is_nan():
    assert all(np.isnan(end) for end in auroc_interval([1.0, 2.0], [0, 0]))
    assert all(np.isnan(end) for end in auroc_interval([1.0, 2.0], [1, 1]))


@pytest.mark.parametrize("wrong", [{"resamples": 0}, {"level": 0.0}, {"level": 1.0}, {"level": 95}])
def test_bad_settings_are_refused(wrong: dict):
    with pytest.raises(UserError, match="resamples must be at least 1 and level"):
        auroc_interval([1.0, 2.0], [0, 1], **wrong)
    with pytest.raises(UserError, match="finite"):
        auroc_interval([1.0, np.nan], [0, 1])


def row(seed: int, **classes: tuple[int, int]) -> dict[str, Sample]:
    """A row with (normal, anomalous) images in each class."""
    return {name: Sample(*random_case(seed, *counts), 0.7) for name, counts in classes.items()}


def slow_metric(sample: Sample, metric: str, times: np.ndarray) -> float:
    """A metric of the images repeated as often as they were drawn."""
    scores, labels = np.repeat(sample.scores, times), np.repeat(sample.labels, times)
    return image_metrics(scores, labels, sample.threshold)[metric]


@pytest.mark.parametrize("metric", ["image_auroc", "f1"])
def test_interval_equals_a_plain_loop_over_resamples_and_classes(metric: str):
    rows = row(0, zipper=(20, 30), carpet=(12, 9))
    draws = {name: class_draws(name, sample.labels, 40, seed=5) for name, sample in rows.items()}
    means = [
        np.mean([slow_metric(sample, metric, draws[name][index]) for name, sample in rows.items()])
        for index in range(40)
    ]
    found = interval(rows, metric, resamples=40, seed=5)
    whole = [image_metrics(sample.scores, sample.labels, sample.threshold)[metric] for sample in rows.values()]
    assert found.value == pytest.approx(np.mean(whole), abs=1e-12)
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(means, [0.025, 0.975])), abs=1e-12)


def test_difference_equals_a_plain_loop_over_the_same_images():
    a = row(0, zipper=(20, 30), carpet=(12, 9))
    b = {name: Sample(sample.scores[::-1], sample.labels, 0.2) for name, sample in a.items()}
    draws = {name: class_draws(name, sample.labels, 40, seed=5) for name, sample in a.items()}
    means = [
        np.mean([slow_metric(a[name], "f1", times) - slow_metric(b[name], "f1", times) for name, times in drawn])
        for drawn in ([(name, draws[name][index]) for name in a] for index in range(40))
    ]
    found = difference(a, b, "f1", resamples=40, seed=5)
    assert found.value == pytest.approx(interval(a, "f1").value - interval(b, "f1").value)
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(means, [0.025, 0.975])), abs=1e-12)


@pytest.mark.parametrize("metric", METRICS)
def test_identical_rows_differ_by_exactly_nothing(metric: str):
    a, b = (row(3, zipper=(20, 30), carpet=(12, 9)) for _ in range(2))
    assert difference(a, b, metric) == Estimate(0.0, 0.0, 0.0)


def test_pairing_narrows_the_difference_of_rows_that_err_on_the_same_images():
    a = row(0, zipper=(40, 40))["zipper"]
    close = {"zipper": Sample(a.scores + np.random.default_rng(1).normal(0, 0.05, 80), a.labels, 0.7)}
    paired, alone = difference({"zipper": a}, close, "image_auroc"), interval({"zipper": a}, "image_auroc")
    assert paired.high - paired.low < (alone.high - alone.low) / 3
    assert in_words(paired) == "the interval holds 0"


def test_difference_is_signed_and_its_opposite_mirrors():
    a = row(0, zipper=(40, 40))
    b = {"zipper": Sample(np.random.default_rng(1).normal(size=80), a["zipper"].labels, 0.7)}
    there, back = difference(a, b, "image_auroc"), difference(b, a, "image_auroc")
    assert there.low > 0 and in_words(there) == "the interval lies above 0"
    assert in_words(back) == "the interval lies below 0"
    assert (back.value, back.low, back.high) == pytest.approx((-there.value, -there.high, -there.low))


def test_differences_cover_the_truth_about_as_often_as_they_say():
    # Each row adds noise of its own to scores that both share: a is N(1.2, 2) above N(0, 2), b N(0.6, 2).
    truth = norm.cdf(1.2 / 2) - norm.cdf(0.6 / 2)
    labels, hits = np.repeat([0, 1], 50), 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        shared = rng.normal(size=100)
        a, b = (Sample(shared + rng.normal(size=100) + gain * labels, labels, 0.0) for gain in (1.2, 0.6))
        found = difference({"part": a}, {"part": b}, "image_auroc", resamples=300)
        hits += found.low <= truth <= found.high
    assert 0.89 <= hits / 200 <= 0.99


def test_the_order_of_classes_changes_no_bit():
    rows = row(1, a=(7, 9), b=(11, 13), c=(5, 8))
    backwards = dict(reversed(rows.items()))
    assert interval(rows, "accuracy") == interval(backwards, "accuracy")
    assert difference(rows, backwards, "accuracy") == Estimate(0.0, 0.0, 0.0)


def test_the_mean_of_classes_is_surer_than_one_of_them():
    rows = row(2, **{f"class{number}": (20, 20) for number in range(9)})
    one, mean = interval({"class0": rows["class0"]}, "image_auroc"), interval(rows, "image_auroc")
    assert mean.high - mean.low < 0.5 * (one.high - one.low)
    assert interval({"class0": rows["class0"]}, "image_auroc").value == pytest.approx(
        roc_auc_score(rows["class0"].labels, rows["class0"].scores)
    )


def test_undefined_in_one_class_is_undefined_without_a_warning(recwarn: pytest.WarningsRecorder):
    rows = row(0, zipper=(20, 30)) | {"carpet": Sample([1.0, 2.0], [1, 1], 1.5)}
    for found in (interval(rows, "image_auroc"), difference(rows, rows, "false_alarm_rate")):
        assert np.isnan([found.value, found.low, found.high]).all()
        assert in_words(found) == "undefined"
    assert interval(rows, "recall").low > 0
    assert not recwarn.list


def test_an_interval_that_ends_at_zero_holds_it():
    assert in_words(Estimate(0.1, 0.0, 0.2)) == "the interval holds 0"
    assert in_words(Estimate(-0.1, -0.2, -1e-17)) == "the interval holds 0"
    assert in_words(Estimate(0.1, 1e-3, 0.2)) == "the interval lies above 0"


def test_what_cannot_be_paired_is_refused():
    a = row(0, zipper=(20, 30))
    with pytest.raises(UserError, match="same classes"):
        difference(a, row(0, zipper=(20, 30), carpet=(12, 9)), "f1")
    with pytest.raises(UserError, match="labels of zipper differ"):
        difference(a, row(1, zipper=(20, 30)), "f1")
    with pytest.raises(UserError, match="labels of zipper differ"):
        difference(a, row(0, zipper=(20, 31)), "f1")
    with pytest.raises(UserError, match="at least one class"):
        interval({}, "f1")


def test_share_interval_is_the_exact_one():
    for hits, count in ((0, 1), (1, 1), (0, 40), (1, 40), (17, 40), (40, 40), (3, 1000)):
        expected = binomtest(hits, count).proportion_ci(0.95, method="exact")
        assert share_interval(hits, count) == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert share_interval(0, 40) == (0.0, pytest.approx(1 - 0.025 ** (1 / 40)))  # (1 - p)^40 = 0.025


@pytest.mark.parametrize(("hits", "count"), [(-1, 3), (4, 3), (0, 0)])
def test_share_interval_refuses_what_is_no_share(hits: int, count: int):
    with pytest.raises(UserError, match=f"got {hits} of {count}"):
        share_interval(hits, count)


def test_share_higher_by_hand():
    # Two normal images and an anomalous one: a resample holds the first normal one twice (then a and b are equal), each
    # once (a orders half of the pairs, b all) or the second one twice (a none, b all).
    labels = np.array([False, False, True])
    a, b = {"part": Sample([0.0, 2.0, 1.0], labels, 0.5)}, {"part": Sample([0.0, 0.0, 1.0], labels, 0.5)}
    equal = np.mean(class_draws("part", labels)[:, 1] == 0)
    assert share_higher(a, b, "image_auroc") == equal / 2 == pytest.approx(1 / 8, abs=0.02)
    assert share_higher(b, a, "image_auroc") == 1 - equal / 2
    # F1 at 0.5: a has one false alarm of one or two images' weight unless the first normal one was drawn twice.
    assert share_higher(a, b, "f1") == equal / 2
    # Nothing else can be drawn of one normal and one anomalous image.
    pair = np.array([False, True])
    right, wrong = ({"part": Sample(scores, pair, 0.5)} for scores in ([0.0, 1.0], [1.0, 0.0]))
    assert share_higher(right, wrong, "image_auroc") == 1.0 and share_higher(wrong, right, "image_auroc") == 0.0
    assert share_higher(right, right, "image_auroc") == 0.5


@pytest.mark.parametrize("metric", ["image_auroc", "image_auprc", "f1", "false_alarm_rate"])
def test_share_higher_equals_counting_one_by_one(metric: str):
    counts = {"nut": (12, 9), "part": (8, 15)}
    a, b = row(0, **counts), row(1, **counts)
    b = {name: Sample(b[name].scores, a[name].labels, 0.9) for name in counts}
    found = []
    for at in range(50):
        means = []
        for one in (a, b):
            values = []
            for name, sample in one.items():
                taken = np.repeat(np.arange(len(sample.labels)), class_draws(name, sample.labels, 50, 3)[at])
                scores, labels = sample.scores[taken], sample.labels[taken]
                alarms = scores >= sample.threshold
                known = image_metrics(scores, labels, sample.threshold) | {"false_alarm_rate": alarms[~labels].mean()}
                values.append(known[metric])
            means.append(np.mean(values))
        found.append(0.5 if abs(means[0] - means[1]) < 1e-9 else float(means[0] > means[1]))
    assert share_higher(a, b, metric, resamples=50, seed=3) == pytest.approx(np.mean(found))
    assert share_higher(a, b, metric, resamples=50, seed=3) + share_higher(b, a, metric, resamples=50, seed=3) == 1


def test_share_higher_is_undefined_where_the_metric_is():
    good = {"part": Sample([1.0, 2.0], [0, 0], 1.5)}
    assert np.isnan(share_higher(good, good, "image_auroc")) and share_higher(good, good, "false_alarm_rate") == 0.5
    with pytest.raises(UserError, match="labels of part differ"):
        share_higher(good, {"part": Sample([1.0, 2.0], [0, 1], 1.5)}, "f1")


def test_side_and_value():
    ends = {(0.1, 0.2): 1, (-0.2, -0.1): -1, (-0.1, 0.2): 0, (0.0, 0.2): 0, (-0.2, -1e-17): 0, (np.nan, np.nan): None}
    for (low, high), expected in ends.items():
        assert side(Estimate(0.1, low, high)) == expected
    assert side(Estimate(np.nan, np.nan, np.nan)) is None
    scores, labels = random_case(3)
    assert value_of(Sample(scores, labels, 0.7), "image_auroc") == pytest.approx(roc_auc_score(labels, scores))
