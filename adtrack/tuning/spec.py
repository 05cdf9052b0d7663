"""What a study is asked to do."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from adtrack.data.imageset import VAL_SETS
from adtrack.errors import UserError
from adtrack.evaluation.evaluate import RANKED_METRICS
from adtrack.settings import whole
from adtrack.tuning.space import SAMPLERS, Space

_LARGEST_SEED = 2**32 - 1  # of NumPy's generators, which Optuna draws from
OBJECTIVES = ("both", "clean", "shift", "worst", "pareto")


@dataclass(frozen=True)
class StudySpec:
    """The study: its space, what counts as good, and how many finished trials it shall have in total.

    ``objective`` says how the metric on Val-clean and on Val-shift becomes one value: their mean ("both"), one of them
    ("clean", "shift"), the smaller one ("worst"), or neither: a Pareto front of the two ("pareto").
    ``max_bank_mb`` is a limit on the bank's size in MB; 0 = none.
    """

    space: Space = field(default_factory=Space)
    trials: int = 20
    sampler: str = "tpe"
    metric: str = "image_auroc"
    objective: str = "both"
    max_bank_mb: float = 0.0
    seed: int = 42

    def __post_init__(self) -> None:
        if self.trials < 1:
            raise UserError(f"trials must be at least 1, but got {self.trials}.")
        whole("seed", self.seed, 0, most=_LARGEST_SEED)
        if self.sampler not in SAMPLERS:
            raise UserError(f"sampler must be one of {', '.join(SAMPLERS)}, but got {self.sampler!r}.")
        if self.metric not in RANKED_METRICS:
            raise UserError(f"metric must be one of {', '.join(RANKED_METRICS)}, but got {self.metric!r}.")
        if self.objective not in OBJECTIVES:
            raise UserError(f"objective must be one of {', '.join(OBJECTIVES)}, but got {self.objective!r}.")
        if not self.max_bank_mb >= 0:
            raise UserError(f"max_bank_mb must be 0 (no limit) or a size in MB, but got {self.max_bank_mb}.")

    @property
    def directions(self) -> list[str]:
        """One direction a value that ``values`` gives."""
        return ["maximize"] * (2 if self.objective == "pareto" else 1)

    @property
    def sets(self) -> tuple[str, ...]:
        """The Val sets on which the metric counts."""
        return {"clean": ("val_clean",), "shift": ("val_shift",)}.get(self.objective, VAL_SETS)

    def values(self, metrics: Mapping[str, float]) -> tuple[float, ...]:
        """What Optuna maximises, from a run's metrics; NaN where one that counts is NaN."""
        found = tuple(metrics[f"{name}/{self.metric}"] for name in self.sets)
        if self.objective == "both":
            return (sum(found) / 2,)
        if self.objective == "worst":
            return (math.nan if any(map(math.isnan, found)) else min(found),)  # min(0.5, nan) would be 0.5
        return found

    def objective_value(self, metrics: Mapping[str, float]) -> float:
        """The one number that trials are ranked by: the value, or the mean of both on a Pareto front."""
        values = self.values(metrics)
        return sum(values) / len(values)

    @property
    def objective_name(self) -> str:
        """In words: "mean image AUROC of Val-clean and Val-shift"."""
        metric = metric_words(self.metric)
        words = {
            "both": f"mean {metric} of Val-clean and Val-shift",
            "clean": f"{metric} on Val-clean",
            "shift": f"{metric} on Val-shift",
            "worst": f"smaller {metric} of Val-clean and Val-shift",
            "pareto": f"mean {metric} of Val-clean and Val-shift (Pareto study)",
        }
        return words[self.objective]


def metric_words(metric: str) -> str:
    """A metric as people write it: ``image AUROC``, ``pixel AU-PRO 0.30``."""
    words = metric.replace("_", " ").replace("aupro 0", "AU-PRO 0.")
    return words.replace("auroc", "AUROC").replace("auprc", "AUPRC").replace("f1", "F1")
