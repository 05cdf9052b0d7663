"""What a threshold does that goes with a handful of photos: false alarms and recall on the images that are left.

The photos are drawn from a Test set, good ones and defects, again and again. The threshold moves with their scores, and
is tested on all other images of the set.
"""

import contextlib
from dataclasses import dataclass

import numpy as np

from adtrack.detectors.calibration import GoodScores
from adtrack.errors import UserError
from adtrack.evaluation.adapting import landing, moved_threshold
from adtrack.evaluation.calibrating import good_scores, threshold_of
from adtrack.evaluation.good_parts import promised_alarms
from adtrack.evaluation.metrics import image_metrics
from adtrack.evaluation.resampling import Sample, class_seed
from adtrack.lab.cell import Cell
from adtrack.lab.cells import Cells
from adtrack.lab.drift import DriftModel, drift_cell, models
from adtrack.lab.setup import Setup
from adtrack.lab.unseen_shifts import CLEAN, OTHER, REFERENCE, SHIFTS, UnseenShift
from adtrack.threshold_spec import BY_QUANTILE, ThresholdSpec

PHOTOS, DEFECTS = (4, 8, 16, 32), (0, 1, 2, 4, 8, 16)
MOST_DEFECTS = 0.5  # of the photos
DRAWS = 200
PASS = 0.95  # the share of Val's good images that the threshold lets pass: one in twenty is promised to be an alarm
TESTED = (CLEAN, REFERENCE, *(shift for shift in SHIFTS if shift.group == OTHER))


@dataclass(frozen=True)
class Adapted:
    """What many draws of photos with so many defects among them make of the threshold of one model under one shift.

    ``auroc`` is that of the whole set, ``promised`` the share of Val's good images that are alarms. ``before`` and each
    of the draws in ``after``, float64 (draws, 2), are the share of false alarms and recall; draws whose photos were
    refused are NaN. ``held`` is how often the interval of a threshold held the one that all good images give.
    """

    class_name: str
    method: str
    model: str
    shift: UnseenShift
    photos: int
    defects: int
    auroc: float
    promised: float
    before: tuple[float, float]
    after: np.ndarray
    held: float

    @property
    def refused(self) -> float:
        """The share of draws that were refused."""
        return float(np.isnan(self.after[:, 0]).mean())

    @property
    def false_alarms(self) -> np.ndarray:
        """The share of false alarms of every draw that was not refused."""
        return self.after[~np.isnan(self.after[:, 0]), 0]

    @property
    def recall(self) -> np.ndarray:
        """The recall of every draw that was not refused."""
        return self.after[~np.isnan(self.after[:, 0]), 1]


def measure_adaptations(cells: Cells, setup: Setup, draws: int = DRAWS) -> list[Adapted]:
    """All numbers of photos and of defects, under all shifts, of the plain models and of those built for drift."""
    found = []
    for bench, spec in setup.cells():
        for model in models(spec):
            cell = drift_cell(cells, bench, model, [shift.test for shift in TESTED])
            for shift in TESTED:
                found += _under(cell, bench.opened.data.class_name, model, shift, draws)
    return found


def good_of(cell: Cell, class_name: str, spec: ThresholdSpec) -> tuple[GoodScores, float]:
    """What a model of this cell keeps of Val, and its threshold."""
    sets = {name: cell.scores(class_name, name) for name in spec.sets}
    given = {name: (one.scores, one.labels) for name, one in sets.items()}
    return good_scores(given, spec), threshold_of(given.values(), spec)


def adapted_rest(
    cell: Cell, class_name: str, spec: ThresholdSpec, test: str, photos: int, defects: int, seed: int = 0
) -> tuple[np.ndarray, Sample]:
    """The places of the images of a set that are left, once so many photos are drawn of it with so many defects, and
    their scores at the threshold that went with the photos.

    At most half of the good images and of the defects are drawn. A threshold whose photos are refused stays.
    """
    scored = cell.scores(class_name, test)
    good, threshold = good_of(cell, class_name, spec)
    kinds = np.bincount(scored.labels, minlength=2) // 2
    some = min(defects, int(kinds[1]))
    count = min(photos - defects, int(kinds[0])) + some
    chosen = _drawn(scored.labels, count, some, np.random.default_rng(class_seed(class_name, seed)))
    rest = np.setdiff1d(np.arange(len(scored.labels)), chosen)
    with contextlib.suppress(UserError):
        threshold = moved_threshold(good, threshold, scored.scores[chosen]).after
    return rest, Sample(scored.scores[rest], scored.labels[rest], threshold)


def _under(cell: Cell, class_name: str, model: DriftModel, shift: UnseenShift, draws: int) -> list[Adapted]:
    """One model under one shift. Numbers of photos that leave no image of either kind are left out."""
    spec = ThresholdSpec("both" if len(model.threshold_from) > 1 else model.threshold_from[0], BY_QUANTILE, PASS)
    good, threshold = good_of(cell, class_name, spec)
    scored = cell.scores(class_name, shift.test)
    count = np.bincount(scored.labels, minlength=2)
    whole = image_metrics(scored.scores, scored.labels, threshold)
    found, promised = [], promised_alarms(good).value
    for photos in PHOTOS:
        for defects in DEFECTS:
            if defects > MOST_DEFECTS * photos or photos - defects >= count[0] or defects >= count[1]:
                continue
            seed = class_seed(f"{class_name} {model.name} {shift.test} {photos} {defects}", 0)
            test = scored.scores, scored.labels
            after, held = draw_adaptations(good, threshold, test, (photos, defects), draws, seed)
            before = (whole["false_alarm_rate"], whole["recall"])
            told = class_name, model.spec.method, model.name, shift, photos, defects
            found.append(Adapted(*told, whole["image_auroc"], promised, before, after, held))
    return found


def draw_adaptations(
    good: GoodScores,
    threshold: float,
    test: tuple[np.ndarray, np.ndarray],
    drawn: tuple[int, int],
    draws: int,
    seed: int,
) -> tuple[np.ndarray, float]:
    """False alarms and recall, float64 (draws, 2), on the images that are left of a set after each draw, and how often
    the interval of the threshold held the one that all of the set's good images give.

    ``test`` are the scores and labels of the set, ``drawn`` how many photos are drawn and how many of them are defects.
    A draw whose photos are refused is NaN.
    """
    (scores, labels), rng = test, np.random.default_rng(seed)
    ideal = landing(good, scores[labels == 0])
    after, held = np.full((draws, 2), np.nan), []
    for row in after:
        chosen = _drawn(labels, *drawn, rng)
        left = np.ones(len(labels), dtype=bool)
        left[chosen] = False
        try:
            moved = moved_threshold(good, threshold, scores[chosen])
        except UserError:
            continue
        alarms = scores >= moved.after
        row[:] = alarms[left & (labels == 0)].mean(), alarms[left & (labels == 1)].mean()
        held.append(moved.low <= ideal <= moved.high)
    return after, float(np.mean(held)) if held else float("nan")


def _drawn(labels: np.ndarray, photos: int, defects: int, rng: np.random.Generator) -> np.ndarray:
    """The places of photos, so many of them defects, as drawn without replacement."""
    counts = (photos - defects, defects)
    return np.concatenate(
        [rng.choice(np.flatnonzero(labels == kind), some, replace=False) for kind, some in enumerate(counts)]
    )
