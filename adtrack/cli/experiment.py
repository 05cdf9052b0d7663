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
from adtrack.cli.methods import AUTO, MethodCommand, detector_spec, option_pairs, setting_options
from adtrack.cli.options import auto_backbone_option, data_option, device_option, network_options, seed_option, together
from adtrack.command import loading, say, warn
from adtrack.config import DEMO, DEMO_CLASSES, BackboneSpec, DataSpec, ImageSpec
from adtrack.data.layouts import class_names
from adtrack.detectors import DETECTORS
from adtrack.errors import UserError
from adtrack.lab.networks import parse_networks, parse_trunks
from adtrack.verbs.checks import check_writable, need_anomalies

NAMES = (
    "methods",
    "shift_regimes",
    "unified",
    "efficiency",
    "hyperparameters_under_shift",
    "severity",
    "unseen_shifts",
    "adaptation",
    "few_shot",
    "feature_map",
    "backbones",
    "fine_tuning",
)
# Options that some experiments have. The others take "auto" alone, since MLflow gives every parameter some value.
OWN = {"backbones": ("backbones",), "trunks": ("fine_tuning",)}
_USUAL_NETWORK, _USUAL_METHODS = "resnet18", ("patchcore", "padim")
NETWORKS = "timm/tf_efficientnet_lite0,resnet18"
ALL = "all"
_EXAMPLE = "patchcore.coreset_fraction=0.01,padim.padim_dimensions=50"
_OPTIONS = together(
    click.option("--classes", default=ALL, help="Class names joined by commas; all: every class of the data."),
    data_option,
    click.option(
        "--methods",
        default=AUTO,
        help=f"Methods joined by commas; auto: all of them for experiment methods, else {','.join(_USUAL_METHODS)}.",
    ),
    auto_backbone_option(_USUAL_NETWORK),
    network_options,
    click.option(
        "--options",
        default=AUTO,
        metavar="METHOD.NAME=VALUE,…",
        help=f'Any settings of the methods, as in "{_EXAMPLE}"; these go before the options of the same name.',
    ),
    seed_option,
    device_option,
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

    @click.command(
        name,
        cls=MethodCommand,
        brought=setting_options,
        help=_told(name).replace("\n\nCommand:", "\n\n\b\nCommand:"),  # \b: its lines stay lines
    )
    @_OPTIONS
    @click.option(
        "--backbones",
        default=AUTO,
        metavar="NAME[:LAYERS][=WEIGHTS],…",
        hidden=name not in OWN["backbones"],
        help=f"The networks to compare, each beside the first; auto: {NETWORKS}.",
    )
    @click.option(
        "--trunks",
        default=AUTO,
        metavar="NAME=WEIGHTS,…",
        hidden=name not in OWN["trunks"],
        help="Fine-tuned weights of --backbone to compare; auto: they are trained, by rotation and by CutMix.",
    )
    def run(out: Path, **given: Any) -> None:
        given = _own(name, given)
        asked = _asked(name, out, **given)
        with loading():
            from adtrack.lab.setup import Setup
            from adtrack.verbs.experiment import run_experiment
            from adtrack.verbs.report import print_experiment

            chosen = importlib.import_module(f"adtrack.verbs.experiments.{name}").EXPERIMENT

        found = run_experiment(chosen, Setup(*asked), given, out, _say, warn)
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
        print_experiment(found, say, width)
        if found.failed:
            sys.exit(1)

    return run


def _own(name: str, given: dict[str, Any]) -> dict[str, Any]:
    """What is given without the options that only other experiments have. UserError: one of them is given."""
    others = {option for option, names in OWN.items() if name not in names}
    for option in sorted(others):
        if given[option] != AUTO:
            raise UserError(
                f"{option} must be given to experiment {' or '.join(OWN[option])} alone, but got it for {name}."
            )
    return {option: value for option, value in given.items() if option not in others}


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
    options: str,
    resize: int,
    crop: int,
    seed: int,
    device: str,
    backbones: str = "",
    trunks: str = AUTO,
    **own: str,
) -> tuple[Any, ...]:
    """The fields of a Setup, all that needs no library being checked."""
    chosen = tuple(part.strip() for part in methods.split(","))
    if methods == AUTO:
        chosen = tuple(DETECTORS) if name == "methods" else _USUAL_METHODS
    texts = _by_method(options, chosen)
    detectors = tuple(detector_spec(method, texts[method], own, seed) for method in chosen)
    view, network = ImageSpec(resize, crop), BackboneSpec.asked(backbone, weights, seed, data, _USUAL_NETWORK)
    networks = parse_networks(NETWORKS if backbones == AUTO else backbones, weights, seed) if backbones else ()
    if trunks != AUTO:
        networks = parse_trunks(trunks, network.name, seed)
    names = _classes(classes, data)
    for class_name in names:
        need_anomalies(DataSpec(class_name, data, seed), f"experiment {name}")
    check_writable(out / name)
    return names, data, detectors, view, network, device, seed, networks


def _by_method(options: str, methods: Sequence[str]) -> dict[str, dict[str, str]]:
    """{method: {key: text}} of what ``--options`` gives."""
    found: dict[str, dict[str, str]] = {method: {} for method in methods}
    for name, text in option_pairs(options, _EXAMPLE).items():
        method, _, key = name.partition(".")
        if method not in found:
            known = ", ".join(f"{one}.NAME" for one in methods)
            raise UserError(f"options must be named {known}, but got {name!r}.", f"for example {_EXAMPLE}.")
        found[method][key] = text
    return found


def _classes(classes: str, data: str) -> Sequence[str]:
    if classes != ALL:
        return tuple(part.strip() for part in classes.split(","))
    return tuple(sorted(DEMO_CLASSES) if data == DEMO else class_names(Path(data).expanduser()))
