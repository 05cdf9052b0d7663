"""When an exported model may be used, and when it scores otherwise than the model that it was made of."""

import math
from dataclasses import replace

import numpy as np
import pytest

from adtrack.detectors.calibration import ColourRange
from adtrack.edge.agreement import TOLERANCE, Agreement, TwiceScored, compare_engines
from adtrack.edge.engines import Engine, ViewJudgement

SETS = ("val_clean", "val_clean", "val_shift", "val_shift")
EQUAL = tuple(
    TwiceScored(name, f"{at}.png", score, score, int(score >= 3), int(score >= 3), 0.0)
    for at, (name, score) in enumerate(zip(SETS, (1.0, 2.0, 4.0, 5.0), strict=True))
)
SPREAD = math.sqrt(2.5)


def agreement(*changes: dict, images: tuple[TwiceScored, ...] = EQUAL, colours: tuple = (0.0, 10.0)) -> Agreement:
    """Equal scores, but for what ``changes`` say of the first images."""
    changed = [replace(image, **change) for image, change in zip(images, changes, strict=False)]
    return Agreement("engine", 3.0, ColourRange(*colours), (*changed, *images[len(changed) :]))


def test_equal_models_agree_and_every_set_has_its_differences() -> None:
    found = agreement({}, {"exported": 2.001, "map_difference": 0.05})
    assert found.troubles == () and found.spread == pytest.approx(SPREAD)
    assert found.sets == ("val_clean", "val_shift")
    clean, shift = (found.differences(name) for name in found.sets)
    assert clean.scores == pytest.approx((0.0005 / SPREAD, 0.001 / SPREAD)) and clean.maps == (0.0025, 0.005)
    assert (clean.images, clean.changed, shift.scores, shift.maps) == (2, 0, (0, 0), (0, 0))
    assert found.differences().images == 4 and found.differences().scores[1] == clean.scores[1]


@pytest.mark.parametrize("moved", [1.01 * TOLERANCE * SPREAD, -1.01 * TOLERANCE * SPREAD, math.nan, math.inf])
def test_a_score_that_moves_too_far_is_named(moved: float) -> None:
    (words,) = agreement({}, {}, {"exported": 4.0 + moved}).troubles
    assert words.startswith("a score may move by 0.01 of the scores' standard deviation (1.581), but one moved by")
    assert "2.png of val_shift, 4 before and" in words
    assert agreement({}, {}, {"exported": 4.0 + 0.99 * TOLERANCE * SPREAD}).troubles == ()


@pytest.mark.parametrize("apart", [0.11, math.nan, math.inf])
def test_a_map_that_changes_its_colours_is_refused(apart: float) -> None:
    (words,) = agreement({"map_difference": apart}).troubles
    assert words.startswith("a pixel of a map may move by 0.01 of the range of the colours, but one moved by")
    assert agreement({"map_difference": 0.09}).troubles == ()


def test_a_label_may_change_at_the_threshold_only() -> None:
    near = replace(EQUAL[0], registered=3.0, registered_label=1, exported=2.9999999)
    found = agreement({"exported_label": 0}, images=(near, *EQUAL[1:]))
    assert found.troubles == () and len(found.changed) == 1 and found.differences("val_clean").changed == 1
    (words,) = agreement({"exported_label": 1}, {"exported_label": 1}).troubles
    assert words.startswith("a label may change only at the threshold (3), but 2 changed away from it: 0.png")


def test_the_spread_of_many_scores_is_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    counts: list[int] = []
    monkeypatch.setattr("adtrack.edge.agreement.pstdev", lambda scores: counts.append(len(scores)) or 1.0)
    assert agreement().troubles == () and counts == [4]


def test_scores_that_are_all_equal_are_compared_with_their_size() -> None:
    same = tuple(replace(image, registered=5.0, exported=5.0, map_difference=None) for image in EQUAL)
    assert agreement(images=same).spread == 5.0 and agreement(images=same).differences().maps is None
    assert agreement({"exported": 5.1, "exported_label": 0}, images=same).troubles


class Constant(Engine):
    """Finds the same in every view."""

    name = "constant"

    def __init__(self, found: ViewJudgement) -> None:
        self._found = found

    def run(self, view: np.ndarray) -> ViewJudgement:
        return self._found


def test_views_go_through_both_engines_and_a_map_that_is_missing_counts() -> None:
    low, high = np.zeros((2, 2), np.float32), np.array([[0, 0], [0, 0.5]], np.float32)
    views = [("val_clean", "a.png", np.zeros((2, 2, 3), np.uint8))]
    here = Constant(ViewJudgement(1.0, 0, low))
    (found,) = compare_engines(here, Constant(ViewJudgement(2.0, 1, high)), views)
    assert found == TwiceScored("val_clean", "a.png", 1.0, 2.0, 0, 1, 0.5)
    (found,) = compare_engines(here, Constant(ViewJudgement(1.0, 0, None)), views)
    assert found.map_difference == math.inf
    none = Constant(ViewJudgement(1.0, 0, None))
    assert compare_engines(none, none, views)[0].map_difference is None
