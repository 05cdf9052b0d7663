"""What is loaded for the workers of a study before they begin."""

import subprocess
import sys

_SCRIPT = """
import os, threading
from importlib import import_module
from pathlib import Path
from adtrack.verbs.tune import LOADED_AHEAD
import_module(LOADED_AHEAD)
print(threading.active_count())
others = set(Path("/proc/self/task").glob("*")) - {Path("/proc/self/task", str(os.getpid()))}
print({(other / "comm").read_text().strip() for other in others})
"""


def test_the_process_that_becomes_the_workers_has_no_second_thread(monkeypatch):
    """A fork would share the locks of other threads, and nobody would ever release them. jemalloc, which Arrow brings,
    ends its thread before a fork by itself."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    shown = subprocess.run([sys.executable, "-c", _SCRIPT], capture_output=True, text=True, check=True)
    assert shown.stdout.splitlines() in (["1", "set()"], ["1", "{'jemalloc_bg_thd'}"])
