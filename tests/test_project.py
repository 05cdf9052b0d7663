"""The files around the package: MLproject, conda.yaml and the wheel."""

import json
import re
import shlex
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import click
import pytest
import yaml

from adtrack.cli import cli
from adtrack.cli.experiment import experiment_command

ROOT = Path(__file__).resolve().parents[1]
PROJECT = yaml.safe_load((ROOT / "MLproject").read_text())
TEMPLATES = ROOT / "adtrack" / "reporting" / "templates"
ENTRY_POINTS = PROJECT["entry_points"]


VERBS = sorted(set(ENTRY_POINTS) - {"experiment"})


def options(verb: str) -> dict[str, click.Parameter]:
    """Parameters of a verb, or of any experiment, by their MLproject name."""
    command = experiment_command("severity") if verb == "experiment" else cli.commands[verb]
    found = {}
    for parameter in command.get_params(click.Context(command)):
        name = parameter.name if isinstance(parameter, click.Argument) else parameter.opts[0].lstrip("-")
        found[name.replace("-", "_")] = parameter
    return {name: parameter for name, parameter in found.items() if "--help" not in parameter.opts}


def test_the_promised_entry_points_exist():
    assert set(ENTRY_POINTS) == {*VERBS, "experiment"}
    assert set(VERBS) == {"tune", "build-bank", "evaluate", "score", "adapt", "fine-tune", "make-shift", "export"}
    assert set(ENTRY_POINTS) <= set(cli.commands)


@pytest.mark.parametrize("verb", ENTRY_POINTS)
def test_every_declared_parameter_reaches_the_command_under_its_own_name(verb):
    entry = ENTRY_POINTS[verb]
    used = re.findall(r"\{(\w+)\}", entry["command"])
    assert sorted(used) == sorted(entry["parameters"])
    given = re.findall(r"--([\w-]+) \{(\w+)\}", entry["command"])
    assert all(option.replace("-", "_") == parameter for option, parameter in given)
    assert entry["command"].startswith(f"python -m adtrack {verb} ")


@pytest.mark.parametrize("verb", ENTRY_POINTS)
def test_every_option_of_the_verb_is_declared(verb):
    declared = set(ENTRY_POINTS[verb]["parameters"])
    assert declared == ({*options(verb), "name"} if verb == "experiment" else set(options(verb)))


@pytest.mark.parametrize("verb", ENTRY_POINTS)
def test_defaults_are_those_of_the_command_line(verb):
    for name, declared in ENTRY_POINTS[verb]["parameters"].items():
        if isinstance(declared, dict) and not options(verb)[name].required:
            parameter = options(verb)[name]
            assert parameter.type.convert(declared["default"], parameter, None) == parameter.default, name


def test_conda_pins_every_dependency_exactly_and_within_its_range():
    dependencies = yaml.safe_load((ROOT / "conda.yaml").read_text())["dependencies"]
    pinned = dict(line.split("==") for line in next(part["pip"] for part in dependencies if isinstance(part, dict)))
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    for requirement in declared:
        name, bounds = re.fullmatch(r"([\w-]+)(.*)", requirement).groups()
        for sign, bound in re.findall(r"(>=|<)([\d.]+)", bounds):
            have, want = (tuple(int(part) for part in text.split(".")) for text in (pinned[name], bound))
            assert have >= want if sign == ">=" else have < want, requirement
    assert len(pinned) == len(declared)


@pytest.mark.slow
def test_a_wheel_holds_the_package_and_runs_outside_the_checkout(tmp_path):
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", tmp_path, ROOT], check=True)
    (wheel,) = tmp_path.glob("adtrack-*.whl")
    packed = set(zipfile.ZipFile(wheel).namelist())
    modules = {path.relative_to(ROOT).as_posix() for path in (ROOT / "adtrack").rglob("*.py")}
    templates = {path.relative_to(ROOT).as_posix() for path in TEMPLATES.rglob("*") if path.is_file()}
    assert modules <= packed and templates and templates <= packed
    assert not [name for name in packed if name.startswith(("tests/", "experiments/"))]
    subprocess.run([*pip, "install", "--no-deps", "--target", tmp_path / "site", wheel], check=True)
    code = (
        "import adtrack; print(adtrack.__file__); from adtrack.reporting.document import document; "
        "print(document('A page', [])); from adtrack.cli import main; sys.argv[1:] = ['--version']; main()"
    )
    ran = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(tmp_path / 'site')!r}); {code}"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=True,
    )
    assert str(tmp_path / "site") in ran.stdout
    assert "<h1>A page</h1>" in ran.stdout and "version" in ran.stdout


HOSTILE = ("patch_size=1,3;coreset_fraction=0.05,0.1", "a b;c", "$(touch pwned)", "`touch pwned`", "'\"; touch pwned #")


@pytest.mark.parametrize("verb", ENTRY_POINTS)
@pytest.mark.parametrize("value", HOSTILE)
def test_a_value_reaches_the_command_whole_whatever_is_in_it(verb, value):
    from mlflow.projects._project_spec import load_project

    parameters = ENTRY_POINTS[verb]["parameters"]
    command = load_project(str(ROOT)).get_entry_point(verb).compute_command(dict.fromkeys(parameters, value), None)
    # As MLflow runs it, but for the program, which is one that prints what it is given.
    printing = f'{shlex.quote(sys.executable)} -c "import json, sys; print(json.dumps(sys.argv[1:]))"'
    told = subprocess.run(
        ["bash", "-c", command.replace("python -m adtrack", printing, 1)], capture_output=True, text=True, check=True
    )
    assert json.loads(told.stdout).count(value) == len(parameters)
