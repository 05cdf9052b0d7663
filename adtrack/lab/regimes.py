"""The protocol's regimes of the shifted domain. Each class and method needs three models for them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from adtrack.config import DetectorSpec, plain
from adtrack.data.imageset import TEST_SETS, VAL_SETS
from adtrack.evaluation.building import build
from adtrack.evaluation.resampling import Sample
from adtrack.evaluation.workbench import Workbench
from adtrack.lab.adaptation import adapted_rest
from adtrack.lab.cell import Cell, CellOutcome
from adtrack.lab.cells import Cells
from adtrack.lab.drift import built_model, has_drift_settings, plain_model
from adtrack.lab.setup import Setup
from adtrack.threshold_spec import BOTH, BY_F1, ThresholdSpec

SETS = {"clean": (*VAL_SETS, *TEST_SETS), "shift": ("val_shift", "test_shift")}


@dataclass(frozen=True)
class Regime:
    """What the model is trained for, which image sets together give its threshold, and which one tests it.

    ``train`` is the domain that a plain model is trained in, "clean" or "shift", or "drift": built for drift. With
    ``photos``, the threshold goes with so many unlabelled images of the set that tests it, an eighth of them defects,
    and the other images of the set are tested.
    """

    name: str
    train: str
    threshold: tuple[str, ...]
    test: str
    photos: int = 0


REFERENCE = Regime("clean reference", train="clean", threshold=("val_clean",), test="test_clean")
REGIMES = (
    REFERENCE,
    Regime("none", train="clean", threshold=("val_clean",), test="test_shift"),
    Regime("threshold-only", train="clean", threshold=("val_shift",), test="test_shift"),
    Regime("full adaptation", train="shift", threshold=("val_shift",), test="test_shift"),
    Regime("built for drift, clean images", train="drift", threshold=VAL_SETS, test="test_clean"),
    Regime("built for drift", train="drift", threshold=VAL_SETS, test="test_shift"),
    Regime("adapted without labels", train="drift", threshold=VAL_SETS, test="test_shift", photos=16),
)


@dataclass(frozen=True)
class RegimeScores:
    """One regime with one method: the Test scores of every class at its threshold, and their pixel metrics.

    ``tested`` are the places in the set of the images that are tested, where these are not all of them. Then there are
    no pixel metrics.
    """

    method: str
    regime: Regime
    samples: Mapping[str, Sample]
    pixel: Mapping[str, Mapping[str, float]]
    tested: Mapping[str, np.ndarray] = field(default_factory=dict)

    def beside(self, reference: "RegimeScores") -> Mapping[str, Sample]:
        """The scores of another regime on the images that this one is tested on."""
        if not self.tested:
            return reference.samples
        return {
            name: Sample(one.scores[self.tested[name]], one.labels[self.tested[name]], one.threshold)
            for name, one in reference.samples.items()
        }


def model_cell(
    cells: Cells, bench: Workbench, spec: DetectorSpec, domain: str, sets: Sequence[str] | None = None
) -> Cell:
    """The model of one class trained in ``domain`` ("clean" or "shift"), with its scores of ``sets``."""
    names = tuple(sets or SETS[domain])
    threshold = ThresholdSpec(f"val_{domain}")

    def compute() -> CellOutcome:
        built = build(bench, spec, names, train=f"train_{domain}", threshold=threshold)
        numbers = {f"cost/{key}": value for key, value in built.costs.items()}
        return CellOutcome([(bench.opened.data.class_name, evaluation) for evaluation in built.evaluations], numbers)

    name = f"{bench.opened.data.class_name} {spec.method} {spec.title} from train_{domain}"
    what = {"method": spec.method, "detector": plain(spec), "train": f"train_{domain}", "sets": list(names)}
    return cells.cell(name, [bench], what, compute)


def measure_regimes(cells: Cells, setup: Setup) -> list[RegimeScores]:
    """All regimes of all classes and methods. There is one model for each class, method and way of training."""
    models = {
        (spec.method, bench.opened.data.class_name, trained): model_cell(cells, bench, one, domain)
        for bench, spec in setup.cells()
        for trained, one, domain in _ways(spec)
    }
    return [
        _in_regime(spec.method, regime, {name: models[spec.method, name, regime.train] for name in setup.classes})
        for spec in setup.detectors
        for regime in REGIMES
        if any(regime.train == trained for trained, _, _ in _ways(spec))
    ]


def _ways(spec: DetectorSpec) -> list[tuple[str, DetectorSpec, str]]:
    """What models of a method are trained for, with the specification and the domain of Train; see ``Regime.train``."""
    plain_spec = plain_model(spec).spec
    built = [("drift", built_model(spec).spec, "clean")] if has_drift_settings(spec) else []
    return [("clean", plain_spec, "clean"), ("shift", plain_spec, "shift"), *built]


def _in_regime(method: str, regime: Regime, models: Mapping[str, Cell]) -> RegimeScores:
    if regime.photos:
        return _adapted(method, regime, models)
    return RegimeScores(
        method,
        regime,
        {name: cell.judged(name, regime.threshold, regime.test) for name, cell in models.items()},
        {name: cell.pixel(name, regime.test) for name, cell in models.items()},
    )


def _adapted(method: str, regime: Regime, models: Mapping[str, Cell]) -> RegimeScores:
    spec, defects = ThresholdSpec(BOTH, BY_F1), regime.photos // 8
    found = {name: adapted_rest(cell, name, spec, regime.test, regime.photos, defects) for name, cell in models.items()}
    samples = {name: sample for name, (_, sample) in found.items()}
    return RegimeScores(method, regime, samples, {}, {name: places for name, (places, _) in found.items()})
