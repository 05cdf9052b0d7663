"""How long the rest of a study will take: trials differ by what they compute, so the time follows their effort."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from statistics import fmean

import numpy as np
from scipy.optimize import nnls

from adtrack.config import DetectorSpec
from adtrack.detectors import detector_class
from adtrack.evaluation.workbench import Workbench
from adtrack.features.feature_set import FeatureSet


@dataclass
class Pace:
    """The trials that this process has finished: the effort of each (see ``Detector.effort``) and its seconds.

    ``pruned`` counts those that ended before their own detector.
    """

    bench: Workbench
    efforts: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    pruned: int = 0

    def add(self, spec: DetectorSpec, seconds: float, pruned: bool) -> None:
        """Note a trial that ended with the detector of ``spec``."""
        self.efforts.append(self._effort(spec))
        self.seconds.append(seconds)
        self.pruned += pruned

    def expected(self, ladders: Sequence[Sequence[DetectorSpec]]) -> float:
        """The seconds that a trial is expected to take that climbs one of ``ladders``, each of which is as likely.

        As many trials end at their first detector as were pruned before.
        """
        share = self.pruned / len(self.seconds)
        first = self._predicted([self._effort(ladder[0]) for ladder in ladders])
        last = self._predicted([self._effort(ladder[-1]) for ladder in ladders])
        return share * first + (1 - share) * last

    @cached_property
    def _train(self) -> FeatureSet:
        return self.bench.features("train_clean")

    def _effort(self, spec: DetectorSpec) -> float:
        return detector_class(spec.method).effort(self._train, spec)

    def _predicted(self, efforts: Sequence[float]) -> float:
        """The mean of the seconds for these efforts: a time that each trial takes, and one in proportion to its
        effort, neither of them negative (least squares)."""
        if len(set(self.efforts)) < 2:
            return fmean(self.seconds)
        scale = max(self.efforts)
        known = np.column_stack([np.ones(len(self.efforts)), np.array(self.efforts) / scale])
        each, per_effort = nnls(known, np.array(self.seconds))[0]
        return float(each + per_effort * fmean(efforts) / scale)
