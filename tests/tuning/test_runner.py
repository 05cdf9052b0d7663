"""Trials at work: shared with other processes, given up by them, and kept apart from other studies of the same name."""

import itertools

import optuna
import pytest
from mlflow import MlflowClient
from optuna.trial import TrialState

from adtrack.config import BuildSpec, DataSpec
from adtrack.detectors.patchcore_spec import PatchCoreSpec
from adtrack.tracking.store import search_runs
from adtrack.tuning import one_trial, runner
from adtrack.tuning.sampling import WithoutRepeats
from adtrack.tuning.shared_study import SharedStudy
from adtrack.tuning.space import Space
from adtrack.tuning.spec import StudySpec

GRID = ("--sampler", "grid", "--space-patch-size", "1")


def the_study() -> optuna.Study:
    """The study as another process sees it."""
    return optuna.load_study(study_name=None, storage="sqlite:///optuna.db")


def statuses(role: str) -> list[str]:
    return sorted(run.info.status for run in search_runs("") if run.data.tags["adtrack.role"] == role)


@pytest.fixture
def during_the_first_trial(monkeypatch):
    """Has something happen once, while the first bank is built."""
    pending = []
    real = one_trial.climb

    def climb(*arguments, **named):
        if pending:
            pending.pop()()
        return real(*arguments, **named)

    monkeypatch.setattr(one_trial, "climb", climb)
    return pending.append


def test_a_trial_that_others_have_given_up_does_not_count_and_the_process_works_on(
    workplace, adtrack, part, space, during_the_first_trial
):
    during_the_first_trial(lambda: the_study().tell(0, state=TrialState.FAIL))
    done = adtrack("tune", *part, *space, *GRID, "--trials", 2)
    assert done.code == 0, done.err
    assert "Trial 0 was silent for so long that it was given up and queued again." in done.out
    trials = the_study().trials
    assert [trial.state.name for trial in trials] == ["FAIL", "COMPLETE", "COMPLETE"]
    assert trials[1].params == trials[0].params and trials[1].user_attrs["retry_of"] == 0
    assert statuses("trial") == ["FAILED", "FINISHED", "FINISHED"]
    assert "Best of 2 trials" in done.out


def test_a_process_with_nothing_left_to_begin_waits_for_the_others(
    workplace, adtrack, part, space, during_the_first_trial, monkeypatch
):
    def begin_elsewhere() -> None:
        trial = the_study().ask({name: optuna.distributions.CategoricalDistribution(v) for name, v in cells.items()})
        trial.set_user_attr("worker", "another-machine|a.lock")

    def end_elsewhere(seconds: float) -> None:
        if seconds:  # the first look finds the other machine at work, the second finds that its trial has failed
            study = the_study()
            study._storage.set_trial_user_attr(study.trials[1]._trial_id, "error", "MemoryError")
            study.tell(1, state=TrialState.FAIL)

    cells = {"patch_size": (1,), "layers": ("layer2", "layer3"), "coreset_fraction": (0.1, 0.25)}
    during_the_first_trial(begin_elsewhere)
    monkeypatch.setattr(runner.time, "sleep", end_elsewhere)
    done = adtrack("tune", *part, *space, *GRID, "--trials", 2)
    assert done.out.count("other processes are still at work on theirs") == 1
    assert [trial.state.name for trial in the_study().trials] == ["COMPLETE", "FAIL", "COMPLETE"]
    assert "Best of 2 trials" in done.out


@pytest.mark.parametrize("look", range(1, 8))
def test_a_trial_that_ends_between_two_looks_leaves_no_room_for_another(workplace, monkeypatch, look):
    """Two trials are asked for; one is done, the other ends elsewhere just after this process has looked once more."""
    space = Space.of(PatchCoreSpec, {"patch_size": "1,3,5", "layers": "layer2", "coreset_fraction": "0.1"})
    spec = StudySpec(space, trials=2)
    study = optuna.create_study(storage="sqlite:///optuna.db", sampler=WithoutRepeats(spec.space, "grid", 0))
    for cell in spec.space.cells()[:2]:
        study.enqueue_trial(cell, user_attrs={"worker": "another-machine|a.lock"})
    done, elsewhere = (study.ask() for _ in range(2))
    for trial in (done, elsewhere):
        spec.space.suggest(trial)
    study.tell(done, 0.5)
    looks, get_trials = itertools.count(1), study.get_trials

    def looked(*arguments, **options):
        seen = get_trials(*arguments, **options)
        if next(looks) == look:
            the_study().tell(elsewhere.number, 0.5)
        return seen

    monkeypatch.setattr(study, "get_trials", looked)
    monkeypatch.setattr(study, "ask", lambda *_: pytest.fail("a third trial was begun"))
    base = BuildSpec(DataSpec("part"), PatchCoreSpec())
    shared = SharedStudy("part", base, spec, study, "sqlite:///optuna.db", None, "cpu", None)
    while runner.choose(shared) is runner.Turn.WAIT:
        pass
    assert [trial.state.name for trial in the_study().trials] == ["COMPLETE", "COMPLETE"]


def test_another_study_of_the_same_name_does_not_mix_with_the_first(workplace, adtrack, part, space):
    command = ("tune", *part, *space, *GRID, "--trials", 1)
    assert adtrack(*command).code == 0
    refused = adtrack(*command, "--storage", "sqlite:///other.db")
    assert (
        refused.code == 2
        and f"must go on with the Optuna storage that it began with, sqlite:///{workplace}/optuna.db" in refused.err
    )
    assert statuses("study") == ["FINISHED"] and len(statuses("trial")) == 1


def test_a_registered_model_that_was_deleted_is_registered_again(workplace, adtrack, part, space):
    command = ("tune", *part, *space, *GRID, "--trials", 1)
    assert adtrack(*command).code == 0
    MlflowClient().delete_registered_model("adtrack-part")
    again = adtrack(*command)
    assert again.code == 0, again.err
    assert "Registered as adtrack-part version 1, champion." in again.out
