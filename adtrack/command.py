"""How every command of adtrack runs: a user's mistake is a sentence, and the exit code says what happened."""

import contextlib
import signal
import sys
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import click

from adtrack.errors import UserError
from adtrack.naming import visible
from adtrack.troubles import TroubleError, trouble


def run_command(command: click.Command, arguments: Sequence[str]) -> None:
    """Run a command: exit code 0 done, 1 done with failures, 2 wrong usage, 130 stopped. ``--debug`` for tracebacks."""
    debug = "--debug" in arguments
    signal.signal(signal.SIGTERM, _stop)  # a scheduler's stop ends runs as tidily as Ctrl-C does
    if not debug:
        warnings.simplefilter("ignore")
    try:
        sys.exit(command.main(list(arguments), standalone_mode=False))
    except click.ClickException as error:
        told = visible(error.format_message())  # a shell may have put a file's name among the options
        click.UsageError(told, getattr(error, "ctx", None)).show()
        sys.exit(2)
    except (KeyboardInterrupt, click.Abort):
        click.echo("\nStopped. What is finished is kept; the same command goes on from there.", err=True)
        sys.exit(130)
    except Exception as error:
        known = error if isinstance(error, UserError) else trouble(error)
        if debug or known is None:
            raise
        say(f"Error: {known}", "Error:", err=True, fg="red", bold=True)
        sys.exit(1 if isinstance(known, TroubleError) else 2)


@contextlib.contextmanager
def loading() -> Iterator[None]:
    """Tell who waits at a terminal that libraries are being loaded, which takes some seconds."""
    shown = sys.stderr.isatty()
    if shown:
        click.echo("Loading libraries …", err=True, nl=False)
    try:
        yield
    finally:
        if shown:
            click.echo("\r\033[K", err=True, nl=False)  # to the start of the line, and nothing on it


def say(text: str, marked: str = "", *, err: bool = False, **style: Any) -> None:
    """Print one line, the first ``marked`` in it in click's ``style``.

    All that adtrack prints comes through here or ``progress.say``: a name from data may hold what would steer the
    terminal, or forge a line, and nobody has to think of that where a sentence is made.
    """
    line = visible(text)
    click.echo(line.replace(marked, click.style(marked, **style), 1) if marked else line, err=err)


def warn(text: str) -> None:
    """Tell the user what to watch out for."""
    say(f"Warning: {text}", "Warning:", err=True, fg="yellow", bold=True)


def _stop(*_: object) -> None:
    raise KeyboardInterrupt
