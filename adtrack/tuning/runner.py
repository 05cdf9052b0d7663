"""The trials of a study at work: in one process, or in several that share them.

Each turn of a process is: choose a cell while no other process does, run its trial, tell the study what came of it.
"""

import contextlib
import enum
import statistics
import time
from collections.abc import Callable, Sequence

from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, Trial, TrialState

from adtrack.features.weights import keep_trunk
from adtrack.progress import duration
from adtrack.tracking.run import Run
from adtrack.tracking.trials import adopt_trials, study_trials
from adtrack.tracking.workers import end_killed, end_left_behind, hold_run
from adtrack.troubles import trouble
from adtrack.tuning.heartbeat import heartbeat
from adtrack.tuning.one_trial import GivenUpError, Outcome, error_text, run_trial
from adtrack.tuning.sampling import free_cells
from adtrack.tuning.searched import in_words
from adtrack.tuning.shared_study import SharedStudy
from adtrack.tuning.standing import show_standing
from adtrack.tuning.storage import put_in_order

Say = Callable[[str], None]
_PAUSE = 2  # seconds between two looks at what other processes are doing


class Turn(enum.Enum):
    """Why a process has no trial to begin: those of other processes are not finished, or there is none left."""

    WAIT = enum.auto()
    OVER = enum.auto()


def take_over(study: SharedStudy, parent: Run) -> None:
    """Make ``parent`` the run of all trials, end runs that were left behind, and keep the trunk for trials' models."""
    end_left_behind(study.name)
    adopt_trials(study.name, parent.run_id)
    parent.keep_file(keep_trunk(study.bench.backbone.trunk), "trunk")


def run_trials(study: SharedStudy, parent: Run, say: Say) -> None:
    """Run trials until as many as asked for are finished, or every cell of the space has been tried.

    Processes that share the study take turns to choose a cell, so none is tried twice and there is no trial too many.
    One that finds nothing left waits for the others: if they die, it repeats their trials.
    """
    _begin(study, parent, say)
    durations: list[float] = []
    waiting = False
    while (turn := choose(study)) is not Turn.OVER:
        if turn is Turn.WAIT:
            if not waiting:
                say("No trial is left to begin; other processes are still at work on theirs.")
            waiting = True
            time.sleep(_PAUSE)
            continue
        waiting = False
        started = time.perf_counter()
        told = carry_out(study, parent, turn)
        if told is None:
            say(f"Trial {turn.number} was silent for so long that it was given up and queued again.")
            continue
        durations.append(time.perf_counter() - started)
        _report(study, parent, told, durations, say)
    if study.done < study.asked.trials:
        say(f"Every one of the space's {len(study.asked.space.cells())} cells has been tried.")


def _begin(study: SharedStudy, parent: Run, say: Say) -> None:
    with study.alone("trial"):
        put_in_order(study.optuna, study.recover)
    done = study.done
    if done:
        say(f"Study {study.name} goes on: {done} of {study.asked.trials} trials are finished.")
    if done < study.asked.trials:
        _show(study, parent)


def choose(study: SharedStudy) -> Trial | Turn:
    """A new trial that has its cell and this process's name; if there is none to begin, what to do instead."""
    with study.alone("trial"):
        put_in_order(study.optuna, study.recover)
        trials = study.count()
        done, running = trials[TrialState.COMPLETE], trials[TrialState.RUNNING]
        free = trials[TrialState.WAITING] > 0 or bool(free_cells(study.optuna, study.asked.space))
        if done >= study.asked.trials or not (free or running):
            return Turn.OVER
        if not free or done + running >= study.asked.trials:
            return Turn.WAIT
        trial = study.optuna.ask()
        trial.set_user_attr("worker", study.worker.name)
        study.asked.space.suggest(trial)
        return trial


def carry_out(study: SharedStudy, parent: Run, trial: Trial) -> FrozenTrial | None:
    """Run a trial that has its cell, and tell the study its outcome; None if others have given it up meanwhile."""
    try:
        hold_run(parent.run_id, study.worker)
        job = study.job(trial, parent.run_id)
        with heartbeat(study.optuna, trial):
            outcome = run_trial(job, study.worker, study.bench, lambda: study.is_running(trial))
            return tell(study, trial, outcome)
    except GivenUpError:
        return None
    except BaseException as error:
        _fail(study, trial, error)
        raise


def tell(study: SharedStudy, trial: Trial, outcome: Outcome) -> FrozenTrial | None:
    """Tell the study what a trial has found; None if others have given it up, and then its run does not count."""
    try:
        trial.set_user_attr("run_id", outcome.run_id)
        if outcome.error:
            trial.set_user_attr("error", outcome.error)
            return study.optuna.tell(trial, state=TrialState.FAIL)
        if study.asked.max_bank_mb:
            trial.set_constraint("bank_mb", outcome.over)
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


def _report(study: SharedStudy, parent: Run, last: FrozenTrial, durations: Sequence[float], say: Say) -> None:
    """Say how a trial has ended, and how far the study is."""
    trials = study.count()
    if last.state == TrialState.FAIL:
        say(f"Trial {last.number} failed: {last.user_attrs['error']}")
        return
    cell = {key: last.params[key] for key in study.asked.space.values}
    best = max(trial_value(trial) for trial in study.optuna.get_trials(False, (TrialState.COMPLETE,)))
    done, at_work = trials[TrialState.COMPLETE], 1 + trials[TrialState.RUNNING]
    left = max(0, study.asked.trials - done) * statistics.fmean(durations) / at_work
    say(
        f"Trial {last.number:<3} {trial_value(last):.4f}  (best {best:.4f})  "
        f"{in_words(type(study.spec.detector), cell)}  {durations[-1]:.1f} s; "
        f"{done} of {study.asked.trials} done" + (f", about {duration(left)} left" if left else "")
    )
    _show(study, parent, left)


def _show(study: SharedStudy, parent: Run, left: float = 0) -> None:
    """Say on the study's page in MLflow how it stands; ``left`` seconds are to go, 0 if nobody knows."""
    show_standing(parent, study.asked.trials, study.asked.goal.words, study_trials(study.name), left)


def trial_value(trial: FrozenTrial) -> float:
    """The one number of a trial: its value, or the mean of a Pareto trial's two."""
    return statistics.fmean(trial.values)
