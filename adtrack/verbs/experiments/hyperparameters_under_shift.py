"""How do the hyperparameters move the quality on clean and on shifted images, and do the two agree?

The answer is read from the trials of each class's study, of the first method that is asked for. Where the store has no
study of this method, these images, this network and this view, one is run first.

Command:  adtrack experiment hyperparameters_under_shift
          (mlflow run . -e experiment -P name=hyperparameters_under_shift)
Writes:   tables/hyperparameters_under_shift/: .csv, .md, .tex, .html and charts; the same on an MLflow run.
Cost:     3 min on the demo data with its three studies of 12 trials, on 2 CPU cores; nothing where studies are there.
Result:   on the demo data the model that is best on clean images is not the best one under shift.
"""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from adtrack.lab.cells import Cells
from adtrack.lab.charts import scatter_chart
from adtrack.lab.hyperparameters import CLEAN, SHIFTED, effects, rank_correlation, regret, trial_frame
from adtrack.lab.setup import Setup
from adtrack.reporting.charts import Spot, write_chart
from adtrack.reporting.table import Column, Table, number_text
from adtrack.reporting.tables import write_report
from adtrack.tracking.trials import TrialRecord
from adtrack.tuning.searched import briefly, method_name
from adtrack.verbs.experiment import Experiment
from adtrack.verbs.studies import ensure_studies, known_trials

NAME = "hyperparameters_under_shift"


def measure(cells: Cells, setup: Setup, folder: Path) -> list[Table]:
    """Read all trials; write tables and charts."""
    studies = {name: known_trials(setup, name) for name in setup.classes}
    frames = {name: trial_frame(trials) for name, trials in studies.items()}
    tables = [agreement(frames), *(class_table(name, trials) for name, trials in studies.items())]
    write_report(NAME, pd.concat(frames.values()), tables, folder)
    for name, trials in studies.items():
        title = f"{name}: who keeps working under shift?"
        chart = scatter_chart(title, "image AUROC, Val-clean", "image AUROC, Val-shift", spots(trials), diagonal=True)
        write_chart(chart, folder, f"{NAME}_{name}")
    return tables


def spots(trials: Sequence[TrialRecord]) -> dict[str, list[Spot]]:
    """A spot for each trial, in series of trials whose hyperparameters that are words, such as layers, are the same.

    A method without such hyperparameters has one series, which is called as the method.
    """
    found: dict[str, list[Spot]] = {}
    for trial in trials:
        words, numbers = briefly(trial)
        spot = Spot(trial.metrics[CLEAN], trial.metrics[SHIFTED], numbers)
        found.setdefault(words or method_name(trial), []).append(spot)
    return dict(sorted(found.items()))


def agreement(frames: dict[str, pd.DataFrame]) -> Table:
    """Whether clean images tell which model is best on shifted ones."""
    columns = (
        Column("class", number=False),
        *map(Column, ("trials", "clean AUROC\nmean", "shifted AUROC\nmean", "Spearman's ρ", "shifted AUROC\nlost")),
    )
    rows = tuple(
        (
            name,
            str(len(trials)),
            number_text(trials["clean"].mean()),
            number_text(trials["shifted"].mean()),
            number_text(rank_correlation(trials), 2),
            number_text(regret(trials)),
        )
        for name, trials in frames.items()
    )
    notes = (
        "All figures are of Val. Spearman's ρ is the rank correlation of clean and shifted AUROC over trials. The last "
        "column is the shifted AUROC that is lost by choosing the model that is best on clean images. The trials are "
        "those that the sampler chose, not a full grid."
    )
    return Table("Do clean images tell which model is best under shift?", columns, rows, notes)


def class_table(name: str, trials: Sequence[TrialRecord]) -> Table:
    """The mean quality of the trials that share a value of a hyperparameter."""
    columns = (
        *(Column(heading, number=False) for heading in ("hyperparameter", "value")),
        *map(Column, ("trials", "clean AUROC", "shifted AUROC", "drop")),
    )
    rows = tuple(
        (
            effect.parameter,
            effect.value,
            str(effect.trials),
            number_text(effect.clean),
            number_text(effect.shifted),
            number_text(effect.drop),
        )
        for effect in effects(trials)
    )
    notes = "Means over the trials with that value. Their other hyperparameters are those that the sampler chose."
    return Table(f"Hyperparameters under shift, {name}", columns, rows, notes)


EXPERIMENT = Experiment(NAME, measure, ensure_studies)
