"""A study: one run a trial below one parent run, until there are as many finished trials as asked for."""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import torch
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

from adtrack.config import BankSpec, digest
from adtrack.errors import UserError
from adtrack.evaluation.workbench import Workbench
from adtrack.features.weights import keep_trunk
from adtrack.tracking.runs import RunTags, keep_file, log_bank, log_metrics, set_tags, tracked_run
from adtrack.tracking.store import Worker, end_left_behind
from adtrack.tracking.trials import TrialRecord, adopt_trials, study_trials
from adtrack.tuning.space import Space, WithoutRepeats, free_cells
from adtrack.tuning.spec import StudySpec
from adtrack.tuning.storage import open_study, put_in_order
from adtrack.tuning.tables import ranked

OUT_OF_MEMORY = (MemoryError, torch.OutOfMemoryError)


def study_digests(bench: Workbench, bank: BankSpec, spec: StudySpec) -> dict[str, str]:
    """What a study may not change between two calls; the number of trials it may."""
    asked = {key: value for key, value in asdict(spec).items() if key != "trials"}
    fixed = {key: value for key, value in asdict(bank).items() if key not in spec.space.__dict__}
    view = {"image": asdict(bench.image), "trunk": bench.trunk.sha256}
    return {"data_digest": bench.digest, "spec_digest": digest({"study": asked, "bank": fixed, **view})}


def default_name(class_name: str, digests: dict[str, str]) -> str:
    """``zipper-1a2b3c4d-5e6f7a8b``: the class, its data, and what is asked."""
    return "-".join([class_name, *(text[:8] for text in digests.values())])


@dataclass
class Trials:
    """The trials of a study at work: what each of them needs."""

    bench: Workbench
    bank: BankSpec
    spec: StudySpec
    name: str
    study: Study
    worker: Worker
    say: Callable[[str], None]
    parent: str = ""

    @property
    def tags(self) -> RunTags:
        """What the parent and every child are found by."""
        return RunTags(self.bench.data.class_name, self.bank.method, self.name, self.bench.digest)

    def count(self, *states: TrialState) -> int:
        """How many trials are in one of these states."""
        return len(self.study.get_trials(deepcopy=False, states=states))

    def open_parent(self, run_id: str) -> None:
        """Take over what an earlier call of the study left, and keep the trunk where trials' models look for it."""
        self.parent = run_id
        end_left_behind(self.name)
        adopt_trials(self.name, run_id)
        put_in_order(self.study, self._recover)
        keep_file(run_id, keep_trunk(self.bench.trunk), "trunk")

    def run(self) -> None:
        """Run trials until ``spec.trials`` are finished or every cell of the space has been tried."""
        done = self.count(TrialState.COMPLETE)
        if done:
            self.say(f"Study {self.name} goes on: {done} of {self.spec.trials} trials are finished.")
        durations: list[float] = []
        while self.count(TrialState.COMPLETE, TrialState.RUNNING) < self.spec.trials:
            if not free_cells(self.study, self.spec.space) and not self.count(TrialState.WAITING):
                self.say(f"Every one of the space's {len(self.spec.space.cells())} cells has been tried.")
                break
            started = time.perf_counter()
            self.study.optimize(self._objective, n_trials=1, catch=OUT_OF_MEMORY)
            durations.append(time.perf_counter() - started)
            self._report(durations)

    def _objective(self, trial: Trial) -> tuple[float, ...]:
        trial.set_user_attr("worker", self.worker.name)
        cell = self.spec.space.suggest(trial)
        bank = Space.spec(cell, self.bank)
        extra = {"adtrack.role": "trial", "adtrack.trial": str(trial.number)}
        name = f"{trial.number}: {bank.layers_text} p{bank.patch_size} {bank.coreset_fraction:g}"
        try:
            with tracked_run(self.worker, self.tags, name=name, nested=True, extra=extra) as run_id:
                trial.set_user_attr("run_id", run_id)
                return self._work(trial, bank)
        except Exception as error:
            trial.set_user_attr("error", f"{type(error).__name__}: {error}"[:500])
            raise

    def _work(self, trial: Trial, bank: BankSpec) -> tuple[float, ...]:
        built = self.bench.build(bank)
        built.scorer.facts["trunk_run"] = self.parent
        uri = log_bank(self.bench, built, with_trunk=False)
        metrics = {f"{found.name}/{key}": value for found in built.evaluations for key, value in found.metrics.items()}
        over = built.costs["bank_mb"] - self.spec.max_bank_mb if self.spec.max_bank_mb else 0.0
        if self.spec.max_bank_mb:
            trial.set_constraint("bank_mb", over)
        set_tags({"adtrack.model": uri, "adtrack.feasible": str(over <= 0).lower()})
        log_metrics({"objective": self.spec.objective_value(metrics)})
        return self.spec.values(metrics)

    def _recover(self, trial: FrozenTrial) -> Sequence[float] | None:
        finished = {record.number: record for record in study_trials(self.name)}
        record = finished.get(trial.number)
        return self.spec.values(record.metrics) if record else None

    def _report(self, durations: Sequence[float]) -> None:
        last = self.study.get_trials(deepcopy=False)[-1]
        done = self.count(TrialState.COMPLETE)
        if last.state == TrialState.FAIL:
            self.say(f"Trial {last.number} failed: {last.user_attrs.get('error', 'interrupted')}")
            return
        cell = last.params
        best = max(trial_value(trial) for trial in self.study.get_trials(False, (TrialState.COMPLETE,)))
        left = max(0, self.spec.trials - done) * statistics.fmean(durations)
        self.say(
            f"Trial {done}/{self.spec.trials}  {trial_value(last):.4f}  (best {best:.4f})  {cell['layers']}, "
            f"patch {cell['patch_size']}, fraction {cell['coreset_fraction']:g}  {durations[-1]:.1f} s"
            + (f", about {duration(left)} left" if left else "")
        )


def trial_value(trial: FrozenTrial) -> float:
    """The one number of a trial: its value, or the mean of a Pareto trial's two."""
    return statistics.fmean(trial.values)


def duration(seconds: float) -> str:
    """``45 s``, ``3 min``, ``2.5 h``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def check_metric(bench: Workbench, spec: StudySpec) -> None:
    """Refuse a pixel metric where the data set has no masks."""
    if spec.metric.startswith("pixel_") and not bench.splits.has_masks:
        raise UserError(
            f"metric {spec.metric} needs masks, but class {bench.data.class_name} has no ground_truth folder.",
            "image_auroc needs none.",
        )


def prepare(
    bench: Workbench,
    bank: BankSpec,
    spec: StudySpec,
    name: str | None,
    storage: str,
    worker: Worker,
    say: Callable[[str], None],
) -> Trials:
    """Open or make the study in Optuna's ``storage``."""
    check_metric(bench, spec)
    digests = study_digests(bench, bank, spec)
    name = name or default_name(bench.data.class_name, digests)
    study = open_study(storage, name, WithoutRepeats(spec.space, spec.sampler, spec.seed), spec.directions, digests)
    return Trials(bench, bank, spec, name, study, worker, say)


def best_of(name: str) -> TrialRecord:
    """The best finished trial of a study. UserError if none has finished."""
    trials = ranked(study_trials(name))
    if not trials:
        raise UserError(
            f"study {name} must have a finished trial in this tracking store, but has none.",
            "a failed trial's run holds error.txt; a study that began in another store needs a new --storage here.",
        )
    return trials[0]
