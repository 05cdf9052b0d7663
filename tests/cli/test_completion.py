"""Completion: the scripts that shells read, and what the Tab key is offered."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from adtrack.config import DEMO_CLASSES
from adtrack.data.demo import CLASSES


def offered(words: str) -> list[str]:
    """What a shell is told when Tab is pressed behind ``words``, by a process that loads nothing heavy."""
    code = """
import sys
sys.argv = ["adtrack"]
from adtrack.cli import main
try:
    main()
finally:
    print(sorted({"torch", "mlflow", "optuna", "numpy", "scipy"} & set(sys.modules)), file=sys.stderr)
"""
    asked = {"COMP_WORDS": words, "COMP_CWORD": str(words.count(" ")), "_ADTRACK_COMPLETE": "bash_complete"}
    done = subprocess.run([sys.executable, "-c", code], env={**os.environ, **asked}, capture_output=True, text=True)
    assert done.returncode == 0 and done.stderr.strip() == "[]", done.stderr
    return done.stdout.split()


def test_classes_of_the_demo_and_of_a_folder(tmp_path: Path) -> None:
    for name in ("photos", "phones", "screws", "ph\x1b[2J\n"):  # the last cannot be shown
        (tmp_path / name / "train/good").mkdir(parents=True)
    assert offered("adtrack tune --class ") == [f"plain,{name}" for name in DEMO_CLASSES]
    assert offered("adtrack build-bank --class car") == ["plain,carpet"]
    assert offered(f"adtrack evaluate --data {tmp_path} --class ph") == ["plain,phones", "plain,photos"]
    assert offered(f"adtrack make-shift --data {tmp_path / 'nowhere'} --class ") == []


def test_verbs_options_and_folders() -> None:
    assert offered("adtrack build") == ["plain,build-bank"]
    assert "plain,--coreset-fraction" in offered("adtrack build-bank --cor")
    assert offered("adtrack build-bank --data mv") == ["dir,mv"]
    assert offered("adtrack completion ") == ["plain,bash", "plain,zsh", "plain,fish"]


def test_the_demos_classes_are_those_there_are() -> None:
    assert DEMO_CLASSES == CLASSES


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_says_where_to_keep_it_and_its_shell_reads_it(adtrack, tmp_path: Path, shell: str) -> None:
    done = adtrack("completion", shell)
    assert done.code == 0 and f"_ADTRACK_COMPLETE={shell}_complete" in done.out
    assert f"adtrack completion {shell} > ~/." in done.out.splitlines()[-1 if shell == "fish" else -2]
    if shutil.which(shell):
        (tmp_path / "script").write_text(done.out)
        read = subprocess.run([shell, tmp_path / "script"], capture_output=True, text=True)
        assert read.returncode == 0 and read.stderr == ""


def test_another_shell_is_refused(adtrack) -> None:
    done = adtrack("completion", "tcsh")
    assert done.code == 2 and "'tcsh' is not one of 'bash', 'zsh', 'fish'" in done.err
