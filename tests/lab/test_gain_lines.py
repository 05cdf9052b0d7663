"""Lines of unseen shifts: both models, the gain, the share of it that stays, and moved thresholds."""

import numpy as np
import pytest

from adtrack.data.corruptions import CORRUPTIONS
from adtrack.evaluation.gains import Gain, mean_gain, share_kept
from adtrack.evaluation.intervals import interval
from adtrack.evaluation.resampling import Sample
from adtrack.lab import gain_lines as module
from adtrack.lab.gain_lines import gain_lines, gains_frame
from adtrack.lab.moved import HANDFULS, Handfuls, moved_estimate
from adtrack.lab.rows import MACRO
from adtrack.lab.unseen_shifts import HELD_OUT, OTHER, REFERENCE, SHIFTS, ShiftScores, Side

GROUPS = ("MVTec-Shift", "stronger", HELD_OUT, OTHER)
SOME = tuple(
    one for one in SHIFTS if one.test in ("test_clean", "test_shift", "test_shift_only_blur", "test_jpeg", "test_dust")
)
RNG = np.random.default_rng(0)
HANDFUL = Handfuls(RNG.random(HANDFULS), RNG.random(HANDFULS), 0.1)


def scores(apart: float, seed: int = 0) -> Sample:
    rng = np.random.default_rng(seed)
    labels = np.repeat([False, True], 60)
    return Sample(rng.normal(size=120) + apart * labels, labels, 0.5)


def side(classes: tuple[str, ...], apart: float) -> Side:
    return Side({name: scores(apart, seed) for seed, name in enumerate(classes)}, dict.fromkeys(classes, HANDFUL))


def shift_scores(classes: tuple[str, ...], built: dict[str, float]) -> list[ShiftScores]:
    return [ShiftScores("patchcore", one, side(classes, 0.5), side(classes, built[one.group])) for one in SOME]


@pytest.fixture(autouse=True)
def few_metrics(monkeypatch: pytest.MonkeyPatch) -> None:
    """The intervals of fewer metrics take less time."""
    monkeypatch.setattr(module, "METRICS", ("false_alarm_rate",))


def test_lines_hold_both_models_the_gain_and_its_share() -> None:
    lines = gain_lines(shift_scores(("part",), {"MVTec-Shift": 2.0, HELD_OUT: 0.5, OTHER: 1.0}))
    assert [line.words for line in lines if line.words.startswith("mean")] == ["mean of 1", "mean of 2"]
    assert len(lines) == len(SOME) + 2
    by_words = {(line.group, line.words): line for line in lines}
    reference, other = by_words["MVTec-Shift", REFERENCE.words], by_words[OTHER, CORRUPTIONS["jpeg"].words]
    assert reference.kept.value == 1 and 0 < other.kept.low < other.kept.value < other.kept.high < 1
    assert by_words[HELD_OUT, "blur alone"].kept.value == by_words[HELD_OUT, "blur alone"].gain.value == 0
    rows, whole = {"part": scores(0.5)}, Gain({"part": scores(2.0)}, {"part": scores(0.5)})
    gain = Gain({"part": scores(1.0)}, rows)
    assert other.gain == mean_gain([gain], "image_auroc") and other.kept == share_kept([gain], [whole], "image_auroc")
    assert other.drop == mean_gain([Gain(rows, rows)], "image_auroc") and other.drop.value == 0
    assert other.plain.metrics["false_alarm_rate"] == interval(rows, "false_alarm_rate")
    assert other.built.metrics["false_alarm_rate"] == interval({"part": scores(1.0)}, "false_alarm_rate")
    assert other.built.moved == {name: moved_estimate([HANDFUL], name) for name in ("false_alarm_rate", "recall")}
    assert (other.built.promised, other.built.refused) == (0.1, 0.0)
    mean = by_words[OTHER, "mean of 2"]
    assert mean.gain.value == pytest.approx(other.gain.value)
    assert np.isnan(mean.plain.metrics["false_alarm_rate"].low)


def test_what_is_won_back_is_told_of_shifts_that_cost_something() -> None:
    """On clean images the plain model ranks as well as under dust, and under JPEG it loses half of that."""
    plain = {"test_clean": 2.0, "test_shift": 0.5, "test_jpeg": 1.0}
    found = [
        ShiftScores("patchcore", one, side(("part",), plain.get(one.test, 2.0)), side(("part",), 1.5)) for one in SOME
    ]
    by_words = {(line.group, line.words): line for line in gain_lines(found)}
    jpeg, dust = (by_words[OTHER, CORRUPTIONS[name].words] for name in ("jpeg", "dust"))
    mean = by_words[OTHER, "mean of 2"]
    assert (jpeg.lossy, dust.lossy, mean.lossy) == (1, 0, 1)
    assert jpeg.won_back.value == pytest.approx(jpeg.gain.value / -jpeg.drop.value) and mean.won_back == jpeg.won_back
    assert jpeg.won_back.low < jpeg.won_back.value < jpeg.won_back.high and np.isnan(dust.won_back.value)
    assert dust.gain.value < 0 and mean.gain.value < jpeg.gain.value


def test_several_classes_have_a_macro_mean() -> None:
    lines = gain_lines(shift_scores(("a", "b"), dict.fromkeys(GROUPS, 1.5)))
    by_class = {name: [line for line in lines if line.class_name == name] for name in ("a", "b", MACRO)}
    assert sum(map(len, by_class.values())) == len(lines)
    for one, other, mean in zip(*by_class.values(), strict=True):
        assert mean.gain.value == pytest.approx((one.gain.value + other.gain.value) / 2)


def test_the_frame_holds_everything_in_full_precision() -> None:
    lines = gain_lines(shift_scores(("part",), dict.fromkeys(GROUPS, 1.5)))
    data = gains_frame(lines)
    assert data["kept"].tolist() == [line.kept.value for line in lines]
    sides = {f"{side}_{name}" for side in ("plain", "built") for name in ("false_alarm_rate_low", "recall_moved_high")}
    assert {"class", "method", "group", "shift", "built_promised", "built_refused", "gain_high", "drop_low"} <= set(
        data
    )
    assert sides <= set(data)
