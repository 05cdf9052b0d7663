"""Several workers and several classes in one command."""

import contextlib
import csv
import functools
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import optuna
import pytest

from adtrack.config import BuildSpec, DataSpec
from adtrack.detectors.patchcore_spec import PatchCoreSpec
from adtrack.errors import UserError
from adtrack.scale.team import Team
from adtrack.scale.workers import Workers
from adtrack.tracking.run_health import look_at_runs, look_at_tags
from adtrack.tracking.store import open_store, search_runs
from adtrack.tracking.tags import ROLE
from adtrack.tuning.space import Space
from adtrack.tuning.spec import StudySpec
from adtrack.verbs.tune.question import Question, check_shared
from tests.clusters import cluster_of


def statuses(*roles: str) -> list[str]:
    return sorted(run.info.status for run in search_runs("") if run.data.tags[ROLE] in roles)


def all_trials() -> list:
    names = optuna.get_all_study_names("sqlite:///optuna.db")
    return [
        trial for name in names for trial in optuna.load_study(study_name=name, storage="sqlite:///optuna.db").trials
    ]


def states() -> list[str]:
    return sorted(trial.state.name for trial in all_trials())


def children_of(process: int) -> list[int]:
    """The ids of the processes that another one has started."""
    return [int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def workers_of(process: subprocess.Popen) -> list[int]:
    """The ids of the workers of a command: forks of the process that has loaded their libraries."""
    loaded = [
        child for child in children_of(process.pid) if b"forkserver" in Path(f"/proc/{child}/cmdline").read_bytes()
    ]
    return [worker for child in loaded for worker in children_of(child)]


def start(*arguments: object) -> subprocess.Popen:
    command = [sys.executable, "-m", "adtrack", "tune", *map(str, arguments)]
    heed = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=heed)


AT_WORK = (
    "SELECT count(*) FROM runs JOIN tags USING (run_uuid) WHERE status = 'RUNNING' AND key = ? AND value = 'trial'"
)


def at_work() -> int:
    """How many trials have a run that is being worked on."""
    with contextlib.closing(sqlite3.connect("file:mlflow.db?mode=ro", uri=True, timeout=30)) as database:
        count: int = database.execute(AT_WORK, (ROLE,)).fetchone()[0]
        return count


def wait_for_two(process: subprocess.Popen) -> None:
    """Return when two trials are being worked on, one by each worker."""
    while at_work() < 2:
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)


@pytest.fixture(scope="module")
def alone(tmp_path_factory, blank_store, adtrack, each_cell, found):
    """What one process finds of two classes: what the command said, its studies' values, and its folder."""
    folder, cache = tmp_path_factory.mktemp("alone"), tmp_path_factory.mktemp("alone-cache")
    shutil.copy(blank_store, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("ADTRACK_CACHE", str(cache))
        outcome = adtrack("tune", "--class", "nut,torn,part", *each_cell, "--trials", 2)
        return outcome, found(), statuses("studies"), look_at_tags(), look_at_runs()


def test_a_class_that_fails_is_named_and_the_others_are_finished(alone):
    outcome, values, ended, tags, runs = alone
    assert outcome.code == 1, outcome.err
    assert re.search(r"Not finished: torn: image must be PNG.* torn/train/good/003.png is none", outcome.out)
    assert set(values) == {"nut", "part"} and all(len(cells) == 2 for cells in values.values())
    assert ended == ["FINISHED"] and not tags.findings and not runs.findings


def test_the_overview_has_every_class_their_means_and_links_to_the_reports(alone):
    outcome, *_ = alone
    page = Path(re.search(r"Overview: (.*)", outcome.out)[1])
    rows = list(csv.DictReader(page.with_suffix(".csv").open()))
    assert [row["class"] for row in rows] == ["nut", "part", "macro mean"]
    for metric in ("test_clean/image_auroc", "test_shift/image_auroc"):
        nut, part, mean = (float(row[metric]) for row in rows)
        assert mean == pytest.approx((nut + part) / 2)
        assert float(rows[2][f"{metric}_low"]) <= mean <= float(rows[2][f"{metric}_high"])
    text = page.read_text()
    links = re.findall(r'<li><a href="([^"]*)">', text)
    assert [(page.parent / link).resolve().name for link in links] == ["report.html"] * 2
    assert all((page.parent / link).is_file() for link in links)
    assert "torn/train/good/003.png" in text
    assert "macro mean" in outcome.out and "adtrack-nut version 1, champion" in outcome.out


@pytest.mark.slow
def test_two_workers_of_which_one_is_killed_find_what_one_process_finds(workplace, each_cell, alone, found):
    process = start("--class", "nut,part", *each_cell, "--trials", 2, "--workers", 2)
    wait_for_two(process)
    os.kill(workers_of(process)[0], signal.SIGKILL)
    out, err = process.communicate()
    assert process.returncode == 0, err
    assert "Worker 1 was ended by signal 9, and is started again." in out
    open_store()
    assert found() == alone[1]
    assert states() == ["COMPLETE"] * 4 + ["FAIL"]
    assert statuses("study", "studies") == ["FINISHED"] * 3
    assert statuses("trial") == ["FINISHED"] * 4 + ["KILLED"]


@pytest.mark.slow
def test_a_cluster_of_two_nodes_that_loses_one_finds_what_one_process_finds(
    workplace, adtrack, each_cell, alone, found
):
    with cluster_of(1, 1) as (cluster, (lost,)):

        def lose() -> None:
            while at_work() < 2:
                time.sleep(0.02)
            cluster.remove_node(lost, allow_graceful=False)

        losing = threading.Thread(target=lose, daemon=True)
        losing.start()
        outcome = adtrack("tune", "--class", "nut,part", *each_cell, "--trials", 2, "--workers", "ray")
        losing.join(10)
    assert outcome.code == 0, outcome.err
    assert "4 trials are shared out among 2 workers: the Ray cluster on this machine with 2 cores." in outcome.out
    assert found() == alone[1]
    assert states() == ["COMPLETE"] * 4 + ["FAIL"]
    assert statuses("study", "studies") == ["FINISHED"] * 3
    assert statuses("trial") == ["FINISHED"] * 4 + ["KILLED"]


@pytest.mark.slow
def test_ctrl_c_ends_all_workers_and_leaves_nothing_running(workplace, each_cell):
    process = start("--class", "nut,part", *each_cell, "--trials", 2, "--workers", 2)
    wait_for_two(process)
    workers = workers_of(process)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate()
    assert process.returncode == 130
    assert err.strip().endswith("Stopped. What is finished is kept; the same command goes on from there.")
    assert "Traceback" not in err
    assert len(workers) == 2 and not [worker for worker in workers if Path(f"/proc/{worker}").exists()]
    open_store()
    assert statuses("studies") == ["KILLED"] and set(statuses("study", "trial")) <= {"KILLED", "FINISHED"}
    assert "RUNNING" not in states()


def asked(storage: str, data: str = "data") -> Question:
    space = Space.of(PatchCoreSpec, {"patch_size": "1", "layers": "layer2", "coreset_fraction": "0.1"})
    return Question(BuildSpec(DataSpec("part", data), PatchCoreSpec()), StudySpec(space), None, storage, "cpu")


POSTGRES = "postgresql://there/optuna"


@pytest.mark.parametrize(
    ("question", "server", "words"),
    [
        (asked("sqlite:////here/optuna.db"), "http://there:5000", "storage must be a database .* postgresql://…"),
        (asked(POSTGRES), "sqlite:////here/mlflow.db", "runs must go to an MLflow server.* MLFLOW_TRACKING_URI=http"),
        (asked(POSTGRES, "demo"), "http://there:5000", "data must be a folder that all machines share.* demo-data"),
    ],
)
def test_what_lies_on_one_machine_is_refused_where_workers_are_on_several(monkeypatch, question, server, words):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    check_shared(question, Team(Workers(4), 4, ("here",), ""))
    with pytest.raises(UserError, match=words):
        check_shared(question, Team(Workers(ray=True), 4, ("here", "there"), ""))


def test_what_all_machines_share_is_allowed(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://there")
    check_shared(asked(POSTGRES), Team(Workers(ray=True), 4, ("here", "there"), ""))
