"""The verbs that make models: build-bank, evaluate, tune."""

import shutil
import sys
from dataclasses import replace
from typing import Any

import click

from adtrack.cli.classes import asked_classes
from adtrack.cli.methods import (
    AUTO,
    MethodCommand,
    asked_space,
    build_options,
    check_fixed,
    option_pairs,
    tune_options,
)
from adtrack.cli.options import (
    backbone_options,
    build_spec,
    build_threshold_options,
    data_options,
    study_options,
    tune_data_options,
    tune_threshold_options,
    workers_option,
)
from adtrack.command import loading, say, warn
from adtrack.scale.workers import Workers
from adtrack.verbs.checks import check_build, check_class, need_anomalies
from adtrack.verbs.tune import LOADED_AHEAD


@click.command(
    "build-bank",
    cls=MethodCommand,
    brought=build_options,
    short_help="Build one model, such as PatchCore's memory bank, and measure it on Val.",
)
@data_options
@backbone_options
@build_threshold_options
@workers_option
@click.option(
    "--register", is_flag=False, flag_value=True, type=bool, default=False, help="Register it as adtrack-<class>."
)
def build_bank(register: bool, device: str, workers: Workers, **given: Any) -> None:
    """Build one model, such as PatchCore's memory bank, measure it on Val and log it as a run.

    Where there are only good images (train/good and nothing else), a quantile of their scores is the threshold.

    \b
    adtrack build-bank --class zipper --patch-size 1 --coreset-fraction 0.01
    adtrack build-bank --class photos --data data/ --register       from your own good images
    adtrack build-bank --class zipper --workers ray                 from more patches than one machine's memory holds
    """
    spec = build_spec(**given)  # before the libraries: what is wrong with it is said at once
    check_build(spec)
    with loading():
        from adtrack.verbs import build, report

    result = build.build_model(spec, device, register, warn, workers)
    report.print_model(result, say)


@click.command("evaluate", cls=MethodCommand, brought=build_options)
@data_options
@backbone_options
@build_threshold_options
@click.option("--model", default=AUTO, help="A model URI; auto: build the model that the other options describe.")
def evaluate(model: str, device: str, **given: Any) -> None:
    """Measure a model on Test-clean and Test-shift, at its own threshold.

    \b
    adtrack evaluate --class zipper --model models:/adtrack-zipper@champion
    adtrack evaluate --class zipper --method padim                  builds it first, from the options
    """
    spec = build_spec(**given)
    if model == AUTO:
        check_build(spec)
    else:
        check_class(spec.data)
    with loading():
        from adtrack.verbs import build, report

    result = build.evaluate_model(spec, device, None if model == AUTO else model, warn)
    report.print_model(result, say)


@click.command("tune", cls=MethodCommand, brought=tune_options)
@tune_data_options
@backbone_options
@study_options
@workers_option
@tune_threshold_options
def tune(
    device: str,
    workers: Workers,
    study: str,
    storage: str,
    trials: int,
    sampler: str,
    metric: str,
    objective: str,
    max_bank_mb: float,
    pruner: str,
    pixels: str,
    space: str,
    **given: Any,
) -> None:
    """Search the model that works best on Val-clean and Val-shift, test it and register it.

    The same command goes on with a study that was interrupted. --class takes several classes joined by commas, or all
    of the data that have labelled anomalies: each has a study of its own, and one page shows the best of all.

    \b
    adtrack tune --class zipper --trials 30 --max-bank-mb 20
    adtrack tune --class screw --data mvtec/ --space-layers layer2,layer2+layer3
    adtrack tune --class all --data mvtec/ --workers 4
    """
    classes, left_out = asked_classes(given.pop("class_name"), given["data"])
    spec = build_spec(class_name=classes[0], **given)
    tried = asked_space(given["method"], space, given)
    check_fixed(given["method"], option_pairs(given["options"]), tried)
    for class_name in classes:
        need_anomalies(replace(spec.data, class_name=class_name), "tune")
    with loading():
        from adtrack.scale.team import load_beside

        load_beside(workers, LOADED_AHEAD)

        from adtrack.tuning.space import Space
        from adtrack.tuning.spec import StudySpec
        from adtrack.verbs import report
        from adtrack.verbs.tune.several import tune_several
        from adtrack.verbs.tune.verb import tune as run_tune

    searched = Space.of(type(spec.detector), tried)
    asked = StudySpec(searched, trials, sampler, metric, objective, max_bank_mb, given["seed"], pruner, pixels)
    name, url = (None if value == AUTO else value for value in (study, storage))
    if left_out:
        warn(f"{', '.join(left_out)} {'has' if len(left_out) == 1 else 'have'} no labelled anomalies, and no study.")
    if len(classes) > 1:
        several = tune_several(spec, asked, name, url, device, classes, say, warn, workers)
        report.print_several(several, say, shutil.get_terminal_size().columns if sys.stdout.isatty() else None)
        failed = bool(several.failed) or any(one.failed for one in several.studies.values())
    else:
        result = run_tune(spec, asked, name, url, device, say, warn, workers)
        report.print_study(result, say)
        failed = bool(result.failed)
    if failed:
        sys.exit(1)
