"""The health of studies: trials that nobody works on are found, and settled only when that is asked for."""

import contextlib
import datetime
import socket
import sqlite3
from pathlib import Path

import optuna
import pytest
from mlflow import MlflowClient
from optuna.trial import TrialState, create_trial

from adtrack.findings import BROKEN, NOTE, OK
from adtrack.tracking.workers import Worker
from adtrack.tuning.health import look_at_studies

NOBODY = f"{socket.gethostname()}|/no/such/place/worker.lock"
pytestmark = pytest.mark.filterwarnings("ignore:Heartbeat of storage")  # "ask" stands for a process at work


@pytest.fixture
def url(own_study) -> str:
    """Optuna's database of a study of the test's own."""
    return f"sqlite:///{own_study.folder}/optuna.db"


def load(url: str, name: str) -> optuna.Study:
    return optuna.load_study(study_name=name, storage=url)


def begin(study: optuna.Study, worker: str) -> int:
    """A trial that its worker is at work on, in a cell of its own; its number."""
    trial = study.ask(study.trials[0].distributions)
    trial.set_user_attr("worker", worker)
    return trial.number


def states(url: str, name: str) -> list[str]:
    return [trial.state.name for trial in load(url, name).trials]


def test_where_no_database_is_none_is_made(opened_store: str, tmp_path: Path) -> None:
    check = look_at_studies(f"sqlite:///{tmp_path}/optuna.db")
    assert check.level == OK and check.detail.startswith("none yet") and not (tmp_path / "optuna.db").exists()


def test_studies_that_keep_their_trials_elsewhere_are_named_with_the_place(own_study, tmp_path: Path) -> None:
    (finding,) = look_at_studies(f"sqlite:///{tmp_path}/another.db").findings
    assert finding.level == NOTE and finding.what == "1 study keeps its trials in another database"
    place = MlflowClient().get_run(own_study.parent).data.tags["adtrack.storage"]
    assert place.endswith("/optuna.db") and finding.items == (f"study {own_study.name}: {place}",)
    MlflowClient().delete_tag(own_study.parent, "adtrack.storage")  # as studies of earlier versions have none
    assert look_at_studies(f"sqlite:///{tmp_path}/another.db").level == OK


def test_studies_in_order_are_counted_and_others_are_not(own_study, url: str) -> None:
    optuna.create_study(storage=url, study_name="somebody else's").ask()
    before = (own_study.folder / "optuna.db").read_bytes()
    check = look_at_studies(url)
    assert check.level == OK and check.detail == f"1 study in {url}"
    assert (own_study.folder / "optuna.db").read_bytes() == before


@pytest.mark.parametrize("spoil", ["garbage", "schema"])
def test_a_database_that_cannot_be_used_is_broken(own_study, url: str, spoil: str) -> None:
    file = own_study.folder / "optuna.db"
    if spoil == "garbage":
        file.write_bytes(b"no database at all" * 100)
    else:
        with contextlib.closing(sqlite3.connect(file)) as database:
            database.execute("UPDATE alembic_version SET version_num = 'v0.9.0.a'")
            database.commit()
    check = look_at_studies(url)
    assert check.level == BROKEN and "Optuna's database cannot be used" in check.findings[0].what


def test_trials_of_dead_workers_are_found_and_settled_by_the_mend_alone(own_study, url: str) -> None:
    worker, study = Worker(), load(url, own_study.name)
    begin(study, worker.name)
    dead = begin(study, NOBODY)
    check = look_at_studies(url)
    (finding,) = check.findings
    assert check.level == BROKEN and finding.items == (f"study {own_study.name}: trial {dead}",)
    assert check.detail.endswith("1 trial at work")
    assert states(url, own_study.name) == ["COMPLETE"] * 3 + ["RUNNING"] * 2
    assert finding.mend() == f"study {own_study.name}: 0 trials COMPLETE, 1 queued again"
    assert states(url, own_study.name) == ["COMPLETE"] * 3 + ["RUNNING", "FAIL", "WAITING"]
    assert look_at_studies(url).level == OK
    worker.close()


def test_a_trial_whose_run_had_its_objective_is_complete(own_study, url: str) -> None:
    study = load(url, own_study.name)
    number = begin(study, NOBODY)
    run = MlflowClient().get_run(own_study.children[0])
    client = MlflowClient()
    tags = {key: value for key, value in run.data.tags.items() if key.startswith("adtrack.")}
    copy = client.create_run(run.info.experiment_id, tags=tags | {"adtrack.trial": str(number)})
    for name, value in run.data.metrics.items():
        client.log_metric(copy.info.run_id, name, value)
    client.set_terminated(copy.info.run_id)
    (finding,) = look_at_studies(url).findings
    assert finding.mend() == f"study {own_study.name}: 1 trial COMPLETE, 0 queued again"
    found = load(url, own_study.name).trials
    assert found[number].state == TrialState.COMPLETE and found[number].value == found[0].value


def test_a_trial_without_a_worker_is_stale_after_a_moment(own_study, url: str) -> None:
    study = load(url, own_study.name)
    for seconds in (0, 60):
        trial = create_trial(state=TrialState.RUNNING)
        trial.datetime_start = datetime.datetime.now() - datetime.timedelta(seconds=seconds)
        study.add_trial(trial)
    (finding,) = look_at_studies(url).findings
    assert finding.items == (f"study {own_study.name}: trial 4",)


def test_a_trial_on_another_machine_is_stale_when_its_heart_has_stopped(own_study, url: str) -> None:
    study = load(url, own_study.name)
    silent, living = begin(study, "elsewhere|/w.lock"), begin(study, "elsewhere|/w.lock")
    with contextlib.closing(sqlite3.connect(own_study.folder / "optuna.db")) as database:
        for number, age in ((silent, "-1 hour"), (living, "-1 minute")):
            (trial_id,) = database.execute("SELECT trial_id FROM trials WHERE number = ?", (number,)).fetchone()
            beat = "INSERT INTO trial_heartbeats (trial_id, heartbeat) VALUES (?, datetime('now', ?))"
            database.execute(beat, (trial_id, age))
        database.commit()
    (finding,) = look_at_studies(url).findings
    assert finding.items == (f"study {own_study.name}: trial {silent}",)
    finding.mend()
    assert states(url, own_study.name)[3:] == ["FAIL", "RUNNING", "WAITING"]


def test_studies_of_another_tracking_store_are_left_to_it(own_study, url: str, opened_store: str) -> None:
    begin(load(url, own_study.name), NOBODY)
    check = look_at_studies(url)
    (finding,) = check.findings
    assert check.level == NOTE and finding.mend is None and "MLFLOW_TRACKING_URI" in finding.remedy
