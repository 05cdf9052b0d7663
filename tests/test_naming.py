"""How names are shown: nothing steers a terminal, is calculated by a spreadsheet or run by a shell."""

import ast
import csv
import io
import os
import subprocess
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

import adtrack
from adtrack import progress
from adtrack.command import run_command, say, warn
from adtrack.errors import UserError
from adtrack.naming import argument, csv_cell, from_csv_cell, visible

HOSTILE = "a\x1b[2J\x1b]0;x\x07\u202eb\nError: c\r\u2066\x85.png"
NAMES = st.text(st.characters(exclude_categories=()), max_size=20) | st.sampled_from([HOSTILE, "'=1", "''", "=1+1", ""])
PRINTS = ("print", "click.echo", "click.secho", "tqdm.write")


def test_what_could_steer_a_terminal_is_visible() -> None:
    assert visible("a\x1b[31m\u202eb\nc\udcff.png") == "a\\x1b[31m\\u202eb\\nc\\udcff.png"
    assert visible("größe 寸 − σ 🔩.png") == "größe 寸 − σ 🔩.png"


@given(NAMES)
def test_what_is_visible_is_one_line_and_stays_as_it_is(name: str) -> None:
    assert visible(name).isprintable() and visible(visible(name)) == visible(name)
    assert str(UserError(name, name)).isprintable()


@given(NAMES)
def test_a_cell_is_no_formula_and_gives_its_text_back(name: str) -> None:
    assert from_csv_cell(csv_cell(name)) == name
    assert csv_cell(name)[:1] not in {*"=+-@\t\r\n"}
    stream = io.StringIO(newline="")
    csv.writer(stream).writerow([csv_cell(name), "1"])
    assert from_csv_cell(next(csv.reader(io.StringIO(stream.getvalue(), newline="")))[0]) == name


@pytest.mark.parametrize(
    ("text", "cell"),
    [("=1+1", "'=1+1"), ("'=1", "''=1"), ("@a", "'@a"), ("-x.png", "'-x.png"), ("'a'", "'a'"), ("a=1", "a=1")],
)
def test_cells_as_they_are_written(text: str, cell: str) -> None:
    assert csv_cell(text) == cell and from_csv_cell(cell) == text


@pytest.mark.parametrize(
    "name", ["zipper", "two words", "it's", "a\\'\x1b\nb", "$(touch x)`y`;&|", "größe\u202e", "x\udcff", "", "a\t12"]
)
def test_a_shell_takes_an_argument_as_the_name(name: str) -> None:
    done = subprocess.run(["bash", "-c", f"printf %s {argument(name)}"], capture_output=True, check=True)
    assert done.stdout == os.fsencode(name) and argument(name).isprintable()
    assert argument("models:/adtrack-a@champion") == "models:/adtrack-a@champion"
    assert argument("=1+1") == "'=1+1'"  # zsh


@click.group()
def group() -> None:
    """Says something, or fails, in the ways that a verb can."""


@group.command()
def mistake() -> None:
    raise UserError(f"image must be readable, but {HOSTILE} is not.", f"look at {HOSTILE}.")


@group.command()
def printing() -> None:
    say(f"Scored {HOSTILE}")
    warn(HOSTILE)
    progress.say(HOSTILE)


@pytest.mark.parametrize("command", [["mistake"], ["printing"], ["mistake", "--" + HOSTILE], [HOSTILE]])
def test_no_way_to_the_terminal_lets_a_name_through(command: list[str], capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit):
        run_command(group, command)
    found = "".join(capsys.readouterr())
    lines = found.split("\n")
    assert all(line.isprintable() and not line.startswith("Error: c") for line in lines), lines
    assert "\\x1b[2J" in found


def test_colours_are_the_terminals_own() -> None:
    @click.command()
    def command() -> None:
        say("ok \x1b[31mname", "ok", fg="green")

    assert CliRunner().invoke(command, color=True).output == "\x1b[32mok\x1b[0m \\x1b[31mname\n"


def test_nothing_else_prints() -> None:
    """Whoever called print or click by himself would forget what a name can hold."""
    root, found = Path(adtrack.__file__).parent, set()
    for file in root.rglob("*.py"):
        calls = (node for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))) if isinstance(node, ast.Call))
        if any(ast.unparse(call.func) in PRINTS for call in calls):
            found.add(file.relative_to(root).as_posix())
    # One prints a script for a shell, and one is a script itself, which runs without adtrack.
    assert found == {"command.py", "progress.py", "cli/completion.py", "edge/kit/camera.py", "edge/kit/photos.py"}
