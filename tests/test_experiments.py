"""The experiments: each writes its tables and charts, goes on where it was interrupted, and says what it was asked."""

import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).resolve().parents[1]
NAMES = ("shift_regimes", "unified", "severity", "efficiency", "hyperparameters_under_shift")
VIEW = ("--resize", "64", "--crop", "0", "--weights", "random", "--layers", "layer2", "--padim-dimensions", "12")


def run(name: str, folder: Path, *options: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "experiments", name, *options]
    variables = {**os.environ, "PYTHONPATH": str(ROOT), "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db"}
    return subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, timeout=300)


@pytest.mark.parametrize("name", NAMES)
def test_an_experiment_says_question_command_and_result(name: str) -> None:
    text = importlib.import_module(f"experiments.{name}").__doc__
    assert text.split("\n")[0].endswith("?")
    for word in (f"python -m experiments {name}", f"-P name={name}", "Writes:", "Cost:", "Result:"):
        assert word in text, word


@pytest.mark.slow
@pytest.mark.parametrize("name", ["shift_regimes", "unified", "severity"])
def test_an_experiment_writes_its_tables_and_charts(name: str, workplace: Path, tiny_data: Path) -> None:
    options = ("--data", str(tiny_data), *VIEW)
    done = run(name, workplace, *options)
    assert done.returncode == 0, done.stderr
    folder = workplace / "tables" / name
    kinds = {file.suffix for file in folder.iterdir()}
    assert {".csv", ".md", ".tex", ".html", ".png"} <= kinds and (folder / f"{name}.md").read_text() in done.stdout
    first = pd.read_csv(folder / f"{name}.csv")
    assert set(first["class"]) == {"part"} and first["image_auroc"].between(0, 1).all()
    again = run(name, workplace, *options)
    assert again.returncode == 0 and "taken from run" in again.stderr and "from train_clean\n" not in again.stderr
    pd.testing.assert_frame_equal(pd.read_csv(folder / f"{name}.csv"), first)


@pytest.mark.slow
def test_hyperparameters_come_from_a_study_that_is_there(workplace: Path, tiny_data: Path, adtrack, space) -> None:
    view = ("--resize", "64", "--crop", "0", "--weights", "random", "--backbone", "resnet18")
    studied = adtrack("tune", "--class", "part", "--data", tiny_data, *view, *space, "--trials", 4)
    assert studied.code == 0, studied.err
    done = run("hyperparameters_under_shift", workplace, "--data", str(tiny_data), *VIEW[:-4])
    assert done.returncode == 0, done.stderr
    assert "4 trials of study" in done.stderr and "Spearman" in done.stdout
    trials = pd.read_csv(workplace / "tables/hyperparameters_under_shift/hyperparameters_under_shift.csv")
    assert len(trials) == 4


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--methods", "patchcore,magic"), "methods must be among patchcore, padim, but got magic."),
        (("--classes", "screw"), "screw"),
        (("--coreset-fraction", "2"), "coreset fraction must be in (0, 1], but got 2.0."),
    ],
)
def test_a_mistake_is_a_sentence(options: tuple[str, ...], message: str, workplace: Path, tiny_data: Path) -> None:
    done = run("shift_regimes", workplace, "--data", str(tiny_data), *VIEW, *options)
    assert done.returncode == 2 and message in done.stderr and "Traceback" not in done.stderr
    assert not (workplace / "tables").exists() or not list((workplace / "tables").rglob("*.csv"))


def test_an_unknown_experiment_is_refused(workplace: Path) -> None:
    done = run("nothing", workplace)
    assert done.returncode == 2 and "No such command 'nothing'" in done.stderr


def test_the_readme_quotes_the_figures_that_are_kept(tmp_path: Path) -> None:
    from experiments.what_we_found import write

    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert re.search(
        r"<!-- figures -->\n\n\| class .*clean reference.*python -m experiments shift_regimes", text, re.DOTALL
    )
    copy = tmp_path / "README.md"
    copy.write_text(text, encoding="utf-8")
    assert write(copy) == text == copy.read_text(encoding="utf-8")
