"""What a verb tells at its end: the figures, where things are, and what to type next."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from adtrack.config import DEMO
from adtrack.data.files import SUFFIXES
from adtrack.data.imageset import TEST_SETS, VAL_SETS
from adtrack.detectors import detector_class
from adtrack.evaluation.alarms import floods
from adtrack.findings import counted, listed
from adtrack.naming import argument
from adtrack.reporting.tables import plain_table
from adtrack.verbs.metric_rows import print_metrics

if TYPE_CHECKING:  # a verb must not wait for what the other verbs import
    from adtrack.tuning.finish import StudyResult
    from adtrack.verbs.build import ModelReport
    from adtrack.verbs.experiment import ExperimentReport
    from adtrack.verbs.export import ExportReport
    from adtrack.verbs.fine_tune import FineTuneReport
    from adtrack.verbs.make_shift import ShiftReport
    from adtrack.verbs.score.verb import ScoreReport
    from adtrack.verbs.tune.several import SeveralResult

Say = Callable[[str], None]


def print_model(report: ModelReport, say: Say) -> None:
    """A model that was built or evaluated."""
    say("")
    sets = {found.name: found.metrics for found in report.evaluations}
    print_metrics(sets, report.no_pixels, say)
    for words in report.threshold:
        say(f"  {words}")
    for words in floods({name: metrics["false_alarm_rate"] for name, metrics in sets.items()}):
        say(f"  {words}")
    say("")
    if report.costs:
        kind = detector_class(report.method)
        say(
            f"{kind.name}: {report.costs['bank_rows']:.0f} {kind.rows_called}, {report.costs['bank_mb']:.2f} MB, "
            f"built in {report.costs['build_s']:.1f} s, about {report.costs['score_ms']:.0f} ms per image"
        )
    say(f"Run:   {report.page or f'{report.run_id}   (mlflow ui shows it)'}")
    say(f"Model: {report.model}")
    model = report.model
    if report.registered:
        found = report.registered
        say(f"Registered as {found.name} version {found.version}: candidate{' and champion' if found.champion else ''}")
        model = f"models:/{found.name}@{'champion' if found.champion else 'candidate'}"
    say("")
    say(f"Score your images with it:  adtrack score --model {argument(model)} photos/ --out scored/")


def print_study(result: StudyResult, say: Say) -> None:
    """A finished study."""
    from adtrack.tuning.searched import about  # imports optuna, which the other verbs can do without

    best = result.best
    say("")
    say(
        f"Best of {counted(result.trials, 'trial')}: {about(best)}; "
        f"{best.metrics['cost/bank_mb']:.2f} MB, about {best.metrics['cost/score_ms']:.0f} ms per image"
    )
    sets: dict[str, dict[str, float]] = {}
    for name, value in best.metrics.items():
        group, slash, metric = name.partition("/")
        if slash and group != "cost":
            sets.setdefault(group, {})[metric] = value
    print_metrics({name: sets[name] for name in (*VAL_SETS, *TEST_SETS)}, result.unmarked, say)
    for remark in (*result.threshold, *result.remarks):
        say(f"  {remark}")
    registered = result.registered
    say("")
    say(
        f"Registered as {registered.name} version {registered.version}"
        + (", champion." if registered.champion else ": candidate (another version is champion).")
    )
    say(f"Report: {result.report}")
    say(f"Tables: {result.tables}")
    if result.failed:
        say(f"Failed trials: {result.failed}; each one's run holds error.txt.")
    alias = "champion" if registered.champion else "candidate"
    say("")
    say("Next:")
    if result.page:
        say(f"  {result.page}   compare the trials")
    else:
        say("  mlflow ui                                         compare the trials")
    say(f"  adtrack score --model {argument(f'models:/{registered.name}@{alias}')} photos/ --out scored/")
    say(f"  adtrack export --class {argument(best.class_name)} --out tables/")


def print_several(result: SeveralResult, say: Say, width: int | None) -> None:
    """The studies of several classes, in a terminal of ``width`` characters."""
    say("")
    for line in plain_table(result.table, width).split("\n"):
        say(line)
    say("")
    say(result.table.notes)
    say("")
    for words in result.failed:
        say(f"Not finished: {words}")
    failed = [class_name for class_name, one in result.studies.items() if one.failed]
    if failed:
        say(f"Failed trials in the studies of {', '.join(failed)}; each one's run holds error.txt.")
    say(f"Overview: {result.page}")
    say(f"Tables:   {result.tables}")
    say("")
    say("Next:")
    say("  mlflow ui                                         compare studies and trials")
    model = argument(f"models:/{next(iter(result.studies.values())).registered.name}@champion")
    say(f"  adtrack score --model {model} photos/ --out scored/")


def print_fine_tuned(report: FineTuneReport, say: Say, warn: Say) -> None:
    """A network that was fine-tuned."""
    tuned, registered = report.tuned, report.registered
    say("")
    say(f"Best of {counted(len(tuned.trained.epochs), 'epoch')}: {tuned.trained.best}")
    (say if tuned.verdict.taught else warn)(tuned.verdict.words)
    say("")
    say(f"Run:     {report.page or f'{report.run_id}   (mlflow ui shows it)'}")
    say(f"Network: {report.uri}   SHA-256 {tuned.trunk.sha256[:12]}…")
    weights = report.uri
    if registered:
        weights = f"models:/{registered.name}@{'champion' if registered.champion else 'candidate'}"
        say(
            f"Registered as {registered.name} version {registered.version}"
            + (", champion." if registered.champion else ": candidate (another version is champion).")
        )
    else:
        say("It is not registered.")
    say("")
    say("Next, see whether a detector gains by it:")
    data = "" if report.data.root == DEMO else f" --data {argument(report.data.root)}"
    named = f"--class {argument(report.data.class_name)}{data} --backbone {argument(tuned.trunk.network)}"
    say(f"  adtrack build-bank {named} --weights {argument(weights)}")


def print_scores(report: ScoreReport, say: Say) -> None:
    """Scored images."""
    say(f"Model {report.model}: {report.anomalous} of {report.scored} images are anomalous.")
    if report.before:
        say(
            f"{report.before} of these scores are of an earlier call, as their images have not changed since. To score "
            "all anew, choose another --out."
        )
    if report.failed:
        say(
            f"{len(report.failed)} could not be scored: {', '.join(report.failed[:3])}{' …' * (len(report.failed) > 3)}"
        )
    if report.no_images:
        count = counted(len(report.no_images), "file")
        say(f"{count} left out, as images are {' '.join(SUFFIXES)}: {listed(report.no_images)}")
    if report.as_stored:
        say(
            f"{counted(report.as_stored, 'image')} with an orientation tag: scored as stored, as the model's own were "
            "read. A model that is built anew takes them as a viewer shows them."
        )
    if report.left:
        say(f"Stopped: {report.left} images are not scored.")
    say(f"Look at them: {report.gallery}")
    say(f"Scores: {report.table}" + (f"   Heatmaps: {report.overlays}" if report.overlays else ""))


def print_export(report: ExportReport, say: Say) -> None:
    """Written tables and figures."""
    say(f"Studies: {', '.join(report.studies)}")
    for file in report.files:
        say(f"  {file}")


def print_experiment(report: ExperimentReport, say: Say, width: int | None) -> None:
    """What an experiment found, in a terminal of ``width`` characters, and where it is."""
    for table in report.tables:
        for line in ("", table.title, "", *plain_table(table, width).split("\n"), "", table.notes):
            say(line)
    say("")
    for words in report.failed:
        say(f"Not measured: {words}")
    say(f"Tables and charts: {report.folder}")
    say(f"They and every cell are in mlflow ui too: run “experiment {report.name}”")


def print_shift(report: ShiftReport, say: Say) -> None:
    """A shifted class."""
    name = report.data.class_name
    there = f" ({report.kept} were there)" if report.kept else ""
    say(
        f"Class {name} at severity {report.severity:g}, seed {report.data.seed}: {report.images} images{there}, "
        f"{report.masks} masks in {report.manifest.parent}"
    )
    say(f"Parameters of every image: {report.manifest}")
    say(f"Before and after:          {report.page} and {report.sheet}")
    say("")
    say("Next, with these images as the clean ones:")
    say(f"  adtrack build-bank --class {argument(name)} --data {argument(str(report.out))}")
