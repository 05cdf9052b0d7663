"""All experiments by name: python -m experiments NAME --help."""

import ast
import importlib
import sys
from pathlib import Path

import click

from adtrack.command import loading, run_command

NAMES = ("shift_regimes", "unified", "efficiency", "hyperparameters_under_shift", "severity")


class _AtLast(click.Group):
    """Imports an experiment only when it is called: it needs libraries that take seconds to load."""

    def list_commands(self, context: click.Context) -> list[str]:
        return list(NAMES)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in NAMES:
            return None
        with loading():
            return importlib.import_module(f"experiments.{name}").command

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Experiments"):
            formatter.write_dl([(name, _question(name)) for name in NAMES])


def _question(name: str) -> str:
    """The first line of an experiment's docstring."""
    source = Path(__file__).with_name(f"{name}.py").read_text(encoding="utf-8")
    return ast.get_docstring(ast.parse(source)).split("\n")[0]


group = _AtLast("experiments", help=__doc__)

if __name__ == "__main__":
    run_command(group, sys.argv[1:])
