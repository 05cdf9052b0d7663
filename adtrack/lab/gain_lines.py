"""Lines of the table of unseen shifts: what is gained, how much of a gain stays, and what thresholds are worth."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from adtrack.evaluation.gains import Gain, mean_gain, share_kept
from adtrack.evaluation.intervals import Estimate, interval, side
from adtrack.lab.moved import MOVED_METRICS, moved_estimate, refused_share
from adtrack.lab.rows import MACRO
from adtrack.lab.unseen_shifts import CLEAN, DRAWN, REFERENCE, ShiftScores, Side

METRICS = ("image_auroc", *MOVED_METRICS)
GAINED = "image_auroc"


@dataclass(frozen=True)
class SideNumbers:
    """What one model is worth: its metrics, those at the moved threshold, the false alarms that the move promised, and
    the share of handfuls that were refused."""

    metrics: Mapping[str, Estimate]
    moved: Mapping[str, Estimate]
    promised: float
    refused: float


@dataclass(frozen=True)
class GainLine:
    """A row of the table: a method under one shift, or under all shifts of a group, in one class or in all.

    ``drop`` is the plain model's AUROC minus its AUROC on clean images, ``gain`` the other model's AUROC minus the
    plain one's, and ``kept`` the share of the gain on Test-shift. ``won_back`` is the share of the drop that is gained,
    over those shifts alone under which these images show a drop: where nothing is lost, nothing can be won. There are
    ``lossy`` of them.
    """

    class_name: str
    method: str
    group: str
    words: str
    plain: SideNumbers
    built: SideNumbers
    drop: Estimate
    gain: Estimate
    kept: Estimate
    won_back: Estimate
    lossy: int


def gain_lines(found: Sequence[ShiftScores]) -> list[GainLine]:
    """A line for each shift, and one for all shifts of a group that has several, in every class and over classes."""
    classes = list(found[0].plain.samples)
    members = [(name, [name]) for name in classes] + ([(MACRO, classes)] if len(classes) > 1 else [])
    lines = []
    for name, some in members:
        for method in dict.fromkeys(one.method for one in found):
            own = [one for one in found if one.method == method]
            lines += _lines(name, some, own)
    return lines


def _lines(class_name: str, classes: Sequence[str], found: Sequence[ShiftScores]) -> list[GainLine]:
    """The lines of one method in one class, or over several."""
    clean, reference = (
        _gain(next(one for one in found if one.shift == shift), classes) for shift in (CLEAN, REFERENCE)
    )

    def line(words: str, some: Sequence[ShiftScores]) -> GainLine:
        gains = [_gain(one, classes) for one in some]
        drops = [Gain(clean.old, one.old) for one in gains]
        lossy = [at for at, one in enumerate(drops) if side(mean_gain([one], GAINED)) == 1]
        return GainLine(
            class_name,
            some[0].method,
            some[0].shift.group,
            words,
            _numbers([one.plain for one in some], classes),
            _numbers([one.built for one in some], classes),
            mean_gain([Gain(one.old, clean.old) for one in gains], GAINED),
            mean_gain(gains, GAINED),
            share_kept(gains, [reference], GAINED),
            share_kept([gains[at] for at in lossy], [drops[at] for at in lossy], GAINED),
            len(lossy),
        )

    lines = []
    for group in dict.fromkeys(one.shift.group for one in found):
        some = [one for one in found if one.shift.group == group]
        lines += [line(one.shift.words, [one]) for one in some]
        if group != DRAWN:
            lines.append(line(f"mean of {len(some)}", some))
    return lines


def _gain(found: ShiftScores, classes: Sequence[str]) -> Gain:
    new, old = ({name: side.samples[name] for name in classes} for side in (found.built, found.plain))
    return Gain(new, old)


def _numbers(sides: Sequence[Side], classes: Sequence[str]) -> SideNumbers:
    rows = [{name: side.samples[name] for name in classes} for side in sides]
    handfuls = [side.moved[name] for side in sides for name in classes]
    return SideNumbers(
        {metric: _mean([interval(row, metric) for row in rows]) for metric in METRICS},
        {metric: moved_estimate(handfuls, metric) for metric in MOVED_METRICS},
        float(np.mean([one.promised for one in handfuls])),
        refused_share(handfuls),
    )


def _mean(found: Sequence[Estimate]) -> Estimate:
    """The estimate itself, or the mean of several, which has no interval."""
    return found[0] if len(found) == 1 else Estimate(float(np.mean([one.value for one in found])), np.nan, np.nan)


def gains_frame(lines: Sequence[GainLine]) -> pd.DataFrame:
    """The lines in full precision: ``plain_recall``, ``built_recall_low``, ``built_recall_moved``, ``drop``, …"""
    records = []
    for line in lines:
        estimates: dict[str, Estimate] = {}
        for name, model in (("plain", line.plain), ("built", line.built)):
            estimates |= {f"{name}_{metric}": one for metric, one in model.metrics.items()}
            estimates |= {f"{name}_{metric}_moved": one for metric, one in model.moved.items()}
        estimates |= {"drop": line.drop, "gain": line.gain, "kept": line.kept, "won_back": line.won_back}
        record: dict[str, object] = {
            "class": line.class_name,
            "method": line.method,
            "group": line.group,
            "shift": line.words,
            "lossy": line.lossy,
        }
        for name, model in (("plain", line.plain), ("built", line.built)):
            record |= {f"{name}_promised": model.promised, f"{name}_refused": model.refused}
        for name, one in estimates.items():
            record |= {name: one.value, f"{name}_low": one.low, f"{name}_high": one.high}
        records.append(record)
    return pd.DataFrame(records)
