"""The command line that all experiments share: classes, methods, backbone, view, and where the tables go."""

import sys
from pathlib import Path
from typing import Any

import click

from adtrack.command import run_command, warn
from adtrack.config import DEMO, BackboneSpec, BankSpec, DetectorSpec, ImageSpec, PadimSpec, parse_layers
from adtrack.data.classes import class_names
from adtrack.data.demo import data_root
from adtrack.errors import UserError
from adtrack.lab.setup import Setup
from adtrack.verbs.experiment import Measure, Prepare, run_experiment

ALL = "all"


def experiment(name: str, measure: Measure, description: str, prepare: Prepare | None = None) -> click.Command:
    """The command line of the experiment ``name``; the first paragraph of ``description`` is its help."""

    @click.command(name, help=description, context_settings={"show_default": True, "max_content_width": 100})
    @click.option("--classes", default=ALL, help="Class names joined by commas; all: every class of the data.")
    @click.option("--data", default=DEMO, help="demo, or a folder in MVTec layout.")
    @click.option("--methods", default="patchcore,padim", help="Methods joined by commas.")
    @click.option("--backbone", default="resnet18", help="A torchvision classification network.")
    @click.option("--weights", default="imagenet", help="imagenet, random, or a .pth or .safetensors file.")
    @click.option("--layers", default="layer2+layer3", help="Layers of both methods, joined by +.")
    @click.option("--patch-size", default=3, help="PatchCore's neighbourhood.")
    @click.option("--coreset-fraction", default=0.1, help="Share of the patches that PatchCore keeps.")
    @click.option("--padim-dimensions", default=100, help="Feature dimensions that PaDiM keeps.")
    @click.option("--resize", default=256, help="Side of the view before the crop.")
    @click.option("--crop", default=224, help="Side of the central crop; 0 = none.")
    @click.option("--seed", default=42, help="Of splits, shift, coreset and random weights.")
    @click.option("--device", default="auto", help="auto, cpu or cuda.")
    @click.option("--out", default=Path("tables"), type=click.Path(path_type=Path), help="Folder for what it writes.")
    @click.option("--debug", is_flag=True, help="Show tracebacks.")
    def run(out: Path, debug: bool, **options: Any) -> None:
        folder = run_experiment(name, measure, _setup(**options), options, out, _say, warn, prepare)
        click.echo((folder / f"{name}.md").read_text(encoding="utf-8"))
        click.echo(f"Tables and charts: {folder}   They and every cell are in mlflow ui too: run “experiment {name}”")

    return run


def main(command: click.Command) -> None:
    """Run an experiment's command line."""
    run_command(command, sys.argv[1:])


def _say(text: str) -> None:
    click.echo(text, err=True)


def _setup(
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
) -> Setup:
    chosen = parse_layers(layers)
    known: dict[str, DetectorSpec] = {
        "patchcore": BankSpec(chosen, patch_size, coreset_fraction, seed=seed),
        "padim": PadimSpec(chosen, padim_dimensions, seed),
    }
    unknown = sorted(set(methods.split(",")) - set(known))
    if unknown:
        raise UserError(f"methods must be among {', '.join(known)}, but got {', '.join(unknown)}.")
    return Setup(
        tuple(class_names(data_root(data))) if classes == ALL else tuple(part.strip() for part in classes.split(",")),
        data,
        tuple(known[method] for method in methods.split(",")),
        ImageSpec(resize, crop),
        BackboneSpec(backbone, weights, seed),
        device,
        seed,
    )
