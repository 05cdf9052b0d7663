"""The note on a study's parent run: what MLflow shows first when the study is opened."""

from dataclasses import replace

from adtrack.reporting.render import Table, markdown_code, markdown_table, markdown_text
from adtrack.tuning.report import Story
from adtrack.tuning.tables import best_table, in_brief

_TOLD = (
    *("backbone", "weights", "layers", "patch_size", "coreset_fraction", "reweight_neighbours"),
    *("resize", "crop", "seed"),
)
_LEFT_OUT = ("Precision", "Recall")


def study_note(story: Story, experiment: str, parent: str) -> str:
    """Markdown: the winner, its metrics with intervals, how to score with it, and links into MLflow's own pages.

    MLflow folds a note after some five lines, and what fades out there cannot be clicked: the links come first, then
    the winner.
    """
    runs = f"#/experiments/{experiment}/runs"
    best, table = story.best, best_table(story.best)
    spec = ", ".join(markdown_code(f"{name}={best.params[name]}") for name in _TOLD if name in best.params)
    parts = [
        f"[The report]({runs}/{parent}/artifacts/report.html) · [the best trial]({runs}/{best.run_id}) · "
        f"[all trials, ranked]({runs}/{parent}/artifacts/tables/best_trials.html)",
        f"**{markdown_text(story.winner)}**",
        f"Image AUROC: {in_brief(best)}",
        *filter(None, (markdown_text(story.remarks),)),
        f"What counted: {markdown_text(story.objective_name)}. Score with it:\n\n```\n{story.score_command}\n```",
        _spaced(markdown_table(_narrow(table))),
        markdown_text(table.notes),
        f"Specification: {spec}",
    ]
    return "\n\n".join(parts)


def _narrow(table: Table) -> Table:
    """What fits beside MLflow's list of tags on a laptop; all of it is in the report."""
    kept = [place for place, column in enumerate(table.columns) if column.heading not in _LEFT_OUT]
    rows = tuple(tuple(row[place] for place in kept) for row in table.rows)
    return replace(table, columns=tuple(table.columns[place] for place in kept), rows=rows)


def _spaced(markdown: str) -> str:
    """A Markdown table with room between its cells: MLflow's pages leave none."""
    heading, rule, *rows = (line.replace(" | ", "&nbsp; | &nbsp;") for line in markdown.split("\n"))
    return "\n".join([heading, rule.replace("&nbsp;", ""), *rows])
