"""MLflow's system metrics: only for who asks for them, and never without the package that they need."""

import sys
from types import ModuleType

import pytest
from mlflow import MlflowClient

from adtrack.errors import UserError
from adtrack.tracking import system_metrics
from adtrack.tracking.runs import reopened_run, tracked_run
from adtrack.tracking.tags import RunTags
from adtrack.tracking.workers import working

TAGS = RunTags("part", "patchcore", "none", "0123")


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> list[tuple[object, ...]]:
    """What the monitor was told, with a package psutil that is always there."""
    told: list[tuple[object, ...]] = []

    class Monitor:
        def __init__(self, run_id: str, resume_logging: bool) -> None:
            self.run_id = run_id
            told.append(("made", run_id, resume_logging))

        def start(self) -> None:
            told.append(("started", self.run_id))

        def finish(self) -> None:
            told.append(("finished", self.run_id))

    module = ModuleType("mlflow.system_metrics.system_metrics_monitor")
    module.SystemMetricsMonitor = Monitor
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(system_metrics.importlib.util, "find_spec", lambda name: object())
    return told


def test_nobody_who_has_not_asked_gets_them(opened_store, heard):
    with working() as worker, tracked_run(worker, TAGS):
        pass
    assert heard == []


def test_a_run_is_watched_until_it_ends(opened_store, heard, monkeypatch):
    monkeypatch.setenv("MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING", "true")
    with working() as worker:
        with pytest.raises(RuntimeError), tracked_run(worker, TAGS) as run:
            raise RuntimeError("the lamp went out")
        with reopened_run(run.run_id, worker):
            pass
    called = run.run_id
    once = [("started", called), ("finished", called)]
    assert heard == [("made", called, False), *once, ("made", called, True), *once]


def test_a_missing_package_is_a_sentence_and_leaves_no_run_open(opened_store, monkeypatch):
    monkeypatch.setenv("MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING", "true")
    monkeypatch.setattr(system_metrics.importlib.util, "find_spec", lambda name: None)
    said = pytest.raises(UserError, match=r"METRICS_LOGGING needs the package psutil.* pip install psutil")
    with working() as worker, said, tracked_run(worker, TAGS):
        raise AssertionError("the run must not begin")
    experiment = MlflowClient().get_experiment_by_name("adtrack").experiment_id
    assert [run.info.status for run in MlflowClient().search_runs([experiment])] == ["FAILED"]
