"""How likely luck is: beside the exact binomial tail, and with parts of images."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from adtrack.training.judgement import LUCK, by_luck
from adtrack.training.tasks import CutMix, Rotation


@given(st.integers(1, 200), st.integers(0, 200), st.sampled_from([0.25, 0.5]))
def test_the_bound_is_never_below_the_binomial_tail(count: int, right: int, chance: float) -> None:
    right = min(right, count)
    assert by_luck(right / count, count, chance) >= binom.sf(right - 1, count, chance) * (1 - 1e-9)


def test_all_right_by_luck_is_exact_and_nothing_right_is_no_surprise() -> None:
    assert by_luck(1, 5, 0.25) == pytest.approx(0.25**5)
    assert by_luck(0.25, 100, 0.25) == by_luck(0, 3, 0.25) == 1


def test_images_all_of_whose_turns_hang_together_are_not_taken_for_four() -> None:
    draws = np.random.default_rng(0)
    shares = (draws.random((4000, 20)) < 0.25).mean(axis=1)  # each image is wholly right or wholly wrong
    assert np.mean([by_luck(share, 20, 0.25) < LUCK for share in shares]) < LUCK


@pytest.mark.parametrize(
    ("first", "right", "count", "taught", "said"),
    [
        (0.3, 0.3, 40, False, "photographed at any angle"),
        (0.6, 0.8, 3, False, "too few to tell"),
        (1.0, 1.0, 20, True, "gives the turn away"),
        (0.75, 1.0, 5, True, "has learnt that and not the product"),
        (0.4, 0.5, 40, True, "the same after half a turn"),
        (0.5, 0.9, 40, True, "90% of the turns of 40 held-out images"),
    ],
)
def test_a_verdict_on_rotation(first: float, right: float, count: int, taught: bool, said: str) -> None:
    verdict = Rotation.verdict(first, right, count)
    assert verdict.taught == taught and said in verdict.words


@pytest.mark.parametrize(("right", "taught"), [(0.55, False), (0.95, True)])
def test_a_verdict_on_cutmix(right: float, taught: bool) -> None:
    verdict = CutMix.verdict(0.5, right, 20)
    assert verdict.taught == taught == ("teaches nothing" not in verdict.words)
