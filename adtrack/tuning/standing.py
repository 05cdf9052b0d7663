"""How a study stands while its trials run: a curve and a note on its page in MLflow."""

import math
from collections.abc import Sequence
from datetime import datetime

from adtrack.progress import duration
from adtrack.reporting.templating import render
from adtrack.tracking.run import Run
from adtrack.tracking.run_contents import run_metrics
from adtrack.tracking.trials import TrialRecord
from adtrack.tuning.ranking import objective, ranked
from adtrack.tuning.searched import about
from adtrack.tuning.tables import in_brief

# Named as no metric of a trial is: in MLflow's charts of all runs, the study must not stand among its trials.
BEST = "study/best_objective"


def show_standing(
    parent: Run, asked: int, objective_name: str, finished: Sequence[TrialRecord], left: float = 0
) -> None:
    """Say on the study's run ``parent`` what the finished ones of ``asked`` trials have found; ``left`` seconds are to
    go, 0 if nobody knows. Once all are done, only the curve is drawn: the note is then for who writes the study up."""
    trials = [trial for trial in finished if math.isfinite(objective(trial))]
    if trials:
        # A run that takes over a study shows what was found before, too.
        first = len(trials) if BEST in run_metrics(parent.run_id) else 1
        for count in range(first, len(trials) + 1):
            parent.log_metrics({BEST: objective(ranked(trials[:count])[0])}, step=count)
    if len(trials) < asked:
        parent.set_note(_note(parent, asked, objective_name, trials, left))


def _note(parent: Run, asked: int, objective_name: str, trials: Sequence[TrialRecord], left: float) -> str:
    """Markdown: how far the study is, and its best trial so far. It stays true of a study that is stopped or killed."""
    return render(
        "study_standing.md",
        done=len(trials),
        asked=asked,
        left=duration(left) if left else "",
        now=datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z"),
        best=_best(parent, ranked(trials)[0]) if trials else None,
        objective_name=objective_name,
    )


def _best(parent: Run, best: TrialRecord) -> dict[str, str]:
    """What the note says of the best trial."""
    link = f"#/experiments/{parent.experiment_id}/runs/{best.run_id}"
    return {"words": about(best), "link": link, "value": f"{objective(best):.4f}", "in_brief": in_brief(best)}
