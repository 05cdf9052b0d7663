"""The verb fine-tune."""

from typing import Any

import click

from adtrack.cli.options import (
    auto_backbone_option,
    data_options,
    network_options,
    parse_bit_depth,
    parse_train_images,
    together,
)
from adtrack.command import loading, say, warn
from adtrack.config import BackboneSpec, DataSpec, ImageSpec
from adtrack.settings import given_values, settings
from adtrack.training.spec import TASK_NAMES, FineTuneSpec
from adtrack.verbs.checks import check_class

_SETTINGS = together(
    *(
        click.option(f"--{one.key.replace('_', '-')}", default=one.text(one.default), help=one.help)
        for one in settings(FineTuneSpec)
    )
)


@click.command("fine-tune", short_help="Train a network on good images, without labels, for detectors to use.")
@data_options
@click.option(
    "--task",
    required=True,
    type=click.Choice(TASK_NAMES),
    help="rotation: tell by how many quarter turns an image was turned, for products that are always photographed the "
    "same way up. cutmix: tell two views of an image from pieces pasted into it.",
)
@auto_backbone_option("resnet50")
@network_options
@_SETTINGS
@click.option(
    "--register",
    default="auto",
    type=click.Choice(["auto", "always", "never"]),
    help="Register the network as adtrack-trunk-<class>; auto: if it has learnt its task.",
)
def fine_tune(
    class_name: str,
    data: str,
    bit_depth: str,
    train_images: str,
    seed: int,
    device: str,
    task: str,
    backbone: str,
    weights: str,
    resize: int,
    crop: int,
    register: str,
    **own: Any,
) -> None:
    """Train a network's layers on the good Train images of a class, so that they know the product.

    A task is made of the images themselves; a part of them is held out to see when to stop. The same command goes on
    with a training that was stopped. On the demo it takes about a minute; a class of some hundred images takes several
    minutes, or less with a smaller --resize.

    \b
    adtrack fine-tune --class zipper --task cutmix
    adtrack tune --class zipper --backbone timm/tf_efficientnet_lite0 --weights models:/adtrack-trunk-zipper@champion
    """
    spec = FineTuneSpec(task, seed=seed, **given_values(FineTuneSpec, own, "options of fine-tune"))
    source = DataSpec(class_name, data, seed, parse_bit_depth(bit_depth), parse_train_images(train_images))
    view, network = ImageSpec(resize, crop), BackboneSpec.asked(backbone, weights, seed, data)
    check_class(source)
    with loading():
        from adtrack.verbs import report
        from adtrack.verbs.fine_tune import fine_tune as run_fine_tune

    report.print_fine_tuned(run_fine_tune(source, view, network, spec, device, register, say, warn), say, warn)
