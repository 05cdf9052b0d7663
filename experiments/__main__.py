"""All experiments by name: python -m experiments NAME --help."""

import sys

import click

from adtrack.command import run_command
from experiments import efficiency, hyperparameters_under_shift, severity, shift_regimes, unified

COMMANDS = (
    shift_regimes.command,
    unified.command,
    efficiency.command,
    hyperparameters_under_shift.command,
    severity.command,
)

if __name__ == "__main__":
    group = click.Group("experiments", {command.name: command for command in COMMANDS}, help=__doc__)
    run_command(group, sys.argv[1:])
