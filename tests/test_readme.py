"""Both pages for readers: the commands that they print exist, and their links lead somewhere."""

import ast
import re
import shlex
from pathlib import Path

import click
import pytest
import yaml

from adtrack.cli import cli
from adtrack.cli.experiment import NAMES, experiment_command

ROOT = Path(__file__).resolve().parents[1]
PAGES = ("README.md", "experiments/README.md")
ENTRY_POINTS = yaml.safe_load((ROOT / "MLproject").read_text(encoding="utf-8"))["entry_points"]


def text_of(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def commands(text: str, program: str) -> list[list[str]]:
    """The words of every command of ``program`` in code blocks and between backticks."""
    fenced = re.findall(r"^ *```\w*\n(.*?)^ *```", text, re.DOTALL | re.MULTILINE)
    lines = [line for block in fenced for line in block.splitlines()]
    lines += re.findall(r"`([^`]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    parts = [part.strip() for line in lines for part in line.replace("\n", " ").split("&&")]
    return [shlex.split(part, comments=True) for part in parts if part.startswith(f"{program} ")]


def command_named(words: list[str]) -> click.Command:
    """The verb of ``adtrack …``, and of ``adtrack experiment NAME …`` the experiment."""
    verb = next(word for word in words[1:] if not word.startswith("-"))
    assert verb in cli.commands, verb
    if verb != "experiment" or words[-1] == "NAME":
        return cli.commands[verb]
    name = words[words.index(verb) + 1]
    assert name in NAMES, name
    return experiment_command(name)


@pytest.mark.parametrize("page", PAGES)
def test_every_command_that_a_page_prints_is_known_with_its_options(page: str) -> None:
    found = [words for words in commands(text_of(page), "adtrack") if words[1] not in ("VERB", "-h", "--help")]
    assert len(found) >= 3
    for words in found:
        parameters = (one for part in (cli, command_named(words)) for one in part.get_params(click.Context(part)))
        known = {option for one in parameters for option in one.opts}
        unknown = {word for word in words if word.startswith("--")} - known - {"--help"}
        assert not unknown, f"{shlex.join(words)}: {unknown}"


def test_every_entry_point_that_the_readme_runs_has_the_parameters() -> None:
    found = [words for words in commands(text_of("README.md"), "mlflow run .") if "VERB" not in words]
    assert len(found) > 1
    for words in found:
        parameters = ENTRY_POINTS[words[words.index("-e") + 1]]["parameters"]
        given = [words[at + 1].partition("=")[0] for at, word in enumerate(words) if word == "-P"]
        assert given and set(given) <= set(parameters), words


@pytest.mark.parametrize("verb", ["tune", "build-bank", "evaluate"])
def test_the_readme_explains_every_parameter(verb: str) -> None:
    table = text_of("README.md").split("### Parameters")[1].split("</details>")[0]
    explained = {
        name for row in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)
    }
    assert set(ENTRY_POINTS[verb]["parameters"]) <= explained


def sentences() -> list[str]:
    """Every text in the package, with … for what is put into it."""
    found = []
    for file in (ROOT / "adtrack").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                found.append(
                    "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
                )
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
    return found


def test_the_messages_that_the_readme_explains_are_those_of_the_package() -> None:
    said = "\n".join(sentences())
    rows = re.findall(r"^\| (`.*?) \| ", text_of("README.md").split("| message |")[1], re.MULTILINE)
    ours = [message for row in rows if "MLflow" not in row for message in re.findall(r"`([^`]+)`", row)]
    assert len(ours) > 30
    missing = [part for message in ours for part in message.split("…") if part.strip() not in said]
    assert not missing


def anchors(page: Path) -> set[str]:
    """What GitHub calls the headings of a page."""
    headings = re.findall(
        r"^#+ (.+)$", re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL), re.M
    )
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES)
def test_every_link_of_a_page_leads_to_a_file_and_a_heading(page: str) -> None:
    links = [link for link in re.findall(r"\]\(([^)\s]+)\)", text_of(page)) if not link.startswith("http")]
    assert links
    for link in links:
        file, _, anchor = link.partition("#")
        target = ((ROOT / page).parent / file).resolve() if file else ROOT / page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_the_first_lines_hold_what_a_stranger_needs() -> None:
    beginning = "\n".join(text_of("README.md").splitlines()[:45])
    for needed in (
        "pip install -e . && mlflow run . -e tune -P class=zipper --env-manager local",
        "pip install -e '.[test]' && pytest",
        "experiments/figures/zipper.png",
        "| what adtrack adds |",
    ):
        assert needed in beginning
