"""The tables of a study: its trials from best to worst, as data (CSV) and for people (Markdown, LaTeX, HTML)."""

import math
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path, PurePath

import pandas as pd

from adtrack.data.imageset import TEST_SETS, VAL_SETS
from adtrack.errors import UserError
from adtrack.evaluation.alarms import floods, set_name
from adtrack.reporting.table import MISSING, Column, Table
from adtrack.reporting.tables import write_report
from adtrack.settings import Setting
from adtrack.tracking.trials import TrialRecord
from adtrack.tuning.definitions import definitions
from adtrack.tuning.ranking import objective, ranked
from adtrack.tuning.searched import is_number, method_name, parameters, settings_of, value_text

SPLITS = (*VAL_SETS, *TEST_SETS)
METRICS = (
    *("image_auroc", "image_auroc_low", "image_auroc_high", "image_auprc", "f1", "accuracy", "precision", "recall"),
    *("false_alarm_rate", "false_alarm_rate_low", "false_alarm_rate_high"),
    *("threshold", "pixel_auroc", "pixel_aupro_030", "pixel_aupro_005"),
)
COSTS = ("cost/bank_rows", "cost/bank_mb", "cost/build_s", "cost/score_ms")
SHOWN_COSTS = {"Model\nMB": "cost/bank_mb", "ms per image\n(indicative)": "cost/score_ms"}
_ORDER = {name: place for place, name in enumerate((*(f"{s}/{m}" for s in SPLITS for m in METRICS), *COSTS))}


def _studies(trials: Sequence[TrialRecord]) -> list[list[TrialRecord]]:
    """The ranked trials of each class, study and split digest: only those can be compared."""
    if not trials:
        raise UserError("a table needs at least one finished trial, but there is none.", "Run adtrack tune first.")

    def key(trial: TrialRecord) -> tuple[str, str, str]:
        return trial.class_name, trial.study, trial.split_digest

    return [ranked(list(group)) for _, group in groupby(sorted(trials, key=key), key=key)]


def best_trials(trials: Sequence[TrialRecord]) -> pd.DataFrame:
    """One row a trial, ranked within its class and study, every metric under its name in the run.

    Metrics that a trial does not have (Test, for all but the best; pixels, without masks) are NaN.
    """
    names = {name for trial in trials for name in trial.metrics} - {"objective"}
    metrics = sorted(names, key=lambda name: (_ORDER.get(name, len(_ORDER)), name))
    shown = settings_of(trials)
    rows = [
        {"class": trial.class_name, "study": trial.study, "split_digest": trial.split_digest, "rank": rank}
        | {"trial": trial.number, "method": trial.method}
        | {one.key: parameters(trial).get(one.key) for one in shown}
        | {name: trial.params.get(name) for name in ("backbone", "weights")}
        | {"pruned_on_its_way_to": trial.aim or None, "feasible": trial.feasible, "objective": objective(trial)}
        | {name: trial.metrics.get(name, math.nan) for name in metrics}
        | {"run_id": trial.run_id}
        for study in _studies(trials)
        for rank, trial in enumerate(study, start=1)
    ]
    return pd.DataFrame(rows)


def write_tables(trials: Sequence[TrialRecord], folder: Path) -> list[Path]:
    """Writes best_trials.csv (all metrics, full precision), .md, .tex and .html (rounded); the paths, in that order."""
    studies = _studies(trials)
    tables = [*_test_table(studies), *(trials_table(study) for study in studies)]
    title = f"Best trials of {', '.join(dict.fromkeys(study[0].class_name for study in studies))}"
    return write_report("best_trials", best_trials(trials), tables, folder, title=title)


def _number(trial: TrialRecord, name: str, decimals: int = 3) -> str:
    value = trial.metrics.get(name, math.nan)
    return MISSING if math.isnan(value) else f"{value:.{decimals}f}"


def _cost(trial: TrialRecord, name: str) -> str:
    """A cost to about three significant digits."""
    value = trial.metrics.get(name, math.nan)
    return _number(trial, name, 0 if value >= 100 else 1 if value >= 10 else 2)


def _interval(trial: TrialRecord, split: str, metric: str = "image_auroc") -> str:
    value, low, high = (_number(trial, f"{split}/{metric}{end}") for end in ("", "_low", "_high"))
    return value if MISSING in (value, low, high) else f"{value} [{low}, {high}]"


def _parameter_cells(trial: TrialRecord, shown: Sequence[Setting]) -> dict[Column, str]:
    """The values of these settings, each under its heading."""
    values = parameters(trial)
    return {
        Column(one.heading, number=is_number(one)): value_text(one, values[one.key]) if one.key in values else MISSING
        for one in shown
    }


def _metric_cells(trial: TrialRecord, *splits: str) -> dict[Column, str]:
    cells = {}
    for split in splits:
        heading = set_name(split)
        cells[Column(f"{heading}\nAUROC [95 %]")] = _interval(trial, split)
        cells[Column(f"{heading}\nAU-PRO")] = _number(trial, f"{split}/pixel_aupro_030")
        cells[Column(f"{heading}\nF1")] = _number(trial, f"{split}/f1")
        cells[Column(f"{heading}\nfalse alarms [95 %]")] = _interval(trial, split, "false_alarm_rate")
        cells[Column(f"{heading}\nrecall")] = _number(trial, f"{split}/recall")
    return cells


def _run_cell(trial: TrialRecord) -> dict[Column, str]:
    return {Column("Run", number=False): trial.run_id[:8]}


def _origin(study: Sequence[TrialRecord]) -> str:
    """Where the numbers of a study come from: its name, method, network, number of trials and split."""
    first = study[0]
    method = f", {method_name(first)}" if "method" in first.params else ""
    network = f", {first.network}" if first.network else ""
    weights = f" with {PurePath(first.params['weights']).name} weights" if network and "weights" in first.params else ""
    count = f"{len(study)} trial{'s' if len(study) > 1 else ''}"
    return f"study {first.study}{method}{network}{weights}, {count}, split {first.split_digest[:12]}."


def trials_table(study: Sequence[TrialRecord]) -> Table:
    """All ranked trials of a study, with their Val metrics."""
    limited, shown = not all(trial.feasible for trial in study), settings_of(study)
    pruned = any(trial.aim for trial in study)
    rows = [
        {Column("Rank"): str(rank), Column("Trial"): str(trial.number)}
        | _parameter_cells(trial, shown)
        | ({Column("Pruned on\nits way to"): trial.aim or MISSING} if pruned else {})
        | {Column("Objective"): _number(trial, "objective", 4)}
        | _metric_cells(trial, "val_clean", "val_shift")
        | ({Column("Within\nlimit", number=False): "yes" if trial.feasible else "no"} if limited else {})
        | {Column(heading): _cost(trial, cost) for heading, cost in SHOWN_COSTS.items()}
        | _run_cell(trial)
        for rank, trial in enumerate(study, start=1)
    ]
    best = study[0]
    highlight = frozenset({0}) if best.feasible and not math.isnan(objective(best)) else frozenset()
    notes = f"{best.class_name}: {_origin(study)} {definitions(study)}"
    return _table(f"Best trials of {best.class_name}", rows, notes, highlight)


def in_brief(trial: TrialRecord) -> str:
    """``Val-clean 0.978 [0.888, 1.000], …``: image AUROC on each set that it was measured on."""
    sets = [split for split in SPLITS if f"{split}/image_auroc" in trial.metrics]
    return ", ".join(f"{set_name(split)} {_interval(trial, split)}" for split in sets)


def at_the_threshold(trial: TrialRecord) -> str:
    """``Val-clean F1 0.911, false alarms 0.179 [0.108, 0.271], recall 0.941; …``: each set that it was measured on."""
    told = [
        f"{set_name(split)} F1 {_number(trial, f'{split}/f1')}, false alarms "
        f"{_interval(trial, split, 'false_alarm_rate')}, recall {_number(trial, f'{split}/recall')}"
        for split in SPLITS
        if f"{split}/f1" in trial.metrics
    ]
    return "; ".join(told)


def alarms_in_words(trial: TrialRecord) -> str:
    """On which image sets the trial calls all good images anomalous, or nearly all; "" if on none."""
    return " ".join(floods({split: trial.metrics.get(f"{split}/false_alarm_rate", math.nan) for split in SPLITS}))


def best_table(trial: TrialRecord) -> Table:
    """One trial on every image set that it was evaluated on."""
    names = {"image_auprc": "AUPRC", "f1": "F1", "precision": "Precision", "recall": "Recall"}
    pixels = {"pixel_auroc": "Pixel\nAUROC", "pixel_aupro_030": "AU-PRO\n0.30"}
    rows = [
        {Column("Images", number=False): set_name(split)}
        | {Column("Image AUROC [95 %]"): _interval(trial, split)}
        | {Column(title): _number(trial, f"{split}/{name}") for name, title in names.items()}
        | {Column("False alarms [95 %]"): _interval(trial, split, "false_alarm_rate")}
        | {Column(title): _number(trial, f"{split}/{name}") for name, title in pixels.items()}
        for split in SPLITS
        if f"{split}/f1" in trial.metrics
    ]
    notes = f"Split {trial.split_digest[:12]}. {definitions([trial])}"
    return _table(f"Trial {trial.number} of {trial.class_name}", rows, notes)


def _test_table(studies: list[list[TrialRecord]]) -> list[Table]:
    """The Test metrics, which only the best trial of each study has; no table where none has been evaluated yet."""
    several = len({study[0].class_name for study in studies}) < len(studies)  # some class has more than one study
    tested = [trial for study in studies for trial in study if any(name.startswith("test_") for name in trial.metrics)]
    if not tested:
        return []
    methods, shown = len({trial.method for trial in tested}), settings_of(tested)
    rows = [
        {Column("Class", number=False): trial.class_name}
        | ({Column("Study", number=False): trial.study} if several else {})
        | {Column("Trial"): str(trial.number)}
        | ({Column("Method", number=False): method_name(trial)} if methods > 1 else {})
        | _parameter_cells(trial, shown)
        | _metric_cells(trial, "test_clean", "test_shift")
        | _run_cell(trial)
        for trial in tested
    ]
    origins = " ".join(f"{study[0].class_name}: {_origin(study)}" for study in studies)
    return [_table("Best trials on Test", rows, f"{origins} {definitions(tested)}")]


def _table(title: str, rows: list[dict[Column, str]], notes: str, best: frozenset[int] = frozenset()) -> Table:
    """The table of ``rows``: without masks it has no pixel columns, and older trials have no false alarms."""
    optional = {"AU-PRO", "Pixel", "alarms", "recall"}
    columns = [
        column
        for column in rows[0]
        if not optional & set(column.heading.split()) or any(row[column] != MISSING for row in rows)
    ]
    cells = tuple(tuple(row[column] for column in columns) for row in rows)
    return Table(title, tuple(columns), cells, notes, best)
