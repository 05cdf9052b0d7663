"""How long does the command line take to answer?

adtrack --help and the help of a verb in processes of their own, beside an interpreter that does nothing and one that
imports torch, which every verb needs to do its work: all in turn.

\b
Command:  python -m experiments.benchmarks.start
Cost:     a minute.
Result:   experiments/results/benchmarks.csv
"""

import subprocess
import sys
from functools import partial

import click

from experiments.benchmarks.common import in_turns, report

COMMANDS = {
    "adtrack --help": ("-m", "adtrack", "--help"),
    "adtrack tune --help": ("-m", "adtrack", "tune", "--help"),
    "python -c pass": ("-c", "pass"),
    "python -c 'import torch'": ("-c", "import torch"),
}


@click.command(help=__doc__)
def main() -> None:
    works = {
        name: partial(subprocess.run, [sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
        for name, arguments in COMMANDS.items()
    }
    report("start", "median of 15", in_turns(works, 15), "adtrack --help")


if __name__ == "__main__":
    main()
