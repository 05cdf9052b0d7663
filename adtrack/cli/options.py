"""The options that several verbs share, and the specifications that they describe."""

from collections.abc import Callable
from typing import Any

import click

from adtrack.cli.completion import complete_class, complete_data
from adtrack.config import (
    DEMO,
    GOOD_QUANTILE,
    BackboneSpec,
    BuildSpec,
    DataSpec,
    DetectorSpec,
    ImageSpec,
)
from adtrack.detectors import DETECTORS
from adtrack.detectors.padim import PadimSpec
from adtrack.detectors.patchcore import PatchCoreSpec
from adtrack.errors import UserError
from adtrack.settings import parse_layers

AUTO = "auto"  # an option's value that stands for "not given": MLproject must give every parameter some value


def together(*options: Callable) -> Callable:
    """Several options as one decorator, in the order of ``--help``."""

    def decorate(command: Callable) -> Callable:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


class_option = click.option(
    "--class",
    "class_name",
    required=True,
    shell_complete=complete_class,
    help="Product class: a folder of the data set.",
)
data_option = click.option(
    "--data", default=DEMO, shell_complete=complete_data, help="'demo', or a folder with classes in MVTec layout."
)
bit_depth_option = click.option(
    "--bit-depth", default=AUTO, help="How many bits of 16-bit files are used, 8 to 16; auto: as their values say."
)
data_options = together(
    class_option,
    data_option,
    bit_depth_option,
    click.option("--seed", default=42, help="Seeds splits, shifts, coreset and random weights."),
    click.option("--device", default="auto", help="auto, cpu or cuda."),
)
backbone_options = together(
    click.option("--backbone", default="resnet50", help="A torchvision classification network."),
    click.option("--weights", default="imagenet", help="imagenet, random, or a .pth or .safetensors file."),
    click.option("--resize", default=256, help="Side in pixels that images are squeezed to."),
    click.option("--crop", default=224, help="Side of the central crop; 0 = the whole image."),
    click.option("--reweight-neighbours", default=9, help="PatchCore: b of its equation 7; 1 = off."),
)
bank_options = together(
    click.option("--layers", default="layer2+layer3", help="Layers joined by +."),
    click.option("--patch-size", default=3, help="PatchCore: side of the neighbourhood, odd."),
    click.option("--coreset-fraction", default=0.1, help="PatchCore: share of the patches that it keeps."),
    click.option("--padim-dimensions", default=100, help="PaDiM: feature dimensions that it keeps, drawn at random."),
    click.option(
        "--method",
        default="patchcore",
        type=click.Choice(list(DETECTORS)),
        help="What detects anomalies; an option of the other method is ignored.",
    ),
    click.option(
        "--good-quantile",
        default=GOOD_QUANTILE,
        help="If no anomalies are labelled: the quantile of good Val scores that becomes the threshold.",
    ),
)
study_options = together(
    click.option("--trials", default=20, help="Finished trials that the study shall have in total."),
    click.option("--study", default=AUTO, help="Name of the study; auto: from class, data and space."),
    click.option(
        "--storage",
        default=AUTO,
        help="Optuna's database URL; auto: ADTRACK_STORAGE, else optuna.db beside the MLflow store.",
    ),
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


def build_spec(
    class_name: str,
    data: str,
    seed: int,
    backbone: str,
    weights: str,
    resize: int,
    crop: int,
    bit_depth: str = AUTO,
    good_quantile: float = GOOD_QUANTILE,
    **detector: Any,
) -> BuildSpec:
    """What the shared options describe."""
    return BuildSpec(
        DataSpec(class_name, data, seed, parse_bit_depth(bit_depth)),
        _detector_spec(seed=seed, **detector),
        ImageSpec(resize, crop),
        BackboneSpec(backbone, weights, seed),
        good_quantile,
    )


def parse_bit_depth(text: str) -> int | None:
    """A number of bits; None for auto."""
    if text == AUTO:
        return None
    if not text.isdecimal():
        raise UserError(f"bit depth must be auto or a whole number from 8 to 16, but got {text!r}.")
    return int(text)


def _detector_spec(
    *, layers: str = "layer2+layer3", method: str = "patchcore", padim_dimensions: int = 100, seed: int, **bank: Any
) -> DetectorSpec:
    if method == "padim":
        return PadimSpec(parse_layers(layers), padim_dimensions, seed=seed)
    return PatchCoreSpec(parse_layers(layers), seed=seed, **bank)


def values(text: str, kind: Callable, name: str) -> tuple:
    """The values of an option that lists them."""
    try:
        return tuple(kind(part.strip()) for part in text.split(","))
    except ValueError as error:
        raise UserError(f"{name} must be values joined by commas, but got {text!r}.") from error
