"""experiment: measure the cells of an experiment, write its tables and charts, and keep them on one run."""

import contextlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

from adtrack import __version__
from adtrack.config import DataSpec
from adtrack.features.backbone import choose_device
from adtrack.lab.cells import Cells, code_version
from adtrack.lab.setup import Setup
from adtrack.naming import argument
from adtrack.reporting.table import Table
from adtrack.reporting.tables import markdown
from adtrack.tracking.made_with import device_name
from adtrack.tracking.run import Run
from adtrack.tracking.runs import tracked_run
from adtrack.tracking.store import open_store
from adtrack.tracking.tags import CELLS, EXPERIMENT, NO_STUDY, ROLE, RunTags
from adtrack.tracking.workers import working
from adtrack.verbs.bench_setup import Say, warn_of
from adtrack.verbs.checks import check_writable, need_anomalies

_PACKAGES = ("anomalib", "mlflow", "numpy", "scikit-learn", "torch", "torchvision")
_TAG = 4000  # characters of a tag that every tracking store takes


@dataclass(frozen=True)
class Experiment:
    """A named experiment.

    ``measure(cells, setup, folder)`` writes its files into the folder and returns its tables. ``prepare(setup, say,
    warn)`` is called first and gives the setup that is measured. The experiment's run is not open yet, so it may open
    runs of its own. If ``goes_on``, a network or method that cannot be measured is not the end of the experiment, so
    each is opened when it is measured.
    """

    name: str
    measure: Callable[[Cells, Setup, Path], Sequence[Table]]
    prepare: Callable[[Setup, Say, Say], Setup] | None = None
    goes_on: bool = False


@dataclass(frozen=True)
class ExperimentReport:
    """The tables of an experiment, the folder that holds them and its charts, and sentences on what ``failed``."""

    name: str
    tables: tuple[Table, ...]
    folder: Path
    failed: tuple[str, ...] = ()


def run_experiment(
    experiment: Experiment, setup: Setup, params: Mapping[str, object], out: Path, say: Say, warn: Say
) -> ExperimentReport:
    """Run an experiment. Its files go to the folder ``out``/<name> and onto a run that records ``params``."""
    name, target = experiment.name, out / experiment.name
    for class_name in setup.classes:
        need_anomalies(DataSpec(class_name, setup.data, setup.seed), f"experiment {name}")
    check_writable(target)
    open_store()
    if experiment.goes_on:
        common = setup.unseen()
    else:
        common = setup = setup.settled()
    for class_name in setup.classes:
        warn_of(common.bench(class_name), warn)
    if experiment.prepare is not None:
        with _without_joined_run():
            setup = experiment.prepare(setup, say, warn)
    with working() as worker:
        tags = RunTags(",".join(setup.classes), ",".join(setup.methods), NO_STUDY, "several")
        extra = {ROLE: "experiment", EXPERIMENT: name}
        with (
            tracked_run(worker, tags, name=f"experiment {name}", extra=extra) as run,
            tempfile.TemporaryDirectory() as scratch,
        ):
            run.log_params({key: str(value) for key, value in params.items()})
            cells, folder = Cells(run, _on_its_page(run, say)), Path(scratch) / name
            folder.mkdir()
            tables = experiment.measure(cells, setup, folder)
            (folder / "about.json").write_text(
                json.dumps(_about(name, setup, params, cells), indent=1), encoding="utf-8"
            )
            run.set_tags({CELLS: ",".join(cell.run_id for cell in cells.used)[:_TAG]})
            run.log_folder(Path(scratch))
            run.set_note(_note(name, run, tables))
            target.mkdir(parents=True, exist_ok=True)
            for file in sorted(folder.iterdir()):
                (target / file.name).write_bytes(file.read_bytes())
    return ExperimentReport(name, tuple(tables), target, tuple(cells.failed))


def _on_its_page(run: Run, say: Say) -> Say:
    """``say``, which also writes on the run's page in MLflow what is being measured."""

    def told(text: str) -> None:
        say(text)
        words = text.replace("`", "'")  # in a code span, nothing of a class's name is obeyed
        run.set_note(f"**At work:** `{words}` ({datetime.now().astimezone():%Y-%m-%d %H:%M %Z})")

    return told


def _note(name: str, run: Run, tables: Sequence[Table]) -> str:
    """Markdown for the run's page: a link to all tables, and as many of the tables as fit."""
    place = f"#/experiments/{run.experiment_id}/runs/{run.run_id}/artifacts/{name}/{name}.html"
    parts = [f"[The tables]({place})", *(markdown([table]) for table in tables)]
    return "\n\n".join(part for count, part in enumerate(parts, start=1) if sum(map(len, parts[:count])) < _TAG)


def _about(name: str, setup: Setup, params: Mapping[str, object], cells: Cells) -> dict[str, object]:
    """What somebody needs to run the experiment again, and where it ran."""
    options = " ".join(f"--{key.replace('_', '-')} {argument(str(value))}" for key, value in params.items())
    return {
        "command": f"adtrack experiment {name} {options}",
        "seed": setup.seed,
        "device": device_name(choose_device(setup.device)),
        "versions": {"adtrack": __version__, **{package: version(package) for package in _PACKAGES}},
        "code": code_version(),
        "runs": [cell.run_id for cell in cells.used],
    }


@contextlib.contextmanager
def _without_joined_run() -> Iterator[None]:
    """While this is open, new runs do not join the run that ``mlflow run`` has made, which is the experiment's."""
    run_id = os.environ.pop("MLFLOW_RUN_ID", None)
    try:
        yield
    finally:
        if run_id is not None:
            os.environ["MLFLOW_RUN_ID"] = run_id
