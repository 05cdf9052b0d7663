"""Locks: who waits for whom."""

import threading

import psycopg
import pytest

from adtrack.tracking.locks import one_at_a_time


def enters(uri: str, what: str, seconds: float) -> bool:
    """Whether another thread gets into the block within so many seconds; it leaves at once."""
    inside = threading.Event()

    def enter() -> None:
        with one_at_a_time(uri, what):
            inside.set()

    thread = threading.Thread(target=enter)
    thread.start()
    entered = inside.wait(seconds)
    enters.threads.append(thread)
    return entered


enters.threads = []


@pytest.fixture(autouse=True)
def nobody_waits_on():
    yield
    for thread in enters.threads:
        thread.join(10)
        assert not thread.is_alive()
    enters.threads.clear()


def test_one_process_of_a_machine_at_a_time(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with one_at_a_time("sqlite:///o.db", "a"):
        assert not enters(f"sqlite:///{tmp_path}/o.db", "a", 0.2)  # the same file, named otherwise
        assert enters("sqlite:///o.db", "b", 5)
        assert enters("sqlite:///other.db", "a", 5)
    assert enters("sqlite:///o.db", "a", 5)


@pytest.mark.slow
def test_machines_wait_for_each_other_in_their_database(postgres, tmp_path, monkeypatch):
    here, there = postgres.new_database(), postgres.new_database()
    monkeypatch.setenv("ADTRACK_CACHE", str(tmp_path / "one machine"))
    with one_at_a_time(here, "a"):
        monkeypatch.setenv("ADTRACK_CACHE", str(tmp_path / "another machine"))
        assert not enters(here, "a", 0.5)
        assert enters(here, "b", 5) and enters(there, "a", 5)
    assert enters(here, "a", 5)


@pytest.mark.slow
def test_a_lock_whose_holder_loses_its_connection_is_free_again(postgres, tmp_path, monkeypatch):
    url = postgres.new_database()
    monkeypatch.setenv("ADTRACK_CACHE", str(tmp_path / "one machine"))
    lost = one_at_a_time(url, "a")
    lost.__enter__()
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
        ended = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted"
        assert connection.execute(ended).fetchall() == [(True,)]
    monkeypatch.setenv("ADTRACK_CACHE", str(tmp_path / "another machine"))
    assert enters(url, "a", 5)
    with pytest.raises(Exception, match="terminat"):
        lost.__exit__(None, None, None)
