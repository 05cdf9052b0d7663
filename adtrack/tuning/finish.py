"""What follows a study's last trial: the best bank is tested, registered, and the tables and figures are drawn."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import mlflow
from mlflow import MlflowClient

from adtrack.tracking.models import load_model, log_scorer, register
from adtrack.tracking.runs import log_evaluations, log_metrics, set_tags
from adtrack.tracking.trials import TrialRecord, study_trials
from adtrack.tuning.plots import write_figures
from adtrack.tuning.study import Trials, best_of
from adtrack.tuning.tables import write_tables

TEST_SETS = ("test_clean", "test_shift")


@dataclass(frozen=True)
class Registered:
    """A version in the registry."""

    name: str
    version: int
    champion: bool


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
    registered = _registered(best) or _test_and_register(trials, best)
    best = best_of(trials.name)
    write_summary(trials, study_trials(trials.name), best)
    return StudyResult(
        trials.name,
        trials.parent,
        best,
        trials=len(study_trials(trials.name)),
        failed=sum("error" in trial.user_attrs for trial in trials.study.get_trials(deepcopy=False)),
        registered=registered,
        tables=mlflow.get_artifact_uri("tables"),
    )


def _registered(best: TrialRecord) -> Registered | None:
    tags = MlflowClient().get_run(best.run_id).data.tags
    name, _, version = tags.get("adtrack.registered", "").rpartition("/")
    if not name:
        return None
    aliases = MlflowClient().get_registered_model(name).aliases
    return Registered(name, int(version), aliases.get("champion") == version)


def _test_and_register(trials: Trials, best: TrialRecord) -> Registered:
    bench = trials.bench
    uri = MlflowClient().get_run(best.run_id).data.tags["adtrack.model"]
    scorer = load_model(uri, bench.device).scorer
    with mlflow.start_run(run_id=best.run_id, nested=True):
        evaluations = [bench.evaluate(bench.score(scorer.detector, name), scorer.calibration) for name in TEST_SETS]
        log_evaluations(bench, scorer, evaluations)
        whole = log_scorer(scorer, "registered_bank", with_trunk=True)
        name, version, champion = register(
            bench.data.class_name, whole, version_tags(best.study, bench.digest, best.run_id)
        )
        set_tags({"adtrack.registered": f"{name}/{version}"})
    return Registered(name, version, champion)


def version_tags(study: str, digest: str, run_id: str) -> dict[str, str]:
    """What a registered version says of where it came from."""
    return {"adtrack.study": study, "adtrack.split_digest": digest, "adtrack.run_id": run_id}


def write_summary(trials: Trials, records: list[TrialRecord], best: TrialRecord) -> None:
    """The study's tables and figures, and its best trial's numbers, on the parent run."""
    with tempfile.TemporaryDirectory() as scratch:
        write_tables(records, Path(scratch) / "tables")
        write_figures(records, Path(scratch) / "plots", objective_name=trials.spec.objective_name)
        mlflow.log_artifacts(scratch)
    log_metrics(best.metrics)
    set_tags({"adtrack.best_run": best.run_id, "adtrack.best_trial": str(best.number)})
