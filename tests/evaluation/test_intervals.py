"""adtrack.evaluation.intervals against scikit-learn, closed forms and simulated truth."""

from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.stats import beta, binomtest, norm
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    f1_score,
    precision_score,
    recall_score,
    roc_auc_score,
)

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
from adtrack.evaluation.unseen import bounds, class_weights


def random_case(seed: int, normal: int = 30, anomalous: int = 40) -> tuple[np.ndarray, np.ndarray]:
    """Rounded scores, so that some tie, in mixed order."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.repeat([False, True], [normal, anomalous]))
    return np.round(rng.normal(size=labels.size) + 1.2 * labels, 1), labels


def slow_metric(sample: Sample, metric: str, drawn: np.ndarray, well: bool) -> float:
    """A metric of one resample by scikit-learn; the unseen images lie beyond all others, on the right side or not."""
    unseen = [-1e6, 1e6] if well else [1e6, -1e6]
    scores, labels = np.append(sample.scores, unseen), np.append(sample.labels, [False, True])
    if metric in ("image_auroc", "image_auprc"):
        function = {"image_auroc": roc_auc_score, "image_auprc": average_precision_score}[metric]
        return function(labels, scores, sample_weight=drawn)
    alarms = scores >= sample.threshold
    if metric == "false_alarm_rate":
        return np.average(alarms[~labels], weights=drawn[~labels])
    functions = {"f1": f1_score, "accuracy": accuracy_score, "precision": precision_score, "recall": recall_score}
    return functions[metric](labels, alarms, sample_weight=drawn)


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("metric", METRICS)
def test_every_resample_is_what_scikit_learn_makes_of_its_weights(metric: str, seed: int):
    sample = Sample(*random_case(seed, 7, 5), 0.7)
    drawn = class_weights("part", sample.labels, metric, 30, seed)
    for well, found in zip((False, True), bounds(sample, metric, drawn), strict=True):
        expected = [slow_metric(sample, metric, one, well) for one in drawn]
        assert found == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("metric", METRICS)
def test_intervals_end_at_the_outer_quantiles_of_the_mean_over_classes(metric: str):
    rows = row(0, zipper=(20, 30), carpet=(12, 9))
    drawn = {name: class_weights(name, sample.labels, metric, 40, seed=5) for name, sample in rows.items()}
    means = np.array(
        [
            [np.mean([slow_metric(rows[name], metric, drawn[name][at], well) for name in rows]) for at in range(40)]
            for well in (False, True)
        ]
    )
    found = interval(rows, metric, resamples=40, seed=5)
    known = [slow_metric(one, metric, np.append(np.ones(len(one.labels)), [0, 0]), True) for one in rows.values()]
    assert found.value == pytest.approx(np.mean(known), abs=1e-12)
    assert found.low == pytest.approx(np.quantile(means.min(axis=0), 0.025), abs=1e-12)
    assert found.high == pytest.approx(np.quantile(means.max(axis=0), 0.975), abs=1e-12)


@pytest.mark.parametrize(("normal", "anomalous"), [(7, 4), (40, 40), (190, 273)])
def test_a_perfect_auroc_has_the_interval_of_its_numbers_of_images(normal: int, anomalous: int):
    """Of m normal images all but a share that is Beta(½, m) of the resample's weight are ranked right, and of the n
    anomalous ones all but Beta(½, n): the end is the 2.5 % quantile of the product of the remainders."""
    scores = np.arange(normal + anomalous, dtype=float)
    low, high = auroc_interval(scores, scores >= normal, resamples=20000)
    assert high == 1.0

    def chance(end: float) -> float:
        inner = lambda x: beta.pdf(x, normal, 0.5) * beta.cdf(end / x, anomalous, 0.5)  # noqa: E731
        return quad(inner, end, 1, limit=200)[0] + beta.cdf(end, normal, 0.5)

    assert low == pytest.approx(brentq(lambda end: chance(end) - 0.025, 0.01, 0.999), abs=0.012)


def test_intervals_widen_as_images_get_fewer_and_never_close():
    ends = {}
    for images in (3, 6, 20, 200):
        labels = np.repeat([0, 1], images)
        perfect = {"part": Sample(labels * 30.0, labels, 15.0)}
        for metric in METRICS:
            found = interval(perfect, metric)
            best = 0.0 if metric == "false_alarm_rate" else 1.0
            assert found.value == best and best in (found.low, found.high)
            ends.setdefault(metric, []).append(found.high - found.low)
        found = difference(perfect, perfect, "image_auroc")
        assert found.value == 0 and found.low == pytest.approx(-found.high)
        ends.setdefault("difference", []).append(found.high)
    for widths in ends.values():
        assert widths == sorted(widths, reverse=True) and widths[0] > 0.4 and 0.005 < widths[-1] < 0.05, ends


@pytest.mark.parametrize(("hits", "images"), [(11, 11), (0, 8), (9, 12)])
def test_shares_of_one_class_are_exact_and_resamples_come_to_the_same(hits: int, images: int):
    labels = np.repeat([0, 1], [images, 4])
    sample = Sample(np.repeat([2.0, 0.0, 2.0], [hits, images - hits, 4]), labels, 1.0)
    expected = binomtest(hits, images).proportion_ci(0.95, method="exact")
    found = interval({"part": sample}, "false_alarm_rate")
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-12)
    worst, best = bounds(sample, "false_alarm_rate", class_weights("part", labels, "false_alarm_rate", 20000))
    ends = np.quantile(best, 0.025), np.quantile(worst, 0.975)
    assert ends == pytest.approx((expected.low, expected.high), abs=0.012)


def test_the_share_of_no_image_may_be_anything():
    silent = {"part": Sample([1.0, 2.0, 3.0], [0, 0, 1], 9.0)}
    assert interval(silent, "precision") == Estimate(0.0, 0.0, 1.0)


@pytest.mark.parametrize("seed", range(5))
def test_holds_the_point_estimate_and_narrows_with_more_images(seed: int):
    scores, labels = random_case(seed)
    low, high = auroc_interval(scores, labels)
    assert 0 <= low < roc_auc_score(labels, scores) < high <= 1
    more_low, more_high = auroc_interval(*random_case(seed, normal=300, anomalous=400))
    assert more_high - more_low < (high - low) / 2


def invisible(rng: np.random.Generator, images: int, share: float) -> np.ndarray:
    """Scores of anomalous images far above good ones, but for a share that lies far below them."""
    return np.where(rng.random(images) < share, -9.0, 9.0) + rng.normal(size=images)


@pytest.mark.parametrize(
    ("normal", "anomalous", "share", "truth"),
    [
        *((7, 4, share, 1 - share) for share in (0.0, 0.1, 0.3)),  # a kind of defect that the bank does not see
        *((200, 4, share, 1 - share) for share in (0.1, 0.4)),
        *((normal, anomalous, None, 0.98) for normal, anomalous in ((10, 8), (40, 40))),  # two normal distributions
    ],
)
def test_intervals_hold_the_truth_however_few_images_and_however_near_the_end(normal, anomalous, share, truth):
    hits, gain = 0, np.sqrt(2) * norm.ppf(0.98)
    for seed in range(150):
        rng = np.random.default_rng([seed, normal, anomalous])
        defects = gain + rng.normal(size=anomalous) if share is None else invisible(rng, anomalous, share)
        labels = np.repeat([0, 1], [normal, anomalous])
        low, high = auroc_interval(np.concatenate((rng.normal(size=normal), defects)), labels, resamples=300)
        hits += low <= truth <= high
    assert hits / 150 >= 0.93  # the percentile bootstrap: 0.50 to 0.90


def test_covers_the_truth_about_as_often_as_it_says():
    # Scores N(0, 1) and N(1.2, 1): the true AUROC is Φ(1.2 / √2) = 0.8019.
    hits = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        scores = np.concatenate((rng.normal(size=60), rng.normal(size=60) + 1.2))
        low, high = auroc_interval(scores, np.repeat([0, 1], 60), resamples=300, level=0.9)
        hits += low <= 0.8019 <= high
    assert hits / 200 >= 0.88


def test_same_seed_same_bits():
    scores, labels = random_case(0)
    assert auroc_interval(scores, labels, seed=4) == auroc_interval(scores, labels, seed=4)
    assert auroc_interval(scores, labels, seed=4) != auroc_interval(scores, labels, seed=5)


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


@pytest.mark.parametrize("metric", METRICS)
def test_differences_weigh_both_rows_alike_and_what_was_not_seen_against_one_of_them(metric: str):
    a = row(0, zipper=(20, 30), carpet=(12, 9))
    b = {name: Sample(sample.scores[::-1], sample.labels, 0.2) for name, sample in a.items()}
    drawn = {name: class_weights(name, sample.labels, metric, 40, seed=5) for name, sample in a.items()}

    def differences(well: bool) -> np.ndarray:
        return np.mean(
            [
                [slow_metric(a[name], metric, one, well) - slow_metric(b[name], metric, one, not well) for one in found]
                for name, found in drawn.items()
            ],
            axis=0,
        )

    found, both = difference(a, b, metric, resamples=40, seed=5), (differences(False), differences(True))
    assert found.value == pytest.approx(interval(a, metric).value - interval(b, metric).value)
    assert found.low == pytest.approx(np.quantile(np.minimum(*both), 0.025), abs=1e-12)
    assert found.high == pytest.approx(np.quantile(np.maximum(*both), 0.975), abs=1e-12)


@pytest.mark.parametrize("metric", METRICS)
def test_identical_rows_differ_by_nothing_and_the_interval_is_the_same_on_both_sides(metric: str):
    a, b = (row(3, zipper=(20, 30), carpet=(12, 9)) for _ in range(2))
    found = difference(a, b, metric)
    assert found.value == 0 and found.low == pytest.approx(-found.high) and 0.02 < found.high < 0.25


def test_pairing_narrows_the_difference_of_rows_that_err_on_the_same_images():
    a = row(0, zipper=(400, 400))["zipper"]
    close = {"zipper": Sample(a.scores + np.random.default_rng(1).normal(0, 0.05, 800), a.labels, 0.7)}
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
    assert hits / 200 >= 0.93


def test_the_order_of_classes_changes_no_bit():
    rows = row(1, a=(7, 9), b=(11, 13), c=(5, 8))
    backwards = dict(reversed(rows.items()))
    assert interval(rows, "accuracy") == interval(backwards, "accuracy")
    assert difference(rows, rows, "accuracy") == difference(rows, backwards, "accuracy")


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
        low = beta.ppf(0.025, hits, count - hits + 1) if hits else 0.0
        high = beta.ppf(0.975, hits + 1, count - hits) if hits < count else 1.0
        assert share_interval(hits, count) == pytest.approx((low, high), abs=1e-12)
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


def test_what_the_readme_says_of_small_sets_is_what_comes_out():
    text = " ".join((Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8").split())
    low, high = auroc_interval([0.0] * 20 + [1.0] * 20, [0] * 20 + [1] * 20)
    assert f"20 good and 20 defective images are ranked right, AUROC is 1.000 [{low:.3f}, {high:.3f}]." in text
    assert "rule out a loss of more than 0.25: some 14 good and 14 anomalous images" in text

    def loss(count: int) -> float:
        row = {"part": Sample([0.0] * count + [1.0] * count, [0] * count + [1] * count, 0.5)}
        return -difference(row, row, "image_auroc").low

    assert loss(14) < 0.25 < loss(13)
