"""How the hyperparameters of a method move its quality on clean and on shifted images, read from a study's trials."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from adtrack.tracking.trials import TrialRecord
from adtrack.tuning.searched import parameters, settings_of

CLEAN, SHIFTED = "val_clean/image_auroc", "val_shift/image_auroc"


@dataclass(frozen=True)
class Effect:
    """The mean metrics of the trials that share a value of one hyperparameter.

    The sampler chose the other hyperparameters of these trials.
    """

    parameter: str
    value: str
    trials: int
    clean: float
    shifted: float

    @property
    def drop(self) -> float:
        """How much AUROC the shift costs."""
        return self.clean - self.shifted


def trial_frame(trials: Sequence[TrialRecord]) -> pd.DataFrame:
    """A row for each trial: its class, number, method and hyperparameters, the image AUROC on Val-clean and Val-shift,
    and the size of the model in MB."""
    return pd.DataFrame(
        [
            {
                "class": trial.class_name,
                "trial": trial.number,
                "method": trial.method,
                **parameters(trial),
                "clean": trial.metrics[CLEAN],
                "shifted": trial.metrics[SHIFTED],
                "bank_mb": trial.metrics["cost/bank_mb"],
                "run_id": trial.run_id,
            }
            for trial in trials
        ]
    )


def effects(trials: Sequence[TrialRecord]) -> list[Effect]:
    """The effect of every value of every hyperparameter that a class's study varied."""
    frame, found = trial_frame(trials), []
    for one in (one for one in settings_of(trials) if one.key in frame):
        for value, group in frame.groupby(one.key, sort=True, dropna=False):
            means = float(group["clean"].mean()), float(group["shifted"].mean())
            found.append(Effect(one.label, _text(value), len(group), *means))
    return found


def _text(value: object) -> str:
    """A value of a data frame as people write it. Pandas keeps None as NaN, and whole numbers beside it as floats."""
    if isinstance(value, float):
        return "none" if np.isnan(value) else f"{value:g}"
    return str(value)


def rank_correlation(trials: pd.DataFrame) -> float:
    """Spearman's ρ of clean and shifted AUROC over trials: whether the model that is best on clean images is best on
    shifted ones, too.

    It is NaN for fewer than three trials, or if one of the two does not vary.
    """
    if len(trials) < 3 or trials["clean"].nunique() < 2 or trials["shifted"].nunique() < 2:
        return float("nan")
    return float(spearmanr(trials["clean"], trials["shifted"]).statistic)


def regret(trials: pd.DataFrame) -> float:
    """The shifted AUROC that is lost by choosing the trial that is best on clean images.

    Where several trials have the best clean AUROC, it is the mean over them.
    """
    chosen = trials.loc[np.isclose(trials["clean"], trials["clean"].max(), rtol=0, atol=1e-9), "shifted"]
    return float(trials["shifted"].max() - chosen.mean())
