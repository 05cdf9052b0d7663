"""A sampler that never tries a cell of the space twice."""

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from adtrack.errors import UserError
from adtrack.tuning.space import Cell, Space

SAMPLERS = ("tpe", "random", "grid")
_STARTUP = 6  # random cells before TPE has something to learn from


def check_sampler(name: str) -> None:
    """Refuse a sampler that there is not."""
    if name not in SAMPLERS:
        raise UserError(f"sampler must be one of {', '.join(SAMPLERS)}, but got {name!r}.")


class WithoutRepeats(BaseSampler):
    """Grid order, random choice or TPE over the cells that no trial has taken yet.

    TPE begins with the cells of ``recipes``. A study has few cells and a trial's outcome is certain, so to try a cell
    again is to learn nothing. The choice depends only on the seed, the trials before it and their number, of which
    interrupted ones do not count: a resumed study goes on as if it had never stopped.
    """

    def __init__(self, space: Space, strategy: str, seed: int, recipes: Sequence[Cell] = ()) -> None:
        check_sampler(strategy)
        self._space, self._strategy, self._seed, self._recipes = space, strategy, seed, recipes

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return self._space.distributions()

    def sample_relative(self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]) -> Cell:
        free = free_cells(study, self._space, besides=trial.number)
        if not free:  # the trial is a queued one, which has its cell: what is chosen here is not asked for
            free = self._space.cells()
        if self._strategy == "grid":
            return free[0]
        turn = trial.number - sum(interrupted(other) for other in study.get_trials(deepcopy=False))
        seed = int.from_bytes(hashlib.sha256(f"{self._seed}:{turn}".encode()).digest()[:4], "big")
        if self._strategy == "tpe":
            if turn < len(self._recipes) and self._recipes[turn] in free:
                return self._recipes[turn]
            tpe = TPESampler(seed=seed, n_startup_trials=_STARTUP)
            for _ in range(10):  # TPE draws anew each time
                cell = tpe.sample_relative(study, trial, search_space)
                if cell in free:
                    return cell
        return free[np.random.default_rng(seed).integers(len(free))]

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        return RandomSampler(seed=self._seed).sample_independent(study, trial, param_name, param_distribution)


def cell_of(trial: FrozenTrial) -> Cell:
    """The trial's cell, or the one that it is queued for."""
    return trial.params or trial.system_attrs.get("fixed_params", {})


def interrupted(trial: FrozenTrial) -> bool:
    """Whether the trial's process was stopped in the middle of it; one that failed by itself holds its error."""
    return trial.state == TrialState.FAIL and "error" not in trial.user_attrs


def free_cells(study: Study, space: Space, besides: int | None = None) -> list[Cell]:
    """The cells that no trial has finished, failed at, is at work on or is queued for; trial ``besides`` does not
    count."""
    trials = study.get_trials(deepcopy=False)
    taken = [cell_of(trial) for trial in trials if trial.number != besides]
    return [cell for cell in space.cells() if cell not in taken]
