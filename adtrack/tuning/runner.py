"""The trials of a study at work: one process, or several that share them."""

import contextlib
import functools
import math
import statistics
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from optuna.exceptions import UpdateFinishedTrialError
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

from adtrack.config import DetectorSpec
from adtrack.evaluation.building import build
from adtrack.evaluation.workbench import Workbench
from adtrack.features.weights import keep_trunk
from adtrack.progress import duration
from adtrack.tracking.locks import one_at_a_time
from adtrack.tracking.log_evaluation import log_built
from adtrack.tracking.run import Run
from adtrack.tracking.run_contents import run_tags
from adtrack.tracking.runs import tracked_run
from adtrack.tracking.tags import FEASIBLE, MODEL, ROLE, TRIAL, WRITTEN_UP, RunTags
from adtrack.tracking.trials import adopt_trials, study_trials
from adtrack.tracking.workers import Worker, end_left_behind, hold_run
from adtrack.troubles import trouble
from adtrack.tuning.sampling import free_cells
from adtrack.tuning.spec import StudySpec
from adtrack.tuning.standing import show_standing
from adtrack.tuning.storage import put_in_order

_PAUSE = 2  # seconds between two looks at what other processes are doing


class UndefinedObjectiveError(Exception):
    """A trial whose objective is NaN: it would be so again, so its cell has failed and is not tried once more."""


# A trial that ends so has failed by itself: it holds its error, the study goes on, and its cell is not tried again.
FAILED_BY_ITSELF = (MemoryError, torch.OutOfMemoryError, UndefinedObjectiveError)


class GivenUpError(Exception):
    """A trial was silent for so long (its machine slept?) that another process gave it up and queued it again."""


@dataclass
class Trials:
    """The trials of a study at work: what each of them needs."""

    bench: Workbench
    base: DetectorSpec
    spec: StudySpec
    name: str
    study: Study
    storage: str
    worker: Worker
    say: Callable[[str], None]
    parent: Run = field(init=False)  # set once it is open
    written_up: str = ""  # what the parent's tag of that name said when this process began
    given_up: bool = False  # by other processes: the trial that this one began last

    @property
    def tags(self) -> RunTags:
        """What the parent and every child are found by."""
        return RunTags(self.bench.opened.data.class_name, self.base.method, self.name, self.bench.opened.digest)

    @property
    def key(self) -> str:
        """What no other study has, not even one of the same name in another storage."""
        return self.study.user_attrs["key"]

    def count(self) -> Counter[TrialState]:
        """How many trials are in which state at this moment: of two looks, one trial that ends could escape both."""
        return Counter(trial.state for trial in self.study.get_trials(deepcopy=False))

    def alone(self, what: str) -> contextlib.AbstractContextManager[None]:
        """Only one of the processes that work on this study is in the ``with`` block for ``what`` at a time."""
        return one_at_a_time(self.storage, f"{self.name}/{what}")

    def open_parent(self, run: Run) -> None:
        """Take over what an earlier call of the study left, and keep the trunk where trials' models look for it."""
        self.parent, self.written_up = run, run_tags(run.run_id).get(WRITTEN_UP, "")
        end_left_behind(self.name)
        adopt_trials(self.name, run.run_id)
        run.keep_file(keep_trunk(self.bench.backbone.trunk), "trunk")

    def run(self) -> None:
        """Run trials until ``spec.trials`` are finished or every cell of the space has been tried.

        Processes that share the study take turns to choose a cell, so that none is tried twice and there is no trial
        too many. One that finds nothing left waits for the others: if they die, their trials are its own to repeat.
        """
        with self.alone("trial"):
            put_in_order(self.study, self._recover)
        done = self.count()[TrialState.COMPLETE]
        if done:
            self.say(f"Study {self.name} goes on: {done} of {self.spec.trials} trials are finished.")
        if done < self.spec.trials:
            self._show()
        durations: list[float] = []
        waiting = False
        while (turn := self._take_turn(durations)) != "over":
            if turn == "wait" and not waiting:
                self.say("No trial is left to begin; other processes are still at work on theirs.")
            waiting = turn == "wait"
            time.sleep(_PAUSE if waiting else 0)
        if self.count()[TrialState.COMPLETE] < self.spec.trials:
            self.say(f"Every one of the space's {len(self.spec.space.cells())} cells has been tried.")

    def _take_turn(self, durations: list[float]) -> str:
        """Run a trial if there is one to begin ("ran"); else "wait" for those of other processes, or "over"."""
        with contextlib.ExitStack() as turn:
            turn.enter_context(self.alone("trial"))
            put_in_order(self.study, self._recover)
            trials = self.count()
            done, running = trials[TrialState.COMPLETE], trials[TrialState.RUNNING]
            free = trials[TrialState.WAITING] > 0 or bool(free_cells(self.study, self.spec.space))
            if done >= self.spec.trials or not (free or running):
                return "over"
            if not free or done + running >= self.spec.trials:
                return "wait"
            self._run_one(turn, durations)
        return "ran"

    def _run_one(self, turn: contextlib.ExitStack, durations: list[float]) -> None:
        """One trial; ``turn`` ends as soon as the trial has its cell."""
        self.given_up = False
        started = time.perf_counter()
        try:
            self.study.optimize(functools.partial(self._objective, turn), n_trials=1, catch=FAILED_BY_ITSELF)
        except ValueError:  # Optuna's answer to values for a trial that has been given up
            if not self.given_up:
                raise
            self.say(f"Trial {self._latest().number} was silent for so long that it was given up and queued again.")
            return
        durations.append(time.perf_counter() - started)
        self._report(durations)

    def _latest(self) -> FrozenTrial:
        """The trial that this process began last."""
        trials = self.study.get_trials(deepcopy=False)
        return next(trial for trial in reversed(trials) if trial.user_attrs.get("worker") == self.worker.name)

    def _objective(self, turn: contextlib.ExitStack, trial: Trial) -> tuple[float, ...]:
        trial.set_user_attr("worker", self.worker.name)
        cell = self.spec.space.suggest(trial)
        turn.close()
        hold_run(self.parent.run_id, self.worker)
        bank = self.spec.space.spec(cell, self.base)
        extra = {ROLE: "trial", TRIAL: str(trial.number)}
        name = f"{trial.number}: {bank.title}"
        try:
            with tracked_run(self.worker, self.tags, name=name, parent=self.parent, extra=extra) as run:
                trial.set_user_attr("run_id", run.run_id)
                values = self._work(run, trial, bank)
                self.given_up = self._latest().state != TrialState.RUNNING
                if self.given_up:
                    raise GivenUpError
                return values
        except Exception as error:
            if trouble(error):  # it did not fail by itself: as interrupted, it is queued again
                raise
            with contextlib.suppress(UpdateFinishedTrialError):  # it has been given up
                trial.set_user_attr("error", f"{type(error).__name__}: {error}"[:500])
            raise

    def _work(self, run: Run, trial: Trial, bank: DetectorSpec) -> tuple[float, ...]:
        built = build(self.bench, bank, facts={"trunk_run": self.parent.run_id})
        uri = log_built(run, self.bench, built, with_trunk=False)
        metrics = {f"{found.name}/{key}": value for found in built.evaluations for key, value in found.metrics.items()}
        over = built.costs["bank_mb"] - self.spec.max_bank_mb if self.spec.max_bank_mb else 0.0
        if self.spec.max_bank_mb:
            trial.set_constraint("bank_mb", over)
        run.set_tags({MODEL: uri, FEASIBLE: str(over <= 0).lower()})
        values = self.spec.goal.values(metrics)
        if any(map(math.isnan, values)):
            raise UndefinedObjectiveError(f"the {self.spec.goal.words} is undefined (NaN)")
        run.log_metrics({"objective": self.spec.goal.value(metrics)})
        return values

    def _recover(self, trial: FrozenTrial) -> Sequence[float] | None:
        end_left_behind(self.name)
        finished = {record.number: record for record in study_trials(self.name)}
        record = finished.get(trial.number)
        return self.spec.goal.values(record.metrics) if record else None

    def _report(self, durations: Sequence[float]) -> None:
        last, trials = self._latest(), self.count()
        if last.state == TrialState.FAIL:
            self.say(f"Trial {last.number} failed: {last.user_attrs.get('error', 'interrupted')}")
            return
        cell = last.params
        best = max(trial_value(trial) for trial in self.study.get_trials(False, (TrialState.COMPLETE,)))
        done, at_work = trials[TrialState.COMPLETE], 1 + trials[TrialState.RUNNING]
        left = max(0, self.spec.trials - done) * statistics.fmean(durations) / at_work
        self.say(
            f"Trial {last.number:<3} {trial_value(last):.4f}  (best {best:.4f})  {cell['layers']}, "
            f"patch {cell['patch_size']}, fraction {cell['coreset_fraction']:g}  {durations[-1]:.1f} s; "
            f"{done} of {self.spec.trials} done" + (f", about {duration(left)} left" if left else "")
        )
        self._show(left)

    def _show(self, left: float = 0) -> None:
        """Say on the study's page in MLflow how it stands."""
        show_standing(self.parent, self.spec.trials, self.spec.goal.words, study_trials(self.name), left)


def trial_value(trial: FrozenTrial) -> float:
    """The one number of a trial: its value, or the mean of a Pareto trial's two."""
    return statistics.fmean(trial.values)
