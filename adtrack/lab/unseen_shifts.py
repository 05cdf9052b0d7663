"""What a model that was built for drift keeps of its gain under shifts that its draws do not hold."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from adtrack.data.corruptions import CORRUPTIONS
from adtrack.data.shift import PARTS
from adtrack.evaluation.resampling import Sample
from adtrack.lab.cell import Cell
from adtrack.lab.cells import Cells
from adtrack.lab.drift import DriftModel, built_model, drift_cell, plain_model
from adtrack.lab.moved import Handfuls, handfuls
from adtrack.lab.setup import Setup

DRAWN, STRONGER, HELD_OUT, OTHER = "MVTec-Shift", "stronger", "kind held out", "another kind"


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
class Side:
    """The Test scores of every class under one shift and one of the two models, and what follows once its threshold is
    moved."""

    samples: Mapping[str, Sample]
    moved: Mapping[str, Handfuls]


@dataclass(frozen=True)
class ShiftScores:
    """The Test scores under one shift: of the plain model and of the one built for drift."""

    method: str
    shift: UnseenShift
    plain: Side
    built: Side


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

    def side(model: DriftModel, cells_of: Mapping[str, Cell], shift: UnseenShift) -> Side:
        given = {name: (name, model.threshold_from, shift.test) for name in cells_of}
        return Side(
            {name: cell.judged(*given[name]) for name, cell in cells_of.items()},
            {name: handfuls(cell, *given[name]) for name, cell in cells_of.items()},
        )

    found = []
    for spec in setup.detectors:
        own = {name: measured[spec.method, name] for name in setup.classes}
        plain = {name: one.plain for name, one in own.items()}
        for shift in SHIFTS:
            built = {name: one.without[shift.part] if shift.part else one.built for name, one in own.items()}
            model = built_model(spec, shift.part)
            found.append(
                ShiftScores(spec.method, shift, side(plain_model(spec), plain, shift), side(model, built, shift))
            )
    return found
