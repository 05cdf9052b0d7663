"""The sampler: every cell of the space once, the same ones after an interruption."""

import optuna
import pytest
from optuna.trial import Trial, TrialState

from adtrack.detectors.patchcore_spec import PatchCoreSpec
from adtrack.errors import UserError
from adtrack.tuning.sampling import WithoutRepeats, cell_of, free_cells
from adtrack.tuning.space import Space
from tests.tuning.spaces import PLAIN

SMALL = Space.of(
    PatchCoreSpec, {**PLAIN, "patch_size": "1,3", "layers": "layer2,layer2+layer3", "coreset_fraction": "0.1,0.25"}
)


def value(cell: dict) -> float:
    """Something to learn from."""
    return cell["patch_size"] - cell["coreset_fraction"] + 0.1 * len(cell["layers"])


def new_study(strategy: str, seed: int = 42, space: Space = SMALL, **options: object) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna.create_study(sampler=WithoutRepeats(space, strategy, seed), direction="maximize", **options)


def run(study: optuna.Study, count: int, stop_at: int | None = None) -> None:
    """Run ``count`` trials; trial number ``stop_at`` is interrupted."""

    def objective(trial: Trial) -> float:
        cell = SMALL.suggest(trial)
        if trial.number == stop_at:
            raise KeyboardInterrupt
        return value(cell)

    study.optimize(objective, n_trials=count)


def cells(study: optuna.Study) -> list[dict]:
    return [trial.params for trial in study.trials if trial.state == TrialState.COMPLETE]


def test_an_unknown_sampler_is_refused():
    with pytest.raises(UserError, match="sampler must be one of tpe, random, grid"):
        WithoutRepeats(SMALL, "bayes", 0)


@pytest.mark.parametrize("strategy", ["tpe", "random", "grid"])
@pytest.mark.parametrize("seed", [0, 1])
def test_every_cell_comes_once(strategy, seed):
    study = new_study(strategy, seed)
    run(study, 8)
    assert len(cells(study)) == 8 and all(cell in cells(study) for cell in SMALL.cells())
    assert free_cells(study, SMALL) == []


def test_tpe_begins_with_recipes_that_no_trial_has_taken() -> None:
    recipes = [SMALL.cells()[3], SMALL.cells()[6]]
    study = optuna.create_study(sampler=WithoutRepeats(SMALL, "tpe", 0, recipes), direction="maximize")
    run(study, 5)
    assert cells(study)[:2] == recipes and all(cell not in recipes for cell in cells(study)[2:])
    other = optuna.create_study(sampler=WithoutRepeats(SMALL, "tpe", 0, recipes), direction="maximize")
    other.enqueue_trial(recipes[0])
    run(other, 3)
    assert cells(other)[:2] == recipes and recipes[0] != cells(other)[2]
    plain = optuna.create_study(sampler=WithoutRepeats(SMALL, "random", 0, recipes), direction="maximize")
    run(plain, 2)
    assert cells(plain) != recipes


def test_grid_goes_in_order_and_the_others_by_seed():
    orders = {}
    for strategy, seed in (("grid", 0), ("random", 0), ("random", 1), ("tpe", 0)):
        one, two = new_study(strategy, seed), new_study(strategy, seed)
        run(one, 8)
        run(two, 8)
        assert cells(one) == cells(two)
        orders[strategy, seed] = cells(one)
    assert orders["grid", 0] == SMALL.cells()
    assert orders["random", 0] not in (SMALL.cells(), orders["random", 1])


def test_tpe_finds_the_good_cells_sooner_than_chance():
    texts = {**PLAIN, "patch_size": "1,3,5,7,9,11", "layers": "a,b,c,d", "coreset_fraction": "0.1,0.2,0.3,0.4"}
    space = Space.of(PatchCoreSpec, texts)

    def best_after(strategy: str, seed: int) -> float:
        study = new_study(strategy, seed, space)
        study.optimize(lambda trial: value(space.suggest(trial)), n_trials=24)
        return sum(sorted(trial.value for trial in study.trials)[-10:])

    tpe, chance = (sum(best_after(strategy, seed) for seed in range(5)) for strategy in ("tpe", "random"))
    assert tpe > chance


@pytest.mark.parametrize("strategy", ["tpe", "random", "grid"])
@pytest.mark.parametrize("stop_at", [1, 7])
def test_an_interrupted_study_goes_on_as_if_it_had_never_stopped(strategy, stop_at):
    whole = new_study(strategy)
    run(whole, 8)
    study = new_study(strategy)
    with pytest.raises(KeyboardInterrupt):
        run(study, 8, stop_at)
    assert study.trials[stop_at].state == TrialState.FAIL
    study.enqueue_trial(cell_of(study.trials[stop_at]))
    run(study, 8 - stop_at)
    assert cells(study) == cells(whole)


def test_queued_and_failed_cells_are_taken():
    study = new_study("grid")
    study.enqueue_trial(SMALL.cells()[0])
    assert free_cells(study, SMALL) == SMALL.cells()[1:]
    assert cell_of(study.trials[0]) == SMALL.cells()[0]

    def fails(trial: Trial) -> float:
        SMALL.suggest(trial)
        raise MemoryError

    study.optimize(fails, n_trials=2, catch=(MemoryError,))
    assert free_cells(study, SMALL) == SMALL.cells()[2:]
