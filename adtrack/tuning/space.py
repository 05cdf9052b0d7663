"""The cells that a study may try, and a sampler that never tries one twice."""

import hashlib
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

from adtrack.detectors.patchcore import PatchCoreSpec
from adtrack.errors import UserError
from adtrack.settings import parse_layers

PATCH_SIZES = (1, 3, 5, 7)
FRACTIONS = (0.01, 0.025, 0.05, 0.1, 0.25)
SAMPLERS = ("tpe", "random", "grid")
_STARTUP = 6  # random cells before TPE has something to learn from


def layer_runs(layers: Sequence[str]) -> tuple[str, ...]:
    """Every non-empty run of consecutive layers, joined by +: layer1, layer1+layer2, …"""
    count = len(layers)
    return tuple("+".join(layers[start:end]) for start in range(count) for end in range(start + 1, count + 1))


LAYER_RUNS = layer_runs(("layer1", "layer2", "layer3"))


@dataclass(frozen=True)
class Space:
    """The values that each parameter of a bank may take."""

    patch_size: tuple[int, ...] = PATCH_SIZES
    layers: tuple[str, ...] = LAYER_RUNS
    coreset_fraction: tuple[float, ...] = FRACTIONS

    def __post_init__(self) -> None:
        for name, values in self.__dict__.items():
            if not values or len(set(values)) != len(values):
                raise UserError(f"the space of {name} must be different values, but got {list(values)}.")
        for cell in self.cells():
            self.spec(cell, PatchCoreSpec())

    @property
    def all_layers(self) -> tuple[str, ...]:
        """Every layer that some cell uses, in order of first mention."""
        return tuple(dict.fromkeys(layer for run in self.layers for layer in parse_layers(run)))

    def cells(self) -> list[dict[str, Any]]:
        """All combinations, in the order of a grid search."""
        return [dict(zip(self.__dict__, values, strict=True)) for values in itertools.product(*self.__dict__.values())]

    def distributions(self) -> dict[str, BaseDistribution]:
        """The space in Optuna's terms."""
        return {name: CategoricalDistribution(values) for name, values in self.__dict__.items()}

    def suggest(self, trial: Trial) -> dict[str, Any]:
        """The cell of a trial."""
        return {name: trial.suggest_categorical(name, values) for name, values in self.__dict__.items()}

    @staticmethod
    def spec(cell: dict[str, Any], base: PatchCoreSpec) -> PatchCoreSpec:
        """The bank of a cell; what the space does not vary comes from ``base``."""
        return PatchCoreSpec(**{**base.__dict__, **cell, "layers": parse_layers(cell["layers"])})


class WithoutRepeats(BaseSampler):
    """Grid order, random choice or TPE over the cells that no trial has taken yet.

    A study has few cells and a trial's outcome is certain, so to try a cell again is to learn nothing. The choice
    depends only on the seed, the trials before it and their number, of which interrupted ones do not count: a resumed
    study goes on as if it had never stopped.
    """

    def __init__(self, space: Space, strategy: str, seed: int) -> None:
        if strategy not in SAMPLERS:
            raise UserError(f"sampler must be one of {', '.join(SAMPLERS)}, but got {strategy!r}.")
        self._space, self._strategy, self._seed = space, strategy, seed

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return self._space.distributions()

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        free = free_cells(study, self._space, besides=trial.number)
        if not free:  # the trial is a queued one, with its cell: what is chosen here is not asked for
            free = self._space.cells()
        if self._strategy == "grid":
            return free[0]
        turn = trial.number - sum(interrupted(other) for other in study.get_trials(deepcopy=False))
        seed = int.from_bytes(hashlib.sha256(f"{self._seed}:{turn}".encode()).digest()[:4], "big")
        if self._strategy == "tpe":
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


def cell_of(trial: FrozenTrial) -> dict[str, Any]:
    """The trial's cell, or the one it is queued for."""
    return trial.params or trial.system_attrs.get("fixed_params", {})


def interrupted(trial: FrozenTrial) -> bool:
    """Whether the trial's process was stopped in the middle of it; one that failed by itself holds its error."""
    return trial.state == TrialState.FAIL and "error" not in trial.user_attrs


def free_cells(study: Study, space: Space, besides: int | None = None) -> list[dict[str, Any]]:
    """The cells that no trial has finished, failed at, is at work on or is queued for."""
    taken = []
    for trial in study.get_trials(deepcopy=False):
        if trial.number != besides:
            taken.append(cell_of(trial))
    return [cell for cell in space.cells() if cell not in taken]
