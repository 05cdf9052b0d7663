"""How a command is run: what is settled before any library is loaded."""

import os
import subprocess
import sys

import pytest

_COMMAND = """
import sys
import click
from adtrack.cli import cli
from adtrack.command import run_command

@click.command
def shown():
    assert "torch" not in sys.modules
    import torch
    torch.ones(10**6).add_(1)

run_command(shown, [])
"""


@pytest.mark.parametrize(("told", "policy", "awake"), [(None, "PASSIVE", True), ("ACTIVE", "ACTIVE", False)])
def test_torchs_threads_sleep_while_they_wait_unless_the_environment_says_otherwise(
    told: str | None, policy: str, awake: bool
) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "GOMP_"))}
    environment |= {"OMP_DISPLAY_ENV": "VERBOSE", **({"OMP_WAIT_POLICY": told} if told else {})}
    done = subprocess.run([sys.executable, "-c", _COMMAND], env=environment, capture_output=True, text=True, check=True)
    assert f"OMP_WAIT_POLICY = '{policy}'" in done.stderr  # as OpenMP itself has read it
    assert ("GOMP_SPINCOUNT = '300'" in done.stderr) == awake
