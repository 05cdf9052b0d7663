"""The options that several verbs share, and the specifications that they describe."""

from collections.abc import Callable
from typing import Any

import click

from adtrack.cli.completion import complete_class, complete_data
from adtrack.cli.methods import AUTO, detector_spec, option_pairs
from adtrack.config import DEMO, DEMO_NETWORK, BackboneSpec, BuildSpec, DataSpec, ImageSpec
from adtrack.errors import UserError
from adtrack.scale.workers import RAY, Workers
from adtrack.threshold_spec import GOOD_QUANTILE, ThresholdSpec

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def together(*options: Decorator) -> Decorator:
    """Several options as one decorator, in the order of ``--help``."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def class_names_option(more: str = "") -> Decorator:
    """The option --class; ``more`` is said of it."""
    return click.option(
        "--class",
        "class_name",
        required=True,
        shell_complete=complete_class,
        help=f"Product class: a folder of the data set{more}.",
    )


class_option = class_names_option()
data_option = click.option(
    "--data", default=DEMO, shell_complete=complete_data, help="'demo', or a folder with classes in MVTec layout."
)
bit_depth_option = click.option(
    "--bit-depth",
    default=AUTO,
    help="How many bits 16-bit files use, 8 to 16; auto: as many as the largest value of the class needs.",
)
seed_option = click.option(
    "--seed", default=42, help="Seed of splits, shifts, random weights and all that a method draws at random."
)
device_option = click.option("--device", default="auto", help="auto, cpu or cuda.")
train_images_option = click.option(
    "--train-images",
    default=AUTO,
    help="How many images of Train to learn from, a choice that the seed makes; auto: all, and as many as the model "
    "has learned from where a finished one is measured.",
)
workers_option = click.option(
    "--workers",
    default="1",
    metavar=f"N|{RAY}",
    callback=lambda context, parameter, text: Workers.parse(text),
    help="How many processes of this machine share the work, and its cores; 1: this one alone; "
    f"{RAY}: those of a Ray cluster that runs, or of one that is started here.",
)
_other_data_options = together(data_option, bit_depth_option, train_images_option, seed_option, device_option)
data_options = together(class_option, _other_data_options)
tune_data_options = together(
    class_names_option("; several are joined by commas, and all are those that have labelled anomalies"),
    _other_data_options,
)
network_options = together(
    click.option(
        "--weights",
        default="imagenet",
        help="imagenet, random, a .pth or .safetensors file, or one in MLflow (models:/…, runs:/…/…).",
    ),
    click.option("--resize", default=256, help="Side of the square that images are squeezed to, in pixels."),
    click.option(
        "--crop", default=224, help="Side of the central square that the network sees, in pixels; 0: the whole image."
    ),
)


def backbone_option(default: str, more: str = "") -> Decorator:
    """The name of the network; ``more`` is said of its default."""
    words = "A convolutional network of torchvision, or timm/NAME or timm/NAME.TAG: any network of timm"
    return click.option("--backbone", default=default, help=f"{words}{more}.")


def auto_backbone_option(usual: str) -> Decorator:
    """The name of the network, by default one that the data decide."""
    return backbone_option(AUTO, f"; auto: {usual}, and {DEMO_NETWORK}, which needs no download, for the demo")


backbone_options = together(auto_backbone_option("resnet50"), network_options)


def threshold_options(more: str) -> Decorator:
    """From which images the threshold comes, and by which rule; ``more`` is said of ``--calibrate-on auto``."""
    return together(
        click.option(
            "--calibrate-on",
            default=AUTO,
            help="The Val images that the threshold comes from: both, val_clean or val_shift; auto: both where "
            f"anomalies are labelled{more}.",
        ),
        click.option(
            "--threshold-from",
            default=AUTO,
            help="f1: the best F1 on these images; good_quantile: the threshold that lets --good-quantile of their "
            "good ones pass; mean_std: two standard deviations above the mean score of their good ones; auto: f1 where "
            "anomalies are labelled, else good_quantile.",
        ),
        click.option(
            "--good-quantile",
            default=GOOD_QUANTILE,
            help="The share of good parts that shall pass, for --threshold-from good_quantile.",
        ),
    )


build_threshold_options = threshold_options("")
tune_threshold_options = threshold_options(", but a study that began earlier keeps its own")
study_options = together(
    click.option("--trials", default=20, help="How many finished trials the study shall have in total."),
    click.option("--study", default=AUTO, help="Name of the study; auto: from class, data and space."),
    click.option(
        "--storage",
        default=AUTO,
        help="Optuna's database URL; auto: ADTRACK_STORAGE, else optuna.db beside the MLflow store.",
    ),
    click.option("--sampler", default="tpe", help="tpe, random or grid."),
    click.option("--metric", default="image_auroc", help="The metric on Val that counts."),
    click.option(
        "--objective", default="both", help="both (mean of Val-clean and Val-shift), clean, shift, worst or pareto."
    ),
    click.option("--max-bank-mb", default=0.0, help="Largest size in MB that the best model may have; 0: no limit."),
    click.option(
        "--pruner",
        default="auto",
        help="Which hopeless trials end at a small model: auto, none, median, hyperband or wilcoxon.",
    ),
    click.option("--pixels", default="best", help="Which trials have metrics of pixels: best (those compared) or all."),
)


def build_spec(
    class_name: str,
    data: str,
    seed: int,
    backbone: str,
    weights: str,
    resize: int,
    crop: int,
    method: str,
    options: str,
    bit_depth: str,
    train_images: str,
    calibrate_on: str,
    threshold_from: str,
    good_quantile: float,
    **own: str,
) -> BuildSpec:
    """What the shared options describe; ``own`` are those of the methods' settings."""
    return BuildSpec(
        DataSpec(class_name, data, seed, parse_bit_depth(bit_depth), parse_train_images(train_images)),
        detector_spec(method, option_pairs(options), own, seed),
        ImageSpec(resize, crop),
        BackboneSpec.asked(backbone, weights, seed, data),
        ThresholdSpec(calibrate_on, threshold_from, good_quantile),
    )


def parse_bit_depth(text: str) -> int | None:
    """A number of bits; None for auto."""
    return _whole_or_auto(text, "bit depth must be auto or a whole number from 8 to 16")


def parse_train_images(text: str) -> int | None:
    """A number of images; None for auto."""
    return _whole_or_auto(text, "train images must be auto or a whole number of at least 1")


def _whole_or_auto(text: str, rule: str) -> int | None:
    if text == AUTO:
        return None
    if not text.isdecimal():
        raise UserError(f"{rule}, but got {text!r}.")
    return int(text)
