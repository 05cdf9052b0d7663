"""What is loaded for the workers of a study before they begin."""

import subprocess
import sys

import pytest

_SCRIPT = """
import os, sys, threading
from importlib import import_module
from pathlib import Path
from adtrack.verbs.tune import LOADED_AHEAD
ahead = import_module(LOADED_AHEAD)
print(sorted(set(ahead.USED_BY_TRIALS) - set(sys.modules)))
print(threading.active_count())
others = set(Path("/proc/self/task").glob("*")) - {Path("/proc/self/task", str(os.getpid()))}
print({(other / "comm").read_text().strip() for other in others})
"""


def printed() -> list[str]:
    """What a process prints that loads all of it."""
    shown = subprocess.run([sys.executable, "-c", _SCRIPT], capture_output=True, text=True, check=True)
    assert not shown.stderr
    return shown.stdout.splitlines()


def test_the_process_that_becomes_the_workers_has_loaded_all_and_has_no_second_thread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A fork would share the locks of other threads, and nobody would ever release them. jemalloc, which Arrow brings,
    ends its thread before a fork by itself."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    missing, threads, others = printed()
    assert (missing, threads) == ("[]", "1") and others in ("set()", "{'jemalloc_bg_thd'}")


def test_where_there_is_no_git_the_rest_is_loaded_in_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert printed()[0] == "['git']"
