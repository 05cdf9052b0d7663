"""Every method twice: plain, as it was before anything was done about drift, and built for drift."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from adtrack.config import DetectorSpec, plain
from adtrack.errors import UserError
from adtrack.evaluation.building import climb
from adtrack.evaluation.evaluate import evaluate
from adtrack.evaluation.measuring import score_set
from adtrack.evaluation.thresholds import f1_threshold
from adtrack.evaluation.workbench import Workbench
from adtrack.lab.cell import Cell, CellOutcome
from adtrack.lab.cells import Cells

PLAIN, BUILT = "plain", "built for drift"
# All settings for drift; a method has some of them.
_SETTINGS = ("smooth", "standardise", "augment", "augment_severity", "augment_family", "whiten", "score_top")


@dataclass(frozen=True)
class DriftModel:
    """How a model is built: its specification, and the Val sets that give its threshold together."""

    name: str
    spec: DetectorSpec
    threshold_from: tuple[str, ...]


def has_drift_settings(spec: DetectorSpec) -> bool:
    """Whether a method can be built for drift."""
    return any(one.name in _SETTINGS for one in fields(spec))


def plain_model(spec: DetectorSpec) -> DriftModel:
    """The model with nothing done about drift, at the threshold of Val-clean."""
    before: dict[str, Any] = {one.name: one.default for one in fields(spec) if one.name in _SETTINGS}
    return DriftModel(PLAIN, replace(spec, **before), ("val_clean",))


def built_model(spec: DetectorSpec, without: str = "") -> DriftModel:
    """The model built for drift, at the threshold of Val-clean and Val-shift together.

    It is built as ``spec`` says. If that says nothing about drift, the method's recipe does. Draws and Val-shift do
    without the part of MVTec-Shift called ``without``. UserError: the method has no settings for drift.
    """
    if not has_drift_settings(spec):
        raise UserError(f"a method that is built for drift must have settings for it, but {spec.method} has none.")
    if spec == plain_model(spec).spec:
        spec = replace(spec, **spec.recipes[-1])
    if not without:
        return DriftModel(BUILT, spec, ("val_clean", "val_shift"))
    family = f"shift_without_{without}"
    drawn: dict[str, Any] = {one.name: family for one in fields(spec) if one.name == "augment_family"}
    return DriftModel(f"{BUILT}, without {without}", replace(spec, **drawn), ("val_clean", f"val_{family}"))


def models(spec: DetectorSpec) -> list[DriftModel]:
    """The plain model and, where the method has settings for drift, the one that is built for it."""
    return [plain_model(spec), *([built_model(spec)] if has_drift_settings(spec) else [])]


def drift_cell(cells: Cells, bench: Workbench, model: DriftModel, sets: Sequence[str]) -> Cell:
    """The model of one class with its scores of ``sets`` and of the Val sets that give its threshold."""
    class_name = bench.opened.data.class_name
    names = (*model.threshold_from, *sets)

    def compute() -> CellOutcome:
        detector = next(climb(bench, [model.spec])).detector
        scored = [score_set(bench, detector, name, patches=False) for name in names]
        threshold = f1_threshold(scored[0].scores, scored[0].images.labels)
        evaluations = [(class_name, evaluate(one, None, bench.image, threshold)) for one in scored]
        return CellOutcome(evaluations, {"cost/bank_rows": float(detector.rows)})

    what = {"method": model.spec.method, "detector": plain(model.spec), "train": "train_clean", "sets": list(names)}
    return cells.cell(f"{class_name} {model.spec.method} {model.name}", [bench], what, compute)
