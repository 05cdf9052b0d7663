"""The ladder of a trial: the smaller detectors that it passes by on its way to its own, and what each is worth."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from adtrack.config import DetectorSpec
from adtrack.detectors import detector_class
from adtrack.evaluation.calibrating import find_threshold
from adtrack.evaluation.evaluate import ScoredSet
from adtrack.evaluation.metrics import image_metrics
from adtrack.settings import Setting, setting_of
from adtrack.threshold_spec import ThresholdSpec
from adtrack.tuning.spec import Objective

LADDER = "ladder/objective"  # the metric of a trial's run whose steps are the rows of each rung's detector
Spec = TypeVar("Spec", bound=DetectorSpec)


def ladder_setting(spec: DetectorSpec) -> Setting:
    """The setting whose smaller values a trial passes by, of a method that has one."""
    return setting_of(type(spec), detector_class(spec.method).ladder, f"ladder of {spec.method}")


def place_on_ladder(spec: DetectorSpec) -> str:
    """Where a detector stands on its ladder, as people write it: ``0.01``."""
    one = ladder_setting(spec)
    return one.text(getattr(spec, one.name))


def rungs(spec: Spec, values: Sequence[object]) -> tuple[Spec, ...]:
    """The specifications that a trial climbs, the last of which is ``spec``; ``values`` are those of the study's space
    for the ladder of its method. Without a ladder there is ``spec`` alone."""
    if not detector_class(spec.method).ladder or not values:
        return (spec,)
    one = ladder_setting(spec)
    top = getattr(spec, one.name)
    below = sorted({one.kind.value(value) for value in values if one.kind.value(value) < top})
    return (*(replace(spec, **{one.name: value}) for value in below), spec)


def image_values(scored: Mapping[str, ScoredSet], goal: Objective, spec: ThresholdSpec) -> tuple[float, ...]:
    """What the study maximises, by the images' scores alone, at the threshold that ``spec`` asks for."""
    threshold = find_threshold(scored, spec)
    found = {name: image_metrics(one.scores, one.images.labels, threshold) for name, one in scored.items()}
    return goal.values({f"{name}/{key}": value for name, metrics in found.items() for key, value in metrics.items()})


def paired(scored: Mapping[str, ScoredSet], goal: Objective) -> np.ndarray:
    """For every defective image of the sets that count, the share of the good images that score lower: float64 (n,).

    Equal scores count one half. The mean over a set's images is its image AUROC (Mann and Whitney's statistic), so two
    detectors can be compared image by image.
    """
    return np.concatenate([_placements(scored[name]) for name in goal.sets])


def _placements(scored: ScoredSet) -> np.ndarray:
    labels = scored.images.labels
    good, defective = np.sort(scored.scores[labels == 0]), scored.scores[labels == 1]
    lower, up_to = (np.searchsorted(good, defective, side=side) for side in ("left", "right"))
    shares: np.ndarray = (lower + up_to) / (2 * len(good))
    return shares
