"""tune as a process of its own: killed, stopped, and started again."""

import contextlib
import functools
import os
import signal
import sqlite3
import subprocess
import sys
import time

import optuna
import pytest
from mlflow import MlflowClient
from optuna.trial import TrialState

from adtrack.tracking.store import open_store, search_runs
from adtrack.tracking.trials import study_trials
from tests.tuning.spaces import PLAIN

CELL = ("patch_size", "layers", "coreset_fraction")
VALUES = ("val_clean/image_auroc", "val_shift/image_auroc", "val_clean/threshold", "val_shift/pixel_auroc", "objective")


def start(*arguments: object) -> subprocess.Popen:
    command = [sys.executable, "-m", "adtrack", *map(str, arguments)]
    # A shell that runs the tests in the background has them ignore Ctrl-C, and what they start inherits that.
    heed = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=heed)


def look(file: str, query: str) -> int:
    """What a query counts in an SQLite file, 0 while there is none."""
    try:
        with contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
            return database.execute(query).fetchone()[0]
    except sqlite3.OperationalError:
        return 0


def wait_until_it_is_in_the_middle(process: subprocess.Popen) -> None:
    """Return when a trial is finished and another one has its cell and its run."""
    end = time.monotonic() + 120
    while time.monotonic() < end:
        finished = look("optuna.db", "SELECT count(*) FROM trials WHERE state = 'COMPLETE'")
        chosen = "SELECT count(*) FROM trial_params JOIN trials USING (trial_id) WHERE state = 'RUNNING'"
        running = look("mlflow.db", "SELECT count(*) FROM runs WHERE status = 'RUNNING'")
        if finished >= 1 and look("optuna.db", chosen) == len(CELL) + len(PLAIN) and running == 2:
            return
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    raise AssertionError("the study did not get to its second trial")


def outcome_of(study: str) -> list:
    return [
        [*(one.params[name] for name in CELL), *(one.metrics[name] for name in VALUES)] for one in study_trials(study)
    ]


def optuna_trials() -> list:
    return optuna.load_study(study_name=None, storage="sqlite:///optuna.db").trials


def statuses() -> list[str]:
    open_store()
    return sorted(run.info.status for run in search_runs(""))


def stopped_trial(before: list, after: list) -> tuple:
    """The interrupted trial and the one that took its place, all others being what they were."""
    assert after[: len(before) - 1] == before[:-1]
    assert [trial.state for trial in after].count(TrialState.COMPLETE) == 3
    return after[len(before) - 1], after[len(before)]


@pytest.mark.slow
def test_a_killed_study_goes_on_as_if_it_had_never_stopped(workplace, part, space, request):
    command = ("tune", *part, *space, "--trials", 3)
    process = start(*command)
    wait_until_it_is_in_the_middle(process)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    before = optuna_trials()
    finished = len(before) - 1
    assert 1 <= finished < 3 and before[-1].state == TrialState.RUNNING
    assert statuses() == ["FINISHED"] * finished + ["RUNNING"] * 2

    again = start(*command)
    out, err = again.communicate()
    assert again.returncode == 0, err
    assert f"goes on: {finished} of 3 trials are finished" in out and err == ""
    interrupted, retry = stopped_trial(before, optuna_trials())
    assert interrupted.state == TrialState.FAIL and retry.state == TrialState.COMPLETE
    assert retry.params == interrupted.params and retry.user_attrs["retry_of"] == interrupted.number
    assert statuses() == ["FINISHED"] * 4 + ["KILLED"]
    name = search_runs("")[0].data.tags["adtrack.study"]
    found = outcome_of(name)
    study = request.getfixturevalue("study")  # the same command, never stopped: from here on its store is open
    assert study.name == name and outcome_of(name) == found


@pytest.mark.slow
def test_a_study_that_is_killed_at_any_statement_ends_with_exactly_its_trials(
    workplace, adtrack, part, space, killed_at
):
    command = ("tune", *part, *space, "--trials", 3)
    for statement in (150, 600, 1000, 1700):  # before the first trial, in trials and between, at the end
        assert killed_at(statement, lambda: adtrack(*command))
    done = adtrack(*command)
    assert done.code == 0 and "Best of 3 trials" in done.out, done.err
    complete = [trial for trial in optuna_trials() if trial.state == TrialState.COMPLETE]
    assert len(complete) == len({tuple(trial.params.values()) for trial in complete}) == 3
    runs = search_runs("")
    (parent,) = (run for run in runs if run.data.tags["adtrack.role"] == "study")
    assert parent.info.status == "FINISHED" and "RUNNING" not in statuses()
    assert {record.number for record in study_trials(parent.data.tags["adtrack.study"])} == {
        trial.number for trial in complete
    }
    assert [str(found.version) for found in MlflowClient().search_model_versions("name = 'adtrack-part'")] == ["1"]


@pytest.mark.slow
def test_four_processes_without_a_store_do_exactly_the_trials_asked_for(workplace, adtrack, part, space, in_a_process):
    (workplace / "mlflow.db").unlink()
    command = ("tune", *part, *space, "--trials", 4)
    started = [in_a_process(lambda: adtrack(*command).code) for _ in range(4)]
    assert [os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) for process in started] == [0] * 4
    trials = optuna_trials()
    assert [trial.state for trial in trials] == [TrialState.COMPLETE] * 4
    assert len({tuple(trial.params.values()) for trial in trials}) == 4
    assert statuses() == ["FINISHED"] * 5
    assert [str(found.version) for found in MlflowClient().search_model_versions("name = 'adtrack-part'")] == ["1"]


@pytest.mark.slow
def test_ctrl_c_leaves_nothing_running_and_the_same_command_goes_on(workplace, adtrack, part, space):
    command = ("tune", *part, *space, "--trials", 3)
    process = start(*command)
    wait_until_it_is_in_the_middle(process)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate()
    assert process.returncode == 130
    assert err.strip() == "Stopped. What is finished is kept; the same command goes on from there."
    before = optuna_trials()
    (parent,) = (run for run in search_runs("") if run.data.tags["adtrack.role"] == "study")
    assert parent.data.tags["mlflow.note.content"].startswith(f"**{len(before) - 1} of 3 trials are done, about")
    assert before[-1].state == TrialState.FAIL
    assert statuses() == ["FINISHED"] * (len(before) - 1) + ["KILLED"] * 2
    assert adtrack(*command).code == 0
    interrupted, retry = stopped_trial(before, optuna_trials())
    assert retry.params == interrupted.params and statuses() == ["FINISHED"] * 4 + ["KILLED"]


def test_a_worker_that_has_ended_removes_its_lock(study):
    assert not list(study.cache.glob("workers/*"))
