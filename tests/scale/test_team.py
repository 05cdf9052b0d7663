"""Teams of real processes: what they say and bring back, killed, failing, and told to stop."""

import multiprocessing
import os
import platform
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from adtrack.errors import UserError
from adtrack.scale.team import team
from adtrack.scale.workers import Workers, cores
from adtrack.troubles import TroubleError
from tests.clusters import cluster_of
from tests.scale.works import Looks, Tens, Waits

ROOT = Path(__file__).parents[2]


def run(work, count=2, meanwhile=lambda: None) -> tuple[list, list[str]]:
    said: list[str] = []
    with team(Workers(count)) as found:
        assert (found.size, found.machines) == (count, (platform.node(),))
        return found.run(work, count, said.append, meanwhile), said


def test_each_brings_back_its_own_and_one_that_is_killed_is_started_again(tmp_path, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS")
    found, said = run(Tens(tmp_path, kills=1))
    assert found == [0, 10]
    threads = max(1, cores() // 2)
    assert said.count(f"0 has {threads} threads") == 1 and said.count(f"1 has {threads} threads") == 2
    assert "Worker 2 was ended by signal 9, and is started again." in said
    assert "OMP_NUM_THREADS" not in os.environ


def test_members_find_the_environment_as_it_is_when_they_begin(tmp_path, monkeypatch):
    """Another process has loaded their libraries before."""
    monkeypatch.setenv("ADTRACK_GONE", "1")
    with team(Workers(1), "json") as found:
        monkeypatch.delenv("ADTRACK_GONE")
        monkeypatch.setenv("ADTRACK_NEW", "2")
        monkeypatch.chdir(tmp_path)
        assert found.run(Looks("ADTRACK_GONE", "ADTRACK_NEW"), 1, print, lambda: None) == [(None, "2", tmp_path)]


@pytest.mark.skipif("forkserver" not in multiprocessing.get_all_start_methods(), reason="every member loads all itself")
def test_members_begin_with_what_was_loaded_ahead_and_beyond_the_reach_of_ctrl_c():
    """In a process of its own, as the one that loads for members begins once, and Python's helper of it, too."""
    script = (
        "from adtrack.scale.team import load_beside, team\n"
        "from adtrack.scale.workers import Workers\n"
        "from tests.scale.works import Begins\n"
        "load_beside(Workers(2), 'wave')\n"
        "with team(Workers(2)) as found:\n"
        "    print(found.run(Begins('wave'), 2, print, lambda: None))\n"
    )
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    assert shown.stdout.strip() == "[(True, True), (True, True)]"


def test_one_that_is_killed_again_and_again_is_given_up(tmp_path):
    with pytest.raises(TroubleError, match="worker 2 was ended 4 times, the last time by signal 9"):
        run(Tens(tmp_path, kills=9))


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        ("user", UserError, "^no cheese.$"),
        ("trouble", TroubleError, "^no cheese.$"),
        ("other", RuntimeError, "Traceback(.|\n)*ZeroDivisionError: no cheese."),
    ],
)
def test_an_error_of_one_comes_back_and_ends_the_others_in_their_orderly_way(tmp_path, error, kind, words):
    with pytest.raises(kind, match=words):
        run(Waits(tmp_path, error))
    assert (tmp_path / "stopped").exists()


def test_ctrl_c_ends_all_in_their_orderly_way(tmp_path):
    def stop() -> None:
        if (tmp_path / "began").exists():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(Waits(tmp_path), meanwhile=stop)
    assert (tmp_path / "stopped").exists()


def test_processes_stop_when_the_first_one_is_killed(tmp_path, in_a_process):
    first = in_a_process(lambda: run(Waits(tmp_path)) and 0)
    while not (tmp_path / "began").exists():
        assert os.waitpid(first, os.WNOHANG) == (0, 0)
        threading.Event().wait(0.01)
    os.kill(first, signal.SIGKILL)
    os.waitpid(first, 0)
    for _ in range(1000):
        if (tmp_path / "stopped").exists():
            return
        threading.Event().wait(0.01)
    raise AssertionError("a process works on although nobody waits for it")


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """A Ray cluster of two cores, to which this process is connected. It ignores Ctrl-C, as below a shell's "&"."""
    heeded = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with cluster_of(2):
        for number, handler in heeded.items():
            signal.signal(number, handler)
        yield


def run_on_ray(work, meanwhile=lambda: None) -> tuple[list, list[str]]:
    said: list[str] = []
    with team(Workers(ray=True)) as found:
        assert (found.size, found.words) == (2, "the Ray cluster on this machine with 2 cores")
        return found.run(work, 2, said.append, meanwhile), said


def test_ray_starts_again_what_is_killed(tmp_path, cluster):
    found, said = run_on_ray(Tens(tmp_path, kills=1))
    assert found == [0, 10]
    assert sorted(said) == ["0 has 1 threads", "1 has 1 threads", "1 has 1 threads"]
    assert sorted(mark.name for mark in tmp_path.iterdir()) == ["0-0", "1-0", "1-1"]


def test_an_error_of_a_task_comes_back_and_ends_the_others_in_their_orderly_way(tmp_path, cluster):
    with pytest.raises(TroubleError, match=r"^no cheese\.$"):
        run_on_ray(Waits(tmp_path, "trouble"))
    assert (tmp_path / "stopped").exists()
