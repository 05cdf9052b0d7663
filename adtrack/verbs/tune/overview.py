"""Several studies on one page: the best model of each class, and the means over classes."""

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pandas as pd

from adtrack.data.imageset import TEST_SETS
from adtrack.evaluation.alarms import set_name
from adtrack.evaluation.intervals import Estimate, interval
from adtrack.evaluation.resampling import Sample
from adtrack.findings import counted, listed
from adtrack.lab.rows import MACRO, estimate_columns
from adtrack.reporting.document import Section
from adtrack.reporting.parts import Links, Paragraph
from adtrack.reporting.table import MISSING, Column, Table, estimate_text, number_text
from adtrack.reporting.tables import write_report
from adtrack.tracking.evaluation_files import read_scores
from adtrack.tuning.finish import StudyResult
from adtrack.tuning.searched import about, method_name

NAME = "studies"  # of the folder among the run's files, and of each file in it
_METRIC = "image_auroc"
NOTES = (
    "Of each class, the model that was best on Val, measured on Test once. Brackets hold 95 % intervals; those of the "
    "macro mean come from 1000 resamples of the Test images of every class. Minutes are what the finished trials of a "
    "study have taken together, in whichever processes."
)


def overview_table(found: Mapping[str, StudyResult]) -> Table:
    """A row for each class and, if there are several, one for their unweighted means."""
    columns = [Column(name, number=False) for name in ("Class", "Method", "Best")]
    columns += [Column(f"{set_name(name)}\nAUROC [95 %]") for name in TEST_SETS]
    columns += [Column("Registered as", number=False), Column("Trials"), Column("Minutes")]
    rows = [
        (
            *(class_name, method_name(one.best), about(one.best)),
            *(estimate_text(_logged(one, name)) for name in TEST_SETS),
            *(_version(one), str(one.trials), _minutes(one.seconds)),
        )
        for class_name, one in found.items()
    ]
    if len(found) > 1:
        means = (estimate_text(mean(list(found.values()), name)) for name in TEST_SETS)
        seconds = sum(one.seconds for one in found.values())
        trials = sum(one.trials for one in found.values())
        rows.append((MACRO, "", "", *means, "", str(trials), _minutes(seconds)))
    return Table("The best model of each class", tuple(columns), tuple(rows), NOTES)


def overview_frame(found: Mapping[str, StudyResult]) -> pd.DataFrame:
    """The same in full precision, with the id of each best trial's run and the name of each study."""
    rows: list[dict[str, object]] = [
        {"class": class_name, "study": one.name, "method": one.best.method, "best": about(one.best)}
        | _columns({name: _logged(one, name) for name in TEST_SETS})
        | {"registered": one.registered.text, "trials": one.trials, "failed_trials": one.failed}
        | {"minutes": one.seconds / 60, "best_run_id": one.best.run_id}
        for class_name, one in found.items()
    ]
    if len(found) > 1:
        means = {name: mean(list(found.values()), name) for name in TEST_SETS}
        rows.append({"class": MACRO} | _columns(means))
    return pd.DataFrame(rows)


def write_overview(
    found: Mapping[str, StudyResult], table: Table, failed: Sequence[str], folder: Path, place: str
) -> list[Path]:
    """Write studies.csv, .md, .tex and .html into ``folder``, whose files will lie at ``place``, so that the page's
    links lead from there to the studies' reports."""
    links = [(f"{class_name}: {one.name}", _address(one.report, place)) for class_name, one in found.items()]
    below = [Section("Reports of the studies", [Links(links)])]
    if failed:
        below.append(Section("Not finished", [Paragraph(words) for words in failed]))
    title = f"{counted(len(found), 'study', 'studies')}: {listed(list(found))}"
    return write_report(NAME, overview_frame(found), [table], folder, title=title, below=below)


def mean(found: Sequence[StudyResult], name: str) -> Estimate:
    """The mean image AUROC over classes on an image set; without an interval where the scores of a class have gone."""
    samples = {one.best.class_name: _sample(one, name) for one in found}
    known = {class_name: sample for class_name, sample in samples.items() if sample is not None}
    if len(known) == len(found):
        return interval(known, _METRIC)
    return Estimate(float(np.mean([_logged(one, name).value for one in found])), math.nan, math.nan)


def _sample(one: StudyResult, name: str) -> Sample | None:
    scores = read_scores(one.best.run_id, name)
    if scores is None:
        return None
    return Sample(scores["score"].to_numpy(), scores["label"].to_numpy(), float(scores["threshold"].iloc[0]))


def _logged(one: StudyResult, name: str) -> Estimate:
    values = (one.best.metrics.get(f"{name}/{_METRIC}{end}", math.nan) for end in ("", "_low", "_high"))
    return Estimate(*values)


def _columns(estimates: Mapping[str, Estimate]) -> dict[str, object]:
    return {key: v for name, one in estimates.items() for key, v in estimate_columns(f"{name}/{_METRIC}", one).items()}


def _version(one: StudyResult) -> str:
    found = one.registered
    return f"{found.name} version {found.version}, {'champion' if found.champion else 'candidate'}"


def _minutes(seconds: float) -> str:
    return number_text(seconds / 60, 1) if seconds else MISSING


def _address(report: str, place: str) -> str:
    """How a page at ``place`` links to a report: by a relative path where both are files, as stores may be moved."""
    if Path(report).is_absolute() and Path(place).is_absolute():
        return quote(os.path.relpath(report, place))
    return report
