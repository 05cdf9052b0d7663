"""Banks beside each other: the same images, the right sign, and the images on which they disagree."""

import math

import numpy as np
import pytest

from adtrack.evaluation.intervals import Estimate, difference
from adtrack.evaluation.paired_comparison import (
    Contrast,
    Disagreement,
    ModelScores,
    aligned,
    contrasts,
    disagreements,
    metrics_of,
    plain_contrast,
)
from adtrack.evaluation.resampling import Sample


def scores_of(scores: dict[str, float], threshold: float = 0.5) -> ModelScores:
    """Scores by name; an anomalous image's begins with "bad"."""
    names = tuple(scores)
    labels = [name.startswith("bad") for name in names]
    kinds = tuple("scratch" if label else "good" for label in labels)
    return ModelScores(names, names, kinds, Sample(list(scores.values()), labels, threshold))


A = scores_of({"bad1": 0.9, "bad2": 0.4, "good1": 0.1, "good2": 0.6})
B = scores_of({"good2": 2.0, "good1": 1.0, "bad2": 4.0, "bad1": 1.5}, threshold=3.0)


def test_aligned_brings_common_images_into_one_order():
    more = scores_of({"good9": 0.0, **dict(zip(B.images, B.sample.scores, strict=True))}, threshold=3.0)
    first, second = aligned([A, more])
    assert first.images == second.images == ("bad1", "bad2", "good1", "good2")
    assert first.sample.scores.tolist() == [0.9, 0.4, 0.1, 0.6] and second.sample.scores.tolist() == [1.5, 4, 1, 2]
    assert first.sample.labels.tolist() == second.sample.labels.tolist() == [True, True, False, False]
    assert first.kinds == ("scratch", "scratch", "good", "good") and second.sample.threshold == 3.0
    assert aligned([A, scores_of({"other": 1.0})]) == []


def test_contrasts_by_hand():
    a, b = aligned([A, B])
    found = {contrast.metric: contrast for contrast in contrasts("part", a, b)}
    assert list(found) == ["image_auroc", "image_auprc", "f1", "false_alarm_rate", "recall"]
    # A orders 3 of 4 pairs, B 3 of 4. A has a hit, a miss and a false alarm: F1 1/2; B a hit and a miss: F1 2/3.
    assert (found["image_auroc"].reference, found["image_auroc"].value) == (0.75, 0.75)
    assert found["f1"].reference == 0.5 and found["f1"].value == pytest.approx(2 / 3)
    assert found["f1"].difference.value == pytest.approx(1 / 6)
    assert (found["false_alarm_rate"].reference, found["false_alarm_rate"].value) == (0.5, 0.0)
    # B raises no false alarm; A does in every resample but those without good2, a quarter, where they tie.
    assert found["false_alarm_rate"].reference_better == pytest.approx(1 / 8, abs=0.02)
    assert (found["recall"].reference, found["recall"].value) == (0.5, 0.5)
    paired = difference({"part": b.sample}, {"part": a.sample}, "image_auroc")
    assert found["image_auroc"].difference == paired
    assert contrasts("part", a, b) == contrasts("part", *aligned([A, B]))


def test_who_is_ahead():
    def contrast(low: float, high: float, metric: str = "f1") -> Contrast:
        return Contrast(metric, 0.5, 0.6, Estimate((low + high) / 2, low, high), 0.1)

    assert contrast(0.1, 0.2).ahead == 1 and contrast(-0.2, -0.1).ahead == -1 and contrast(-0.1, 0.1).ahead == 0
    assert contrast(0.1, 0.2, "false_alarm_rate").ahead == -1 and contrast(-2, -1, "false_alarm_rate").ahead == 1
    assert contrast(-0.01, 0.01).equal and contrast(0.001, 0.009).equal and contrast(0.001, 0.009).ahead == 1
    assert not contrast(-0.1, 0.1).equal and not contrast(-0.011, 0.005).equal and not contrast(0.0, 0.011).equal
    plain = plain_contrast("pixel_auroc", 0.9, 0.95)
    assert plain.ahead is None and plain.difference.value == pytest.approx(0.05) and not plain.equal
    assert math.isnan(plain.difference.low) and math.isnan(plain.reference_better)


@pytest.mark.parametrize(("images", "equal"), [(6, False), (100, False), (400, True)])
def test_it_takes_images_to_call_two_banks_the_same(images, equal):
    """The same scores on 11 images say little of the next ones."""
    same = scores_of({f"{kind}{at}": float(kind == "bad") + at for at in range(images) for kind in ("bad", "good")})
    auroc, *_ = contrasts("part", same, same)
    assert auroc.difference.value == 0 and auroc.ahead == 0 and auroc.equal == equal


def test_metrics_that_the_labels_define():
    assert metrics_of(Sample([1.0, 2.0], [0, 0], 1.0)) == ("false_alarm_rate",)
    assert metrics_of(Sample([1.0, 2.0], [1, 1], 1.0)) == ("recall",)
    good = scores_of({"good1": 0.1, "good2": 0.9})
    (found,) = contrasts("part", good, good)
    assert found.metric == "false_alarm_rate" and found.reference == 0.5 and found.reference_better == 0.5


def test_disagreements_are_at_each_banks_own_threshold():
    # At their own thresholds A calls bad1 and good2 anomalous, B bad2 alone; both pass good1.
    assert disagreements(aligned([A, B])) == [
        Disagreement("bad1", "scratch", True, (0.9, 1.5), (0.5, 3.0), (True, False)),
        Disagreement("bad2", "scratch", True, (0.4, 4.0), (0.5, 3.0), (False, True)),
        Disagreement("good2", "good", False, (0.6, 2.0), (0.5, 3.0), (True, False)),
    ]
    assert disagreements(aligned([A, A])) == []
    third = scores_of({"bad1": 9.0, "bad2": 9.0, "good1": 0.5, "good2": 0.0})  # a score at the threshold is an alarm
    assert [found.path for found in disagreements(aligned([A, A, third]))] == ["bad2", "good1", "good2"]
    assert np.all([len(found.called) == 3 for found in disagreements(aligned([A, A, third]))])
