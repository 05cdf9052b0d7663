"""Peak memory: of this process alone."""

import subprocess
import sys

from adtrack.lab.memory import peak_megabytes

CODE = """
from adtrack.lab.memory import peak_megabytes
before = peak_megabytes()
held = b"1" * 200_000_000
del held
print(before, peak_megabytes())
"""


def test_the_peak_is_that_of_the_process_itself_and_stays() -> None:
    held = b"1" * 300_000_000
    assert peak_megabytes() > 300
    printed = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True).stdout
    before, after = map(float, printed.split())
    assert before < 100, "the parent's peak does not count"
    assert 195 < after - before < 215
    del held
