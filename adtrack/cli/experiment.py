"""The verb experiment: one command an experiment, all with the same options."""

import ast
import importlib
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

import adtrack
from adtrack.cli.completion import complete_data
from adtrack.cli.options import together
from adtrack.command import loading, say, warn
from adtrack.config import (
    DEMO,
    DEMO_CLASSES,
    BackboneSpec,
    DataSpec,
    DetectorSpec,
    ImageSpec,
)
from adtrack.data.layouts import class_names
from adtrack.detectors.padim import PadimSpec
from adtrack.detectors.patchcore import PatchCoreSpec
from adtrack.errors import UserError
from adtrack.settings import parse_layers
from adtrack.verbs.checks import check_writable, need_anomalies

NAMES = ("shift_regimes", "unified", "efficiency", "hyperparameters_under_shift", "severity")
ALL = "all"
_OPTIONS = together(
    click.option("--classes", default=ALL, help="Class names joined by commas; all: every class of the data."),
    click.option("--data", default=DEMO, shell_complete=complete_data, help="demo, or a folder in MVTec layout."),
    click.option("--methods", default="patchcore,padim", help="Methods joined by commas."),
    click.option("--backbone", default="resnet18", help="A torchvision classification network."),
    click.option("--weights", default="imagenet", help="imagenet, random, or a .pth or .safetensors file."),
    click.option("--layers", default="layer2+layer3", help="Layers of both methods, joined by +."),
    click.option("--patch-size", default=3, help="PatchCore's neighbourhood."),
    click.option("--coreset-fraction", default=0.1, help="Share of the patches that PatchCore keeps."),
    click.option("--padim-dimensions", default=100, help="Feature dimensions that PaDiM keeps."),
    click.option("--resize", default=256, help="Side of the view before the crop."),
    click.option("--crop", default=224, help="Side of the central crop; 0 = none."),
    click.option("--seed", default=42, help="Of splits, shift, coreset and random weights."),
    click.option("--device", default="auto", help="auto, cpu or cuda."),
    click.option("--out", default=Path("tables"), type=click.Path(path_type=Path), help="Folder for what it writes."),
)


class _ByQuestion(click.Group):
    """The experiments with what each of them asks; none is imported before it runs."""

    def list_commands(self, context: click.Context) -> list[str]:
        return list(NAMES)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        return experiment_command(name) if name in NAMES else None

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Experiments"):
            formatter.write_dl([(name, _told(name).split("\n")[0]) for name in NAMES])


@click.command(
    "experiment",
    cls=_ByQuestion,
    short_help="Measure what drift costs, and other questions of the study.",
    subcommand_metavar="EXPERIMENT [OPTIONS]",
)
def experiment() -> None:
    """Measure one of the study's questions: tables and charts in a folder and on an MLflow run.

    \b
    adtrack experiment shift_regimes                on the demo data
    adtrack experiment severity --data data/ --classes screw
    """


def experiment_command(name: str) -> click.Command:
    """The command line of the experiment ``name``."""

    @click.command(name, help=_told(name).replace("\n\nCommand:", "\n\n\b\nCommand:"))  # \b: its lines stay lines
    @_OPTIONS
    def run(out: Path, **options: Any) -> None:
        asked = _asked(name, out, **options)
        with loading():
            from adtrack.lab.setup import Setup
            from adtrack.verbs.experiment import run_experiment
            from adtrack.verbs.report import print_experiment

            chosen = importlib.import_module(f"adtrack.verbs.experiments.{name}").EXPERIMENT

        found = run_experiment(chosen, Setup(*asked), options, out, _say, warn)
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
        print_experiment(found, say, width)

    return run


def _told(name: str) -> str:
    """What an experiment says of itself, without importing it: it needs libraries that take seconds to load."""
    file = Path(adtrack.__file__).parent / "verbs" / "experiments" / f"{name}.py"
    return ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""


def _say(text: str) -> None:
    say(text, err=True)  # what is found, and nothing else, goes to stdout


def _asked(
    name: str,
    out: Path,
    classes: str,
    data: str,
    methods: str,
    backbone: str,
    weights: str,
    layers: str,
    patch_size: int,
    coreset_fraction: float,
    padim_dimensions: int,
    resize: int,
    crop: int,
    seed: int,
    device: str,
) -> tuple:
    """The fields of a Setup, all that needs no library being checked."""
    chosen = parse_layers(layers)
    known: dict[str, DetectorSpec] = {
        "patchcore": PatchCoreSpec(chosen, patch_size, coreset_fraction, seed=seed),
        "padim": PadimSpec(chosen, padim_dimensions, seed=seed),
    }
    unknown = sorted(set(methods.split(",")) - set(known))
    if unknown:
        raise UserError(f"methods must be among {', '.join(known)}, but got {', '.join(unknown)}.")
    view, network = ImageSpec(resize, crop), BackboneSpec(backbone, weights, seed)
    names = _classes(classes, data)
    for class_name in names:
        need_anomalies(DataSpec(class_name, data, seed), f"experiment {name}")
    check_writable(out / name)
    return names, data, tuple(known[method] for method in methods.split(",")), view, network, device, seed


def _classes(classes: str, data: str) -> Sequence[str]:
    if classes != ALL:
        return tuple(part.strip() for part in classes.split(","))
    return tuple(sorted(DEMO_CLASSES) if data == DEMO else class_names(Path(data).expanduser()))
