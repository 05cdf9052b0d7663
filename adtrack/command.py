"""Runs a command: a user's mistake is printed as a sentence, and the exit code says what happened."""

import contextlib
import gc
import os
import signal
import sys
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import click

from adtrack.errors import UserError
from adtrack.interrupts import never_ignored
from adtrack.naming import visible
from adtrack.troubles import TroubleError, trouble


def run_command(command: click.Command, arguments: Sequence[str]) -> None:
    """Run a command and exit with 0 (done), 1 (something failed), 2 (wrong usage) or 130 (stopped).

    With ``--debug`` among the arguments, errors are shown with their tracebacks.
    """
    _wait_passively()
    debug = "--debug" in arguments
    never_ignored()
    signal.signal(signal.SIGTERM, _stop)  # a scheduler's signal to stop ends runs in the same way as Ctrl-C
    if not debug:
        warnings.simplefilter("ignore")
    try:
        sys.exit(command.main(list(arguments), standalone_mode=False))
    except click.ClickException as error:
        told = visible(error.format_message())  # the arguments may hold the name of a file, with any characters
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
    """Show on a terminal that libraries are being loaded, which takes some seconds."""
    shown, known = sys.stderr.isatty(), len(sys.modules)
    if shown:
        click.echo("Loading libraries …", err=True, nl=False)
    collects = gc.isenabled()
    gc.disable()  # Python would look for garbage a hundred times while libraries are imported, and find none
    try:
        yield
    finally:
        if len(sys.modules) > known:
            gc.freeze()  # what libraries consist of is never garbage, and searching it takes a second, also at the end
        if collects:
            gc.enable()
        if shown:
            click.echo("\r\033[K", err=True, nl=False)  # go to the start of the line and clear it


def say(text: str, marked: str = "", *, err: bool = False, **style: Any) -> None:
    """Print one line, in which the first ``marked`` has click's ``style``.

    adtrack prints everything through this function or ``progress.say``. Both escape control characters and line breaks,
    which names from data may contain, so that callers need not think of them.
    """
    line = visible(text)
    click.echo(line.replace(marked, click.style(marked, **style), 1) if marked else line, err=err)


def warn(text: str) -> None:
    """Print a warning."""
    say(f"Warning: {text}", "Warning:", err=True, fg="yellow", bold=True)


def _stop(*_: object) -> None:
    raise KeyboardInterrupt


def _wait_passively() -> None:
    """Let torch's threads sleep soon while they wait for each other, unless the environment says how they wait.

    By default they stay busy while they wait. Where other processes want the same cores, such as others of the same
    study, a waiting thread then keeps a core from the very thread that it waits for, and everything takes many times as
    long. The few turns that they wait awake are as long as most waits on an idle machine. OpenMP reads this when torch
    is loaded, so it must be set before.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
        os.environ.setdefault("GOMP_SPINCOUNT", "300")
