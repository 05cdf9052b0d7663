"""What follows a study's last trial: the best bank is tested, registered, and the tables and figures are drawn."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

from adtrack.tracking.models import Registered, load_model, log_scorer, register, registered_as
from adtrack.tracking.runs import (
    artifact_place,
    log_evaluations,
    log_folder,
    log_metrics,
    reopened_run,
    run_tags,
    set_tags,
)
from adtrack.tracking.trials import TrialRecord, study_trials
from adtrack.tuning.plots import write_figures
from adtrack.tuning.study import Trials, best_of
from adtrack.tuning.tables import write_tables

TEST_SETS = ("test_clean", "test_shift")


@dataclass(frozen=True)
class StudyResult:
    """A finished study: its best trial (with Test metrics), where it stands in the registry, and what failed."""

    name: str
    parent: str
    best: TrialRecord
    trials: int
    failed: int
    registered: Registered
    tables: str


def finish(trials: Trials) -> StudyResult:
    """Test the best trial, and only it, register it, and write tables and figures on the parent run.

    What an earlier call has done is left as it is, so an interrupted end can be repeated.
    """
    best = best_of(trials.name)
    registered = registered_as(run_tags(best.run_id)) or _test_and_register(trials, best)
    best = best_of(trials.name)
    write_summary(trials, study_trials(trials.name), best)
    return StudyResult(
        trials.name,
        trials.parent,
        best,
        trials=len(study_trials(trials.name)),
        failed=sum("error" in trial.user_attrs for trial in trials.study.get_trials(deepcopy=False)),
        registered=registered,
        tables=artifact_place("tables"),
    )


def _test_and_register(trials: Trials, best: TrialRecord) -> Registered:
    bench = trials.bench
    scorer = load_model(run_tags(best.run_id)["adtrack.model"], bench.device).scorer
    with reopened_run(best.run_id):
        evaluations = [bench.evaluate(bench.score(scorer.detector, name), scorer.calibration) for name in TEST_SETS]
        log_evaluations(bench, scorer, evaluations)
        whole = log_scorer(scorer, "registered_bank", with_trunk=True)
        origin = {"study": best.study, "split_digest": bench.digest, "run_id": best.run_id}
        registered = register(bench.data.class_name, whole, origin)
        set_tags({"adtrack.registered": registered.text})
    return registered


def write_summary(trials: Trials, records: list[TrialRecord], best: TrialRecord) -> None:
    """The study's tables and figures, and its best trial's numbers, on the parent run."""
    with tempfile.TemporaryDirectory() as scratch:
        write_tables(records, Path(scratch) / "tables")
        write_figures(records, Path(scratch) / "plots", objective_name=trials.spec.objective_name)
        log_folder(Path(scratch))
    log_metrics(best.metrics)
    set_tags({"adtrack.best_run": best.run_id, "adtrack.best_trial": str(best.number)})
