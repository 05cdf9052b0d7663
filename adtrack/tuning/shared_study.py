"""A study that this process works on, alone or together with others."""

import contextlib
import dataclasses
from collections import Counter
from dataclasses import dataclass
from functools import cached_property

from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

from adtrack.config import BuildSpec, DetectorSpec
from adtrack.evaluation.evaluate import PIXEL_METRICS
from adtrack.evaluation.workbench import Workbench
from adtrack.tracking.locks import one_at_a_time
from adtrack.tracking.tags import RunTags
from adtrack.tracking.trials import study_trials
from adtrack.tracking.workers import Worker, end_left_behind
from adtrack.tuning.ladder import rungs
from adtrack.tuning.one_trial import TrialJob
from adtrack.tuning.spec import StudySpec
from adtrack.tuning.storage import RecoveredTrial

FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)


@dataclass(frozen=True)
class SharedStudy:
    """What is asked, where Optuna keeps the trials, and with what this process works on them.

    ``spec`` describes the detector of which the study's space varies some settings. ``url`` is that of Optuna's
    storage.
    """

    name: str
    spec: BuildSpec
    asked: StudySpec
    optuna: Study
    url: str
    bench: Workbench
    device: str
    worker: Worker

    @property
    def tags(self) -> RunTags:
        """What the study's run and every trial's run are found by."""
        return RunTags(self.spec.data.class_name, self.spec.detector.method, self.name, self.bench.opened.digest)

    @property
    def key(self) -> str:
        """What no other study has, not even one of the same name in another storage."""
        key: str = self.optuna.user_attrs["key"]
        return key

    def alone(self, what: str) -> contextlib.AbstractContextManager[None]:
        """Only one of the processes that work on this study is in the ``with`` block for ``what`` at a time."""
        return one_at_a_time(self.url, f"{self.name}/{what}")

    def count(self) -> Counter[TrialState]:
        """How many trials are in which state at one moment: a trial that ends could escape both of two looks."""
        return Counter(trial.state for trial in self.optuna.get_trials(deepcopy=False))

    @property
    def done(self) -> int:
        """How many trials are finished; those that were pruned are."""
        return sum(self.count()[state] for state in FINISHED)

    def is_running(self, trial: Trial) -> bool:
        """Whether the study still waits for this trial: others may have given it up."""
        return self.optuna.get_trials(deepcopy=False)[trial.number].state == TrialState.RUNNING

    @cached_property
    def inputs(self) -> tuple[str, ...]:
        """Every input that some cell of the space asks for."""
        return self.asked.space.all_inputs(self.spec.detector)

    def job(self, trial: Trial, parent: str) -> TrialJob:
        """What is to be done for a trial that has its cell; ``parent`` is the id of the study's run."""
        space, base = self.asked.space, self.spec.detector
        detector = space.spec(trial.params, base)
        return TrialJob(
            trial.number,
            dataclasses.replace(self.spec, detector=detector),
            self.ladder(detector),
            self.asked.all_pixels,
            self.inputs,
            space.told,
            self.asked.goal,
            self.asked.max_bank_mb,
            self.tags,
            parent,
            self.device,
        )

    def ladder(self, spec: DetectorSpec) -> tuple[DetectorSpec, ...]:
        """What a trial of this specification climbs. Metrics of pixels need all maps, so they have no ladder."""
        return (spec,) if self.asked.metric in PIXEL_METRICS else rungs(spec, self.asked.space.ladder)

    def recover(self, trial: FrozenTrial) -> RecoveredTrial | None:
        """What a trial has found that had finished its work before its process died, read from its run; else None."""
        end_left_behind(self.name)
        finished = {record.number: record for record in study_trials(self.name)}
        record = finished.get(trial.number)
        return RecoveredTrial(self.asked.goal.values(record.metrics), bool(record.aim)) if record else None
