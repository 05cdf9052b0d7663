"""The note on a study's parent run: what MLflow shows first when the study is opened."""

from dataclasses import replace

from adtrack.evaluation.threshold_words import found_by
from adtrack.reporting.table import Table
from adtrack.reporting.templating import render
from adtrack.tracking.trials import TrialRecord
from adtrack.tuning.report import Story
from adtrack.tuning.searched import method_settings
from adtrack.tuning.tables import at_the_threshold, best_table, in_brief

_LEFT_OUT = ("Precision", "Recall")


def study_note(story: Story, experiment: str, parent: str) -> str:
    """Markdown: the winner, its metrics with intervals, how to score with it, and links into MLflow's own pages."""
    best = story.best
    return render(
        "study_note.md",
        experiment=experiment,
        parent=parent,
        best=best.run_id,
        winner=story.winner,
        in_brief=in_brief(best),
        found_by=found_by(best.threshold),
        at_the_threshold=at_the_threshold(best),
        remarks=story.remarks,
        objective_name=story.objective_name,
        score_command=story.score_command,
        table=_narrow(best_table(best)),
        specification=[f"{name}={best.params[name]}" for name in _told(best) if name in best.params],
    )


def _told(trial: TrialRecord) -> list[str]:
    """The parameters that make the specification, in the order in which they are told."""
    settings_keys = [one.key for one in method_settings(trial.method)]
    return ["method", "backbone", "weights", *settings_keys, "resize", "crop", "seed"]


def _narrow(table: Table) -> Table:
    """What fits beside MLflow's list of tags on a laptop; all of it is in the report."""
    kept = [place for place, column in enumerate(table.columns) if column.heading not in _LEFT_OUT]
    rows = tuple(tuple(row[place] for place in kept) for row in table.rows)
    return replace(table, columns=tuple(table.columns[place] for place in kept), rows=rows)
