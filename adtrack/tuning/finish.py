"""What follows a study's last trial: the best model is tested, registered, and the tables and figures are drawn."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from adtrack.data.imageset import TEST_SETS
from adtrack.detectors import detector_class
from adtrack.evaluation.measuring import measure_sets, no_pixel_metrics
from adtrack.evaluation.stopwatch import milliseconds
from adtrack.evaluation.threshold_words import threshold_sentences
from adtrack.evaluation.workbench import Workbench
from adtrack.reporting.files import write_text
from adtrack.tracking.log_evaluation import log_evaluations
from adtrack.tracking.models import load_model, log_whole
from adtrack.tracking.registry import RegisteredVersion, model_of_version, register, registered_as
from adtrack.tracking.run import Run
from adtrack.tracking.run_contents import run_tags
from adtrack.tracking.runs import end_open, reopened_run
from adtrack.tracking.tags import BEST_RUN, BEST_TRIAL, NOTE, REGISTERED, WRITTEN_UP
from adtrack.tracking.trials import TrialRecord, study_trials, trial_model
from adtrack.tuning.note import study_note
from adtrack.tuning.pixels import measure_pixels
from adtrack.tuning.plots import write_figures
from adtrack.tuning.ranking import tie_in_words
from adtrack.tuning.report import Story, study_page
from adtrack.tuning.searched import about
from adtrack.tuning.shared_study import FINISHED, SharedStudy
from adtrack.tuning.study import best_of
from adtrack.tuning.tables import alarms_in_words, write_tables

Say = Callable[[str], None]
REPORT = "report.html"


@dataclass(frozen=True)
class StudyResult:
    """A finished study: its best trial (with Test metrics), where it stands in the registry, and what failed.

    ``threshold`` says how the best one's threshold was found. ``remarks`` say what decided between equal trials, and
    where the best one calls good images anomalous. ``unmarked`` says why there are no pixel metrics, if there are none.
    ``page`` is its page in the tracking server's UI, None if it has no server. ``seconds`` is what all of its finished
    trials have taken together, in whichever processes.
    """

    name: str
    parent: str
    best: TrialRecord
    trials: int
    failed: int
    registered: RegisteredVersion
    tables: str
    report: str
    threshold: tuple[str, ...]
    remarks: tuple[str, ...]
    unmarked: str
    page: str | None
    seconds: float


def finish(study: SharedStudy, parent: Run, written_up: str, say: Say) -> StudyResult:
    """Measure the pixels of the best trials, test the best one, and only it, register it, and write tables and figures
    on the study's run ``parent``.

    ``written_up`` is what that run's tag of this name said when this process began. What an earlier call has done is
    left as it is, so an interrupted end can be repeated.
    """
    _end_reopened(study)
    measure_pixels(study)
    best = best_of(study.name)
    say(f"The best is {about(best)}. It is tested and registered, and the study is written up.")
    registered = registered_as(run_tags(best.run_id)) or _test_and_register(study, best)
    records = study_trials(study.name)
    # The same trial, now with its Test metrics: another call of the study may have finished a better one meanwhile.
    best = next(record for record in records if record.run_id == best.run_id)
    state = f"{len(records)} trials, {best.run_id}, {registered.text}"
    if not _is_written_up(parent, written_up, state):
        write_summary(study, parent, records, best, registered)
        parent.set_tags({WRITTEN_UP: f"{study.worker.name}: {state}"})
    return StudyResult(
        study.name,
        parent.run_id,
        best,
        trials=len(records),
        failed=sum("error" in trial.user_attrs for trial in study.optuna.get_trials(deepcopy=False)),
        registered=registered,
        tables=parent.artifact_place("tables/best_trials.html" if parent.page else "tables"),  # a page shows no folder
        report=parent.artifact_place(REPORT),
        threshold=threshold_sentences(best.metrics["val_clean/threshold"], best.threshold, study.bench.opened),
        unmarked=no_pixel_metrics(study.bench.opened, study.spec.detector.method),
        remarks=tuple(filter(None, (tie_in_words(records), alarms_in_words(best)))),
        page=parent.page,
        seconds=_seconds(study),
    )


def _seconds(study: SharedStudy) -> float:
    done = study.optuna.get_trials(deepcopy=False, states=FINISHED)
    return sum(trial.duration.total_seconds() for trial in done if trial.duration)


def _end_reopened(study: SharedStudy) -> None:
    """End the run of a best trial that a process has left open which died while it measured it: it would not count.

    One process at a time finishes a study, so a run that is open although Optuna has its values is such a one.
    """
    done = study.optuna.get_trials(deepcopy=False, states=FINISHED)
    end_open(study.name, {trial.number for trial in done})


def _is_written_up(parent: Run, before: str, state: str) -> bool:
    """Whether another process has written this up since this one began, when the tag said ``before``.

    What earlier calls wrote is written anew: it may be an older adtrack's, or have been deleted.
    """
    found = run_tags(parent.run_id).get(WRITTEN_UP, "")
    return found != before and found.endswith(f": {state}")


def _test_and_register(study: SharedStudy, best: TrialRecord) -> RegisteredVersion:
    opened = study.bench.opened
    with reopened_run(best.run_id, study.worker) as run:
        # A process that died while it registered the model has tested it before.
        whole = model_of_version(opened.data.class_name, best.run_id) or _test(run, study.bench, best)
        origin = {"study": best.study, "split_digest": opened.digest, "run_id": best.run_id}
        registered = register(opened.data.class_name, whole, origin)
        run.set_tags({REGISTERED: registered.text})
    return registered


def _test(run: Run, bench: Workbench, best: TrialRecord) -> str:
    """Measure the best model on Test, and log that and the whole model to its run; returns the URI of the model.

    The time an image takes is measured anew: now no trial of the study shares the machine.
    """
    scorer = load_model(trial_model(best), bench.backbone.device).scorer
    evaluations = measure_sets(bench, scorer, TEST_SETS)
    whole = log_whole(run, scorer)
    log_evaluations(run, bench, scorer, evaluations, whole)
    run.log_metrics({"cost/score_ms": milliseconds(scorer, bench.opened.images("val_clean"))})
    return whole


def write_summary(
    study: SharedStudy, parent: Run, records: list[TrialRecord], best: TrialRecord, registered: RegisteredVersion
) -> None:
    """The study's report, tables, figures and note, and its best trial's numbers, on the study's run."""
    goal, kind = study.asked.goal, detector_class(study.spec.detector.method)
    story = Story(study.bench, records, best, registered.uri, goal.words, goal.metric, kind.rows_called)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write_text(folder / REPORT, study_page(story))
        write_tables(records, folder / "tables")
        write_figures(story.figures, best.class_name, folder / "plots")
        parent.log_folder(folder)
    note = study_note(story, parent.experiment_id, parent.run_id)
    parent.set_tags({BEST_RUN: best.run_id, BEST_TRIAL: str(best.number), NOTE: note})
