"""How a bank's hyperparameters move clean and shifted quality: read from a study's trials, nothing is run again."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from adtrack.tracking.trials import TrialRecord
from adtrack.tuning.searched import parameters

CLEAN, SHIFTED = "val_clean/image_auroc", "val_shift/image_auroc"
_FACTS = ("class", "trial", "clean", "shifted", "bank_mb", "run_id")  # columns that are no hyperparameters


@dataclass(frozen=True)
class Effect:
    """Mean metrics over the trials that share a value of one hyperparameter; others vary as the sampler chose."""

    parameter: str
    value: str
    trials: int
    clean: float
    shifted: float

    @property
    def drop(self) -> float:
        """What the shift costs."""
        return self.clean - self.shifted


def trial_frame(trials: Sequence[TrialRecord]) -> pd.DataFrame:
    """One row a trial: class, number, parameters, clean and shifted image AUROC on Val, bank MB."""
    return pd.DataFrame(
        [
            {
                "class": trial.class_name,
                "trial": trial.number,
                **parameters(trial),
                "clean": trial.metrics[CLEAN],
                "shifted": trial.metrics[SHIFTED],
                "bank_mb": trial.metrics["cost/bank_mb"],
                "run_id": trial.run_id,
            }
            for trial in trials
        ]
    )


def effects(trials: pd.DataFrame) -> list[Effect]:
    """The effect of every value of every hyperparameter, over one class's trials."""
    found = []
    for parameter in (name for name in trials.columns if name not in _FACTS):
        for value, group in trials.groupby(parameter, sort=True):
            found.append(Effect(parameter, str(value), len(group), group["clean"].mean(), group["shifted"].mean()))
    return found


def rank_correlation(trials: pd.DataFrame) -> float:
    """Spearman's ρ of clean and shifted AUROC over trials: whether the best clean bank is the best shifted one."""
    if len(trials) < 3 or trials["clean"].nunique() < 2 or trials["shifted"].nunique() < 2:
        return float("nan")
    return float(spearmanr(trials["clean"], trials["shifted"]).statistic)


def regret(trials: pd.DataFrame) -> float:
    """Shifted AUROC that is lost by choosing the trial that is best on clean images instead of on shifted ones.

    Clean images cannot tell trials of one clean AUROC apart: of several best ones it is the mean.
    """
    chosen = trials.loc[np.isclose(trials["clean"], trials["clean"].max(), rtol=0, atol=1e-9), "shifted"]
    return float(trials["shifted"].max() - chosen.mean())
