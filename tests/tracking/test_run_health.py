"""The health of RUNNING runs: those of processes that were really killed, and those of other machines."""

import os
import signal
import time

from mlflow import MlflowClient

from adtrack.findings import BROKEN, NOTE, OK
from adtrack.tracking.run_health import look_at_runs, look_at_tags
from adtrack.tracking.tags import WORKER
from adtrack.tracking.workers import Worker


def killed_worker() -> str:
    """The name of a worker whose process has got kill −9."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, Worker().name.encode())
        signal.pause()
        os._exit(0)
    name = os.read(reading, 4096).decode()
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    os.close(reading)
    os.close(writing)
    return name


def make_run(worker: str, study: str = "none", hours: float = 0.0, **metrics: float) -> str:
    client = MlflowClient()
    tags = {"adtrack.study": study, "adtrack.role": "trial", WORKER: worker}
    experiment = client.get_experiment_by_name("adtrack").experiment_id
    started = int((time.time() - 3600 * hours) * 1000)
    run_id = client.create_run(experiment, start_time=started, tags=tags).info.run_id
    for name, value in metrics.items():
        client.log_metric(run_id, name, value)
    return run_id


def status(run_id: str) -> str:
    return MlflowClient().get_run(run_id).info.status


def test_runs_of_a_killed_process_are_found_and_ended_by_the_mend_alone(opened_store: str) -> None:
    alive, dead = Worker(), killed_worker()
    lost, done, other = make_run(dead, "a"), make_run(dead, "a", objective=0.5), make_run(dead)
    living = make_run(alive.name, "a")
    check = look_at_runs()
    (finding,) = check.findings
    assert check.level == BROKEN and check.detail == "1 run at work, 3 left behind"
    assert {item.split()[0] for item in finding.items} == {lost, done, other}
    assert {status(run_id) for run_id in (lost, done, other, living)} == {"RUNNING"}
    assert finding.mend() == "ended 3 runs: 2 as KILLED, 1 as FINISHED"
    assert [status(run_id) for run_id in (lost, done, other, living)] == ["KILLED", "FINISHED", "KILLED", "RUNNING"]
    assert look_at_runs().level == OK
    alive.close()


def test_old_runs_of_other_machines_are_named_and_left_alone(opened_store: str) -> None:
    old, new = make_run("elsewhere|/w.lock", hours=30), make_run("elsewhere|/w.lock", hours=1)
    MlflowClient().create_run("0", start_time=1)  # somebody else's, of no adtrack
    check = look_at_runs()
    (finding,) = check.findings
    assert check.level == NOTE and finding.mend is None and check.detail == "1 run at work"
    assert [item.split()[0] for item in finding.items] == [old] and "on elsewhere" in finding.items[0]
    assert status(old) == status(new) == "RUNNING"


def test_the_tags_of_a_study_are_in_order(study) -> None:
    assert look_at_tags().level == OK and look_at_tags().detail == "of 4 finished runs"


def test_a_run_is_named_with_each_tag_that_it_lacks(opened_store: str) -> None:
    spoilt = make_run("here|/w.lock")
    make_run("here|/w.lock")  # RUNNING: it may not have them all yet
    MlflowClient().set_terminated(spoilt)
    MlflowClient().set_terminated(MlflowClient().create_run("0").info.run_id)  # somebody else's, of no adtrack
    check = look_at_tags()
    (finding,) = check.findings
    assert check.level == NOTE and check.detail == "of 1 finished run, 1 spoilt" and finding.mend is None
    (item,) = finding.items
    assert item.startswith(spoilt)
    assert item.endswith(": adtrack.class and adtrack.split_digest and adtrack.trial and adtrack.model")
