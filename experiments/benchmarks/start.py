"""How long do commands take to answer, and verbs to read their first image?

adtrack --help and the help of a verb in processes of their own, beside an interpreter that does nothing and one that
imports torch, which every verb needs to do its work: all in turn. Then the verbs that read images, on a class of the
demo data: the seconds until each of them opens the first image.

\b
Command:  python -m experiments.benchmarks.start
Cost:     five minutes.
Result:   experiments/results/benchmarks.csv
"""

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import click

from adtrack.data.demo import data_root
from experiments.benchmarks.common import in_turns, report

COMMANDS = {
    "adtrack --help": ("-m", "adtrack", "--help"),
    "adtrack tune --help": ("-m", "adtrack", "tune", "--help"),
    "python -c pass": ("-c", "pass"),
    "python -c 'import torch'": ("-c", "import torch"),
}
_CLASS = ("--class", "zipper", "--data", "demo", "--backbone", "resnet18", "--weights", "random")
_MODEL = ("--model", "models:/adtrack-zipper/1")
# Ends the process when an image below the folder that is its first argument is opened, and prints the time then.
PROBE = """
import os, sys, time
images = sys.argv.pop(1)
def watch(event, arguments):
    if event == "open" and str(arguments[0]).startswith(images) and str(arguments[0]).endswith(".png"):
        os.write(1, f"first image {time.time()}".encode())
        os._exit(0)
sys.addaudithook(watch)
from adtrack.cli import main
main()
"""


def verbs(images: Path, place: Path) -> dict[str, tuple[str, ...]]:
    """The verbs that read images, with arguments. evaluate and score use the model that ``place`` has registered."""
    few = ("--trials", "1", "--sampler", "grid")
    photos = images / "zipper/test/good"
    return {
        "build-bank": ("build-bank", *_CLASS),
        "evaluate": ("evaluate", *_CLASS),
        "evaluate --model": ("evaluate", *_CLASS, *_MODEL),
        "tune": ("tune", *_CLASS, *few),
        "score": ("score", str(photos), *_MODEL, "--out", str(place / "scored")),
    }


def until_first_image(images: Path, place: Path, arguments: Sequence[str]) -> float:
    """Seconds from the start of a process to the first image that its verb opens."""
    command = [sys.executable, "-c", PROBE, str(images), *arguments]
    started = time.time()
    done = subprocess.run(command, cwd=place, check=True, capture_output=True, text=True)
    return float(done.stdout.rpartition("first image ")[2]) - started


@click.command(help=__doc__)
def main() -> None:
    works = {
        name: partial(subprocess.run, [sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
        for name, arguments in COMMANDS.items()
    }
    report("start", "median of 15", in_turns(works, 15), "adtrack --help")
    images = data_root("demo", "zipper").absolute()
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        register = [sys.executable, "-m", "adtrack", "build-bank", *_CLASS, "--layers", "layer2", "--register"]
        subprocess.run(register, cwd=place, check=True, stdout=subprocess.DEVNULL)
        asked = verbs(images, place)
        times = [{name: until_first_image(images, place, verb) for name, verb in asked.items()} for _ in range(5)]
    medians = {name: statistics.median(turn[name] for turn in times) for name in asked}
    report("start", "first image, median of 5", medians, "build-bank")


if __name__ == "__main__":
    main()
