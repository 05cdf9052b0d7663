"""Who is at work in the tracking store, and what a dead worker leaves behind."""

import os
import signal
import socket

from mlflow import MlflowClient

from adtrack.tracking.tags import WORKER
from adtrack.tracking.workers import Worker, end_left_behind, hold_run, is_gone

NOBODY = f"{socket.gethostname()}|/no/such/place/worker.lock"


def make_run(study: str, worker: str, role: str = "trial", **metrics: float) -> str:
    """A run that is RUNNING; its id."""
    client = MlflowClient()
    tags = {"adtrack.study": study, "adtrack.role": role, WORKER: worker}
    run_id = client.create_run(client.get_experiment_by_name("adtrack").experiment_id, tags=tags).info.run_id
    for name, value in metrics.items():
        client.log_metric(run_id, name, value)
    return run_id


def status(run_id: str) -> str:
    return MlflowClient().get_run(run_id).info.status


def test_a_parent_that_another_process_has_left_is_held_again(opened_store):
    worker = Worker()
    run_id = make_run("a", NOBODY, role="study")
    end_left_behind("a")
    assert status(run_id) == "KILLED"
    hold_run(run_id, worker)
    assert status(run_id) == "RUNNING" and end_left_behind("a") == []


def test_a_worker_is_gone_once_it_has_closed():
    worker = Worker()
    assert not is_gone(worker.name)
    worker.close()
    assert is_gone(worker.name)


def test_a_worker_is_gone_once_its_process_was_killed():
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        worker = Worker()
        os.write(writing, worker.name.encode())
        signal.pause()
        os._exit(0)
    name = os.read(reading, 4096).decode()
    try:
        assert not is_gone(name)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(reading)
        os.close(writing)
    assert is_gone(name)


def test_nothing_is_said_of_workers_that_this_machine_does_not_know():
    assert not is_gone(None)
    assert not is_gone("somebody")
    assert not is_gone("another-host|/no/such/place/worker.lock")


def test_runs_of_dead_workers_are_ended_and_no_others(opened_store):
    alive = Worker()
    dead, living = make_run("a", NOBODY), make_run("a", alive.name)
    parent, other = make_run("a", NOBODY, role="study", objective=0.5), make_run("b", NOBODY)
    assert set(end_left_behind("a")) == {dead, parent}
    assert status(dead) == status(parent) == "KILLED"
    assert status(living) == status(other) == "RUNNING"
    alive.close()
    assert end_left_behind("a") == [living]


def test_a_trial_that_had_done_its_work_is_finished(opened_store):
    done = make_run("a", NOBODY, objective=0.5)
    assert end_left_behind("a") == [done] and status(done) == "FINISHED"
