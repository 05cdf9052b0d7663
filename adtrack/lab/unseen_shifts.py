"""What a model that was built for drift keeps of its gain under shifts that its draws do not hold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from adtrack.data.corruptions import CORRUPTIONS
from adtrack.data.shift import PARTS
from adtrack.evaluation.gains import Gain, mean_gain, share_kept
from adtrack.evaluation.intervals import Estimate, interval
from adtrack.evaluation.resampling import Sample
from adtrack.lab.cell import Cell
from adtrack.lab.cells import Cells
from adtrack.lab.drift import DriftModel, built_model, drift_cell, plain_model
from adtrack.lab.rows import MACRO
from adtrack.lab.setup import Setup

DRAWN, STRONGER, HELD_OUT, OTHER = "MVTec-Shift", "stronger", "kind held out", "another kind"
METRICS = ("image_auroc", "false_alarm_rate", "recall")
GAINED = "image_auroc"


@dataclass(frozen=True)
class UnseenShift:
    """A shift of Test: its group, its name in words and its image set. ``part`` is what the draws do without."""

    group: str
    words: str
    test: str
    part: str = ""


CLEAN = UnseenShift(DRAWN, "none", "test_clean")
REFERENCE = UnseenShift(DRAWN, "as drawn", "test_shift")
SHIFTS = (
    CLEAN,
    REFERENCE,
    *(UnseenShift(STRONGER, f"severity {severity}", f"test_shift@{severity}") for severity in ("1.5", "2")),
    *(UnseenShift(HELD_OUT, f"{part} alone", f"test_shift_only_{part}", part) for part in PARTS),
    *(UnseenShift(OTHER, kind.words, f"test_{name}") for name, kind in CORRUPTIONS.items()),
)


@dataclass(frozen=True)
class ShiftScores:
    """The Test scores of every class under one shift: of the plain model and of the one built for drift."""

    method: str
    shift: UnseenShift
    plain: Mapping[str, Sample]
    built: Mapping[str, Sample]

    def gain(self, classes: Sequence[str]) -> Gain:
        """What is gained in these classes."""
        return Gain({name: self.built[name] for name in classes}, {name: self.plain[name] for name in classes})


@dataclass(frozen=True)
class GainLine:
    """A row of the table: a method under one shift, or under all shifts of a group, in one class or in all.

    ``drop`` is the plain model's AUROC minus its AUROC on clean images, ``gain`` the other model's AUROC minus the
    plain one's, and ``kept`` the share of the gain on Test-shift.
    """

    class_name: str
    method: str
    group: str
    words: str
    plain: Mapping[str, Estimate]
    built: Mapping[str, Estimate]
    drop: Estimate
    gain: Estimate
    kept: Estimate


@dataclass(frozen=True)
class _Measured:
    """The cells of one class and method: the plain model, the one built for drift, and by the part held out."""

    plain: Cell
    built: Cell
    without: Mapping[str, Cell] = field(default_factory=dict)


def measure_unseen_shifts(cells: Cells, setup: Setup) -> list[ShiftScores]:
    """All shifts with all methods.

    Each class and method needs a plain model, one that is built for drift, and for every part of MVTec-Shift one whose
    draws do without it.
    """
    measured = {
        (spec.method, bench.opened.data.class_name): _Measured(
            drift_cell(cells, bench, plain_model(spec), [shift.test for shift in SHIFTS]),
            drift_cell(cells, bench, built_model(spec), [shift.test for shift in SHIFTS if not shift.part]),
            {
                shift.part: drift_cell(cells, bench, built_model(spec, shift.part), [shift.test])
                for shift in SHIFTS
                if shift.part
            },
        )
        for bench, spec in setup.cells()
    }

    def judged(model: DriftModel, name: str, cell: Cell, shift: UnseenShift) -> Sample:
        return cell.judged(name, model.threshold_from, shift.test)

    found = []
    for spec in setup.detectors:
        cells_of = {name: measured[spec.method, name] for name in setup.classes}
        for shift in SHIFTS:
            built = {name: one.without[shift.part] if shift.part else one.built for name, one in cells_of.items()}
            found.append(
                ShiftScores(
                    spec.method,
                    shift,
                    {name: judged(plain_model(spec), name, one.plain, shift) for name, one in cells_of.items()},
                    {name: judged(built_model(spec, shift.part), name, one, shift) for name, one in built.items()},
                )
            )
    return found


def gain_lines(found: Sequence[ShiftScores]) -> list[GainLine]:
    """A line for each shift, and one for all shifts of a group that has several, in every class and over classes."""
    classes = list(found[0].plain)
    members = [(name, [name]) for name in classes] + ([(MACRO, classes)] if len(classes) > 1 else [])
    lines = []
    for name, some in members:
        for method in dict.fromkeys(one.method for one in found):
            own = [one for one in found if one.method == method]
            lines += _lines(name, some, own)
    return lines


def _lines(class_name: str, classes: Sequence[str], found: Sequence[ShiftScores]) -> list[GainLine]:
    """The lines of one method in one class, or over several."""
    clean, reference = (next(one for one in found if one.shift == shift).gain(classes) for shift in (CLEAN, REFERENCE))

    def line(words: str, some: Sequence[ShiftScores]) -> GainLine:
        gains = [one.gain(classes) for one in some]
        return GainLine(
            class_name,
            some[0].method,
            some[0].shift.group,
            words,
            {metric: _mean([interval(one.old, metric) for one in gains]) for metric in METRICS},
            {metric: _mean([interval(one.new, metric) for one in gains]) for metric in METRICS},
            mean_gain([Gain(one.old, clean.old) for one in gains], GAINED),
            mean_gain(gains, GAINED),
            share_kept(gains, reference, GAINED),
        )

    lines = []
    for group in dict.fromkeys(one.shift.group for one in found):
        some = [one for one in found if one.shift.group == group]
        lines += [line(one.shift.words, [one]) for one in some]
        if group != DRAWN:
            lines.append(line(f"mean of {len(some)}", some))
    return lines


def _mean(found: Sequence[Estimate]) -> Estimate:
    """The estimate itself, or the mean of several, which has no interval."""
    return found[0] if len(found) == 1 else Estimate(float(np.mean([one.value for one in found])), np.nan, np.nan)


def gains_frame(lines: Sequence[GainLine]) -> pd.DataFrame:
    """The lines in full precision: ``plain_recall``, ``built_recall_low``, ``drop``, ``gain_high``, …"""
    records = []
    for line in lines:
        estimates = {f"plain_{metric}": one for metric, one in line.plain.items()}
        estimates |= {f"built_{metric}": one for metric, one in line.built.items()}
        estimates |= {"drop": line.drop, "gain": line.gain, "kept": line.kept}
        record: dict[str, object] = {
            "class": line.class_name,
            "method": line.method,
            "group": line.group,
            "shift": line.words,
        }
        for name, one in estimates.items():
            record |= {name: one.value, f"{name}_low": one.low, f"{name}_high": one.high}
        records.append(record)
    return pd.DataFrame(records)
