"""The trials of a study at work: in one process, or in several that share them.

Each turn of a process is: choose a cell while no other process does, run its trial, tell the study what came of it.
"""

import contextlib
import enum
import random
import statistics
import time
from collections.abc import Callable
from functools import partial

from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, Trial, TrialState

from adtrack.data.imageset import VAL_SETS
from adtrack.features.weights import keep_trunk
from adtrack.progress import duration
from adtrack.tracking.run import Run
from adtrack.tracking.trials import adopt_trials, study_trials
from adtrack.tracking.workers import end_killed, end_left_behind, hold_run
from adtrack.troubles import trouble
from adtrack.tuning.estimate import Pace
from adtrack.tuning.heartbeat import heartbeat
from adtrack.tuning.ladder import place_on_ladder
from adtrack.tuning.one_trial import FAILED_BY_ITSELF, GivenUpError, Outcome, error_text, run_trial
from adtrack.tuning.pruning import Rung, prunes
from adtrack.tuning.sampling import free_cells
from adtrack.tuning.searched import in_words
from adtrack.tuning.shared_study import FINISHED, SharedStudy
from adtrack.tuning.standing import show_standing
from adtrack.tuning.storage import put_in_order

Say = Callable[[str], None]
_LOOKED_AT = 250  # cells of a large space that tell how long a trial may take
PAUSE = 2  # seconds between two looks at what other processes are doing


class Turn(enum.Enum):
    """Why a process has no trial to begin: those of other processes are not finished, or there is none left."""

    WAIT = enum.auto()
    OVER = enum.auto()


def take_over(study: SharedStudy, parent: Run) -> None:
    """Make ``parent`` the run of all trials, end runs that were left behind, and keep the trunk for trials' models."""
    end_left_behind(study.name)
    adopt_trials(study.name, parent.run_id)
    parent.keep_file(keep_trunk(study.bench.backbone.trunk), "trunk")
    if study.done < study.asked.trials:
        show_standing(parent, study.asked.trials, study.asked.goal.words, study_trials(study.name))


def run_trials(study: SharedStudy, parent: Run, say: Say) -> None:
    """Run trials until as many as asked for are finished, or every cell of the space has been tried.

    Processes that share the study take turns to choose a cell, so none is tried twice and there is no trial too many.
    One that finds nothing left waits for the others: if they die, it repeats their trials.
    """
    pace, waiting = Pace(study.bench), False
    while begin_trials(study, parent, pace, say) is Turn.WAIT:
        if not waiting:
            say("No trial is left to begin; other processes are still at work on theirs.")
        waiting = True
        time.sleep(PAUSE)
    if study.done < study.asked.trials:
        say(f"Every one of the space's {len(study.asked.space.cells())} cells has been tried.")


def begin_trials(study: SharedStudy, parent: Run, pace: Pace, say: Say) -> Turn:
    """Run trials until none is left to begin, and give the reason: other processes may be at work on the last ones."""
    while isinstance(turn := choose(study), Trial):
        started = time.perf_counter()
        outcome = carry_out(study, parent, turn)
        if outcome is None:
            say(f"Trial {turn.number} was silent for so long that it was given up and queued again.")
        elif outcome.reached is None:
            say(f"Trial {turn.number} failed: {outcome.error}")
        else:
            seconds = time.perf_counter() - started
            pace.add(outcome.reached, seconds, outcome.pruned)
            _report(study, parent, turn, outcome, seconds, pace, say)
    return turn


def go_on(study: SharedStudy, say: Say) -> int:
    """Settle what dead processes have left, say how far the study is, and give the number of finished trials."""
    with study.alone("trial"):
        put_in_order(study.optuna, study.recover)
    done = study.done
    if done:
        say(f"Study {study.name} goes on: {done} of {study.asked.trials} trials are finished.")
    return done


def pass_once(study: SharedStudy) -> None:
    """Compute the features that all trials share before the first trial: its time is then like that of others.

    What fails here fails again in the trial, which says so.
    """
    with contextlib.suppress(*FAILED_BY_ITSELF):
        for name in ("train_clean", *VAL_SETS):
            study.bench.features(name)


def choose(study: SharedStudy) -> Trial | Turn:
    """A new trial that has its cell and this process's name; if there is none to begin, what to do instead."""
    with study.alone("trial"):
        put_in_order(study.optuna, study.recover)
        trials = study.count()
        done, running = sum(trials[state] for state in FINISHED), trials[TrialState.RUNNING]
        free = trials[TrialState.WAITING] > 0 or bool(free_cells(study.optuna, study.asked.space))
        if done >= study.asked.trials or not (free or running):
            return Turn.OVER
        if not free or done + running >= study.asked.trials:
            return Turn.WAIT
        trial = study.optuna.ask()
        trial.set_user_attr("worker", study.worker.name)
        study.asked.space.suggest(trial)
        return trial


def carry_out(study: SharedStudy, parent: Run, trial: Trial) -> Outcome | None:
    """Run a trial that has its cell, and tell the study its outcome; None if others have given it up meanwhile."""
    try:
        hold_run(parent.run_id, study.worker)
        job = study.job(trial, parent.run_id)
        with heartbeat(study.optuna, trial):
            outcome = run_trial(
                job, study.worker, study.bench, lambda: study.is_running(trial), partial(_prunes, study, trial)
            )
            return outcome if tell(study, trial, outcome) else None
    except GivenUpError:
        return None
    except BaseException as error:
        _fail(study, trial, error)
        raise


def _prunes(study: SharedStudy, trial: Trial, rung: Rung) -> bool:
    """Whether the trial ends at this rung. GivenUpError: others have given it up."""
    if study.asked.goal.count > 1:  # Optuna knows no way to prune a trial of several values
        return False
    try:
        return prunes(trial, rung)
    except UpdateFinishedTrialError as error:
        raise GivenUpError from error


def tell(study: SharedStudy, trial: Trial, outcome: Outcome) -> FrozenTrial | None:
    """Tell the study what a trial has found; None if others have given it up, and then its run does not count."""
    try:
        trial.set_user_attr("run_id", outcome.run_id)
        if outcome.error:
            trial.set_user_attr("error", outcome.error)
            return study.optuna.tell(trial, state=TrialState.FAIL)
        if study.asked.max_bank_mb:
            trial.set_constraint("bank_mb", outcome.over)
        if outcome.pruned:
            return study.optuna.tell(trial, state=TrialState.PRUNED)
        return study.optuna.tell(trial, outcome.values)
    except (UpdateFinishedTrialError, ValueError):  # Optuna's answers where a trial is finished
        if study.is_running(trial):
            raise
        end_killed(outcome.run_id)
        return None


def _fail(study: SharedStudy, trial: Trial, error: BaseException) -> None:
    """End a trial with an error that ends the command. A trial that was interrupted holds no error: it comes again.

    What went wrong first is what the user must see, so whatever goes wrong here is left aside.
    """
    with contextlib.suppress(Exception):
        if isinstance(error, Exception) and not trouble(error):
            trial.set_user_attr("error", error_text(error))
        study.optuna.tell(trial, state=TrialState.FAIL)


def _report(
    study: SharedStudy, parent: Run, trial: Trial, outcome: Outcome, seconds: float, pace: Pace, say: Say
) -> None:
    """Say how a trial has ended, and how far the study is."""
    trials = study.count()
    kind = type(study.spec.detector)
    cell = {key: trial.params[key] for key in study.asked.space.told}
    records = study_trials(study.name)
    best = max(record.metrics["objective"] for record in records if "objective" in record.metrics)
    done, at_work = sum(trials[state] for state in FINISHED), 1 + trials[TrialState.RUNNING]
    left = _seconds_left(study, pace, study.asked.trials - done) / at_work
    pruned = f", pruned at {place_on_ladder(outcome.reached)}" if outcome.pruned and outcome.reached else ""
    say(
        f"Trial {trial.number:<3} {statistics.fmean(outcome.values):.4f}  (best {best:.4f})  "
        f"{in_words(kind, cell)}{pruned}  {seconds:.1f} s; "
        f"{done} of {study.asked.trials} done" + (f", about {duration(left)} left" if left else "")
    )
    show_standing(parent, study.asked.trials, study.asked.goal.words, records, left)


def _seconds_left(study: SharedStudy, pace: Pace, trials: int) -> float:
    """What the trials that are still to come will take, one after the other; which cells they take is not known yet."""
    space, base = study.asked.space, study.spec.detector
    cells = free_cells(study.optuna, space)
    if trials < 1 or not cells:
        return 0.0
    # Drawn, because every n-th cell of a grid could have the same value of a setting.
    some = random.Random(0).sample(cells, min(_LOOKED_AT, len(cells)))
    return min(trials, len(cells)) * pace.expected([study.ladder(space.spec(cell, base)) for cell in some])
