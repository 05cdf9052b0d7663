"""The command line: ``adtrack VERB``, also ``python -m adtrack VERB``."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from adtrack import __version__
from adtrack.command import run_command, warn
from adtrack.config import (
    DEMO,
    METHODS,
    BackboneSpec,
    BankSpec,
    BuildSpec,
    DataSpec,
    DetectorSpec,
    ImageSpec,
    PadimSpec,
    parse_layers,
)
from adtrack.errors import UserError

AUTO = "auto"  # an option's value that stands for "not given": MLproject must give every parameter some value
CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 110, "show_default": True}


def _together(*options: Callable) -> Callable:
    def decorate(command: Callable) -> Callable:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


_data_options = _together(
    click.option("--class", "class_name", required=True, help="Product class: a folder of the data set."),
    click.option("--data", default=DEMO, help="'demo', or a folder with classes in MVTec layout."),
    click.option("--seed", default=42, help="Seeds splits, shifts, coreset and random weights."),
    click.option("--device", default="auto", help="auto, cpu or cuda."),
)
_backbone_options = _together(
    click.option("--backbone", default="resnet50", help="A torchvision classification network."),
    click.option("--weights", default="imagenet", help="imagenet, random, or a .pth or .safetensors file."),
    click.option("--resize", default=256, help="Side in pixels that images are squeezed to."),
    click.option("--crop", default=224, help="Side of the central crop; 0 = the whole image."),
    click.option("--reweight-neighbours", default=9, help="PatchCore: b of its equation 7; 1 = off."),
)
_bank_options = _together(
    click.option("--layers", default="layer2+layer3", help="Layers joined by +."),
    click.option("--patch-size", default=3, help="PatchCore: side of the neighbourhood, odd."),
    click.option("--coreset-fraction", default=0.1, help="PatchCore: share of the patches that it keeps."),
    click.option("--padim-dimensions", default=100, help="PaDiM: feature dimensions that it keeps, drawn at random."),
    click.option(
        "--method",
        default="patchcore",
        type=click.Choice(METHODS),
        help="What detects anomalies; an option of the other method is ignored.",
    ),
)
_study_options = _together(
    click.option("--trials", default=20, help="Finished trials that the study shall have in total."),
    click.option("--study", default=AUTO, help="Name of the study; auto: from class, data and space."),
    click.option("--storage", default=AUTO, help="Optuna's database URL; auto: optuna.db beside the MLflow store."),
    click.option("--sampler", default="tpe", help="tpe, random or grid."),
    click.option("--metric", default="image_auroc", help="The Val metric that counts."),
    click.option(
        "--objective", default="both", help="both (mean of Val-clean and Val-shift), clean, shift, worst or pareto."
    ),
    click.option("--max-bank-mb", default=0.0, help="Largest bank in MB that may win; 0 = no limit."),
    click.option("--space-patch-size", default="1,3,5,7", help="Patch sizes to try."),
    click.option(
        "--space-layers",
        default="layer1,layer1+layer2,layer1+layer2+layer3,layer2,layer2+layer3,layer3",
        help="Layer combinations to try.",
    ),
    click.option("--space-coreset-fraction", default="0.01,0.025,0.05,0.1,0.25", help="Coreset fractions to try."),
)


@click.group(context_settings=CONTEXT)
@click.version_option(__version__, prog_name="adtrack")
@click.option("--debug", is_flag=True, help="Show tracebacks.")
def cli(debug: bool) -> None:
    """Find, compare, register and use the PatchCore memory bank that works for your product.

    \b
    adtrack tune --class zipper                     search on the built-in demo data
    adtrack tune --class screw --data mvtec/        ... or on your own images
    adtrack score --model models:/adtrack-zipper@champion photos/ --out scored/
    adtrack export --class zipper --out tables/     tables for your report
    """


@cli.command("build-bank")
@_data_options
@_backbone_options
@_bank_options
@click.option(
    "--register", is_flag=False, flag_value=True, type=bool, default=False, help="Register it as adtrack-<class>."
)
def build_bank(register: bool, device: str, **options: Any) -> None:
    """Build one memory bank (or PaDiM's Gaussians), measure it on Val, log it as a run.

    \b
    adtrack build-bank --class zipper --layers layer2 --coreset-fraction 0.01 --register
    """
    from adtrack.verbs import build, report

    result = build.build_bank(_build_spec(**options), device, register, warn)
    report.print_bank(result, click.echo)


@cli.command("evaluate")
@_data_options
@_backbone_options
@_bank_options
@click.option("--model", default=AUTO, help="A model URI; auto: build the bank that the other options describe.")
def evaluate(model: str, device: str, **options: Any) -> None:
    """Measure a bank on Test-clean and Test-shift, at its own threshold.

    \b
    adtrack evaluate --class zipper --model models:/adtrack-zipper@champion
    """
    from adtrack.verbs import build, report

    result = build.evaluate_bank(_build_spec(**options), device, None if model == AUTO else model, warn)
    report.print_bank(result, click.echo)


@cli.command("tune")
@_data_options
@_backbone_options
@_study_options
def tune(
    device: str,
    study: str,
    storage: str,
    trials: int,
    sampler: str,
    metric: str,
    objective: str,
    max_bank_mb: float,
    space_patch_size: str,
    space_layers: str,
    space_coreset_fraction: str,
    **options: Any,
) -> None:
    """Search the bank that works on Val-clean and Val-shift, test it and register it.

    The same command goes on with a study that was interrupted.

    \b
    adtrack tune --class zipper --trials 30 --max-bank-mb 20
    """
    from adtrack.tuning.space import Space
    from adtrack.tuning.spec import StudySpec
    from adtrack.verbs import report
    from adtrack.verbs.tune import tune as run_tune

    space = Space(
        patch_size=_values(space_patch_size, int, "space-patch-size"),
        layers=_values(space_layers, str, "space-layers"),
        coreset_fraction=_values(space_coreset_fraction, float, "space-coreset-fraction"),
    )
    asked = StudySpec(space, trials, sampler, metric, objective, max_bank_mb, options["seed"])
    name, url = (None if value == AUTO else value for value in (study, storage))
    result = run_tune(_build_spec(**options), asked, name, url, device, click.echo, warn)
    report.print_study(result, click.echo)
    if result.failed:
        sys.exit(1)


@cli.command("score")
@click.argument("images", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--model", required=True, help="A model URI, such as models:/adtrack-zipper@champion.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder for scores.csv and overlays/.")
@click.option("--device", default="auto", help="auto, cpu or cuda.")
def score(images: tuple[Path, ...], model: str, out: Path, device: str) -> None:
    """Score images, or all images below folders, with a bank.

    \b
    adtrack score --model models:/adtrack-zipper@champion photos/ --out scored/
    """
    from adtrack.verbs import report
    from adtrack.verbs.score import score_images

    result = score_images(model, images, out, device)
    report.print_scores(result, click.echo)
    if result.failed:
        sys.exit(1)


@cli.command("export")
@click.option("--class", "class_name", default=AUTO, help="Class whose newest study is exported; auto: all classes.")
@click.option("--study", default=AUTO, help="A study's name instead.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder for tables and plots/.")
def export(class_name: str, study: str, out: Path) -> None:
    """Write a study's tables (CSV, Markdown, LaTeX, HTML) and figures.

    \b
    adtrack export --class zipper --out tables/
    """
    from adtrack.verbs import report
    from adtrack.verbs.export import export as run_export

    chosen = (None if value == AUTO else value for value in (class_name, study))
    report.print_export(run_export(*chosen, out), click.echo)


@cli.command("make-shift")
@click.option("--class", "class_name", required=True, help="Product class: a folder of the data set.")
@click.option("--data", default=DEMO, help="'demo', or a folder with classes in MVTec layout.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder that the class is written below.")
@click.option("--severity", default=1.0, help="0 = no shift, 1 = the protocol's, 2 = double.")
@click.option("--seed", default=42, help="Seeds the shift of every image.")
def make_shift(class_name: str, data: str, out: Path, severity: float, seed: int) -> None:
    """Write a class through MVTec-Shift: images and masks for any tool, all parameters, a page to look at.

    \b
    adtrack make-shift --class zipper --data mvtec/ --out mvtec-shift/
    """
    from adtrack.verbs import report
    from adtrack.verbs.make_shift import make_shift as run_make_shift

    report.print_shift(run_make_shift(DataSpec(class_name, data, seed), out, severity), click.echo)


@cli.command("demo-data")
@click.option("--out", type=click.Path(path_type=Path), help="Folder to write to; without it, adtrack's cache.")
def demo_data(out: Path | None) -> None:
    """Write the generated demo data set: zipper, carpet and hazelnut in MVTec layout."""
    from adtrack.data.demo import demo_root, make_demo

    try:
        click.echo(f"The demo data set is in {demo_root() if out is None else make_demo(out)}")
    except OSError as error:
        raise UserError(f"out must be a folder that can be written to, but {out} is not ({error}).") from error


@cli.command("cache")
@click.option("--clear", is_flag=True, help="Remove everything that can be made again.")
def cache(clear: bool) -> None:
    """Show what adtrack keeps on disk, and empty it."""
    from adtrack.verbs.cache import clear_cache, describe_cache

    click.echo(clear_cache() if clear else describe_cache())


def _build_spec(
    class_name: str,
    data: str,
    seed: int,
    backbone: str,
    weights: str,
    resize: int,
    crop: int,
    **detector: Any,
) -> BuildSpec:
    return BuildSpec(
        DataSpec(class_name, data, seed),
        ImageSpec(resize, crop),
        BackboneSpec(backbone, weights, seed),
        _detector_spec(seed=seed, **detector),
    )


def _detector_spec(
    *, layers: str = "layer2+layer3", method: str = "patchcore", padim_dimensions: int = 100, seed: int, **bank: Any
) -> DetectorSpec:
    if method == "padim":
        return PadimSpec(parse_layers(layers), padim_dimensions, seed)
    return BankSpec(parse_layers(layers), seed=seed, **bank)


def _values(text: str, kind: Callable, name: str) -> tuple:
    try:
        return tuple(kind(part.strip()) for part in text.split(","))
    except ValueError as error:
        raise UserError(f"{name} must be values joined by commas, but got {text!r}.") from error


def main() -> None:
    """Run a verb: 0 done, 1 done with failures, 2 wrong usage, 130 stopped."""
    run_command(cli, sys.argv[1:])
