"""KeyboardInterrupt where Python ignores exceptions."""

import subprocess
import sys

import pytest

WORK = """
import signal, time, weakref
from adtrack.interrupts import never_ignored

class Kept: pass

def stop(*_): raise KeyboardInterrupt

signal.signal(signal.SIGTERM, stop)
never_ignored()
kept = Kept()
there = weakref.ref(kept, lambda _: signal.raise_signal(signal.SIGTERM))
try:
    del kept
    time.sleep(600)
except KeyboardInterrupt:
    print("stopped")
"""


@pytest.mark.parametrize("ctrl_c", ["default_int_handler", "SIG_IGN"])
def test_a_signal_in_a_callback_is_not_lost(ctrl_c: str) -> None:
    """It ends the sleep, also in the background, where shells have programs ignore Ctrl-C."""
    work = f"import signal; signal.signal(signal.SIGINT, signal.{ctrl_c})\n{WORK}"
    done = subprocess.run([sys.executable, "-c", work], capture_output=True, text=True, check=True, timeout=120)
    assert (done.stdout, done.stderr) == ("stopped\n", "")


def test_other_errors_in_callbacks_are_told_as_ever() -> None:
    work = WORK.replace("signal.raise_signal(signal.SIGTERM)", "1 / 0").replace("sleep(600)", "sleep(0)")
    done = subprocess.run([sys.executable, "-c", work], capture_output=True, text=True, check=True)
    assert done.stdout == "" and "ZeroDivisionError" in done.stderr
