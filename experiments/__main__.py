"""``python -m experiments NAME``: the same as ``adtrack experiment NAME``."""

import sys

from adtrack.cli.experiment import experiment
from adtrack.command import run_command

if __name__ == "__main__":
    run_command(experiment, sys.argv[1:])
