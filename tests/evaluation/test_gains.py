"""Gains of one model over another: their mean over image sets, and the share that stays, by hand and by simulation."""

import numpy as np
import pytest

from adtrack.errors import UserError
from adtrack.evaluation.gains import Gain, mean_gain, share_kept
from adtrack.evaluation.intervals import difference
from adtrack.evaluation.resampling import METRICS, Sample


def sample(seed: int, apart: float, count: int = 200) -> Sample:
    rng = np.random.default_rng(seed)
    labels = np.repeat([False, True], count)
    return Sample(rng.normal(size=2 * count) + apart * labels, labels, 0.7)


def gain(seed: int, old: float, new: float, names: tuple[str, ...] = ("part",)) -> Gain:
    return Gain(
        {name: sample(seed + at, new) for at, name in enumerate(names)},
        {name: sample(seed + at, old) for at, name in enumerate(names)},
    )


@pytest.mark.parametrize("metric", METRICS)
def test_the_gain_on_one_image_set_is_the_paired_difference(metric: str) -> None:
    one = gain(0, 0.5, 1.5, ("zipper", "carpet"))
    found, expected = mean_gain([one], metric), difference(one.new, one.old, metric)
    assert found.value == pytest.approx(expected.value, abs=1e-12)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=0.02)
    twice = mean_gain([one, one], metric)
    assert (twice.value, twice.low, twice.high) == pytest.approx((found.value, found.low, found.high), abs=1e-12)


def test_the_mean_gain_lies_between_the_gains() -> None:
    small, large = gain(0, 1.0, 1.2), gain(1, 0.5, 2.0)
    one, other = mean_gain([small], "image_auroc"), mean_gain([large], "image_auroc")
    both = mean_gain([small, large], "image_auroc")
    assert both.value == pytest.approx((one.value + other.value) / 2)
    assert one.low < both.low < both.value < both.high < other.high


def test_a_gain_keeps_all_of_itself() -> None:
    one = gain(0, 0.5, 1.5)
    found = share_kept([one], [one], "image_auroc")
    assert found.value == 1 and 0.7 < found.low < 1 < found.high < 1.4


def test_half_a_gain_is_half_and_a_loss_is_less_than_nothing() -> None:
    """The alarms of 200 good images: 100 of old, 20 of new on the reference, 60 on another set, 110 on a third."""

    def alarms(count: int) -> dict[str, Sample]:
        scores = np.concatenate([np.arange(200) < count, np.ones(200)]).astype(float)
        return {"part": Sample(scores, np.repeat([False, True], 200), 0.5)}

    reference = Gain(alarms(100), alarms(20))  # so that the difference is positive
    half, loss = Gain(alarms(100), alarms(60)), Gain(alarms(100), alarms(110))
    assert share_kept([half], [reference], "false_alarm_rate").value == pytest.approx(0.5)
    assert share_kept([loss], [reference], "false_alarm_rate").value == pytest.approx(-0.125)
    assert share_kept([half, loss], [reference], "false_alarm_rate").value == pytest.approx(0.1875)


def test_where_nothing_is_gained_no_share_is_kept() -> None:
    none, some = gain(0, 1.0, 1.0), gain(1, 0.5, 1.5)
    found = share_kept([some], [none], "image_auroc")
    assert np.isnan([found.value, found.low, found.high]).all()
    kept = share_kept([none], [some], "image_auroc")
    assert kept.value == 0 and kept.low < 0 < kept.high


def test_the_interval_holds_the_share_of_many_images() -> None:
    """The share of a very large set lies in nearly all intervals of small ones."""

    def drawn(seed: int, count: int) -> tuple[Gain, Gain]:
        noise = np.random.default_rng(seed).normal(size=(2, 2 * count))
        labels = np.repeat([False, True], count)

        def at(apart: float) -> dict[str, Sample]:
            return {"part": Sample(noise[0] + 0.5 * noise[1] + apart * labels, labels, 0.0)}

        return Gain(at(0.9), at(0.5)), Gain(at(1.5), at(0.5))

    truth = share_kept([(large := drawn(0, 20000))[0]], [large[1]], "image_auroc", resamples=2).value
    inside = 0
    for seed in range(1, 31):
        part, whole = drawn(seed, 100)
        found = share_kept([part], [whole], "image_auroc", resamples=200)
        inside += found.low <= truth <= found.high
    assert inside >= 28


def test_the_same_images_give_the_same_bits() -> None:
    one, other = gain(0, 0.5, 1.0), gain(0, 0.5, 1.5)
    assert share_kept([one], [other], "image_auroc") == share_kept([one], [other], "image_auroc")


def test_rows_of_other_images_are_refused() -> None:
    other = Gain({"part": sample(0, 1.0)}, {"part": sample(0, 1.0, 50)})
    with pytest.raises(UserError, match="paired rows must be of the same images"):
        mean_gain([other], "image_auroc")
