"""What a study is asked to do."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from adtrack.data.imageset import VAL_SETS
from adtrack.errors import UserError
from adtrack.evaluation.evaluate import PIXEL_METRICS, RANKED_METRICS
from adtrack.settings import whole
from adtrack.tuning.pruning import check_pruner
from adtrack.tuning.sampling import check_sampler
from adtrack.tuning.space import Space

_LARGEST_SEED = 2**32 - 1  # of NumPy's generators, which Optuna draws from
PIXELS = ("best", "all")
OBJECTIVES = ("both", "clean", "shift", "worst", "pareto")


@dataclass(frozen=True)
class Objective:
    """What counts as good: a metric, and how its values on Val-clean and on Val-shift become one value.

    ``of`` is their mean ("both"), one of them ("clean", "shift"), the smaller one ("worst"), or neither: a Pareto front
    of the two ("pareto").
    """

    metric: str = "image_auroc"
    of: str = "both"

    def __post_init__(self) -> None:
        if self.metric not in RANKED_METRICS:
            raise UserError(f"metric must be one of {', '.join(RANKED_METRICS)}, but got {self.metric!r}.")
        if self.of not in OBJECTIVES:
            raise UserError(f"objective must be one of {', '.join(OBJECTIVES)}, but got {self.of!r}.")

    @property
    def count(self) -> int:
        """How many values ``values`` gives; all of them are to be large."""
        return 2 if self.of == "pareto" else 1

    @property
    def sets(self) -> tuple[str, ...]:
        """The Val sets on which the metric counts."""
        return {"clean": ("val_clean",), "shift": ("val_shift",)}.get(self.of, VAL_SETS)

    def values(self, metrics: Mapping[str, float]) -> tuple[float, ...]:
        """What Optuna maximises, from a run's metrics; NaN where one that counts is NaN."""
        found = tuple(metrics[f"{name}/{self.metric}"] for name in self.sets)
        if self.of == "both":
            return (sum(found) / 2,)
        if self.of == "worst":
            return (math.nan if any(map(math.isnan, found)) else min(found),)  # min(0.5, nan) would be 0.5
        return found

    def value(self, metrics: Mapping[str, float]) -> float:
        """The one number that trials are ranked by: the value, or the mean of both on a Pareto front."""
        values = self.values(metrics)
        return sum(values) / len(values)

    @property
    def words(self) -> str:
        """In words: "mean image AUROC of Val-clean and Val-shift"."""
        metric = metric_words(self.metric)
        words = {
            "both": f"mean {metric} of Val-clean and Val-shift",
            "clean": f"{metric} on Val-clean",
            "shift": f"{metric} on Val-shift",
            "worst": f"smaller {metric} of Val-clean and Val-shift",
            "pareto": f"mean {metric} of Val-clean and Val-shift (Pareto study)",
        }
        return words[self.of]


@dataclass(frozen=True)
class StudySpec:
    """The study: its space, what counts as good, and how many finished trials it shall have in total.

    ``metric`` and ``objective`` say what counts (see ``Objective``). ``max_bank_mb`` is a limit on the model's size in
    MB (10⁶ bytes); 0 means none. ``pruner`` says which trials are given up on their way (see ``pruning``). ``pixels``
    says which trials have metrics of pixels: the "best", which are compared when the study ends, or "all".
    """

    space: Space
    trials: int = 20
    sampler: str = "tpe"
    metric: str = "image_auroc"
    objective: str = "both"
    max_bank_mb: float = 0.0
    seed: int = 42
    pruner: str = "auto"
    pixels: str = "best"

    def __post_init__(self) -> None:
        if self.trials < 1:
            raise UserError(f"trials must be at least 1, but got {self.trials}.")
        whole("seed", self.seed, 0, most=_LARGEST_SEED)
        check_sampler(self.sampler)
        Objective(self.metric, self.objective)
        check_pruner(self.pruner, self.metric, self.goal.count)
        if self.pixels not in PIXELS:
            raise UserError(f"pixels must be one of {', '.join(PIXELS)}, but got {self.pixels!r}.")
        if not self.max_bank_mb >= 0:
            raise UserError(f"max_bank_mb must be 0 (no limit) or a size in MB, but got {self.max_bank_mb}.")

    @property
    def goal(self) -> Objective:
        """What counts as good."""
        return Objective(self.metric, self.objective)

    @property
    def all_pixels(self) -> bool:
        """Whether every trial measures pixels: because its metric is one of pixels, or because that is asked for."""
        return self.metric in PIXEL_METRICS or self.pixels == "all"

    def asked(self) -> dict[str, Any]:
        """What a study may not change between two calls, as plain data.

        The number of trials and their metrics of pixels may change. A study that began before there were pruners goes
        on with the usual one.
        """
        names = ("sampler", "metric", "objective", "max_bank_mb", "seed")
        pruner = {} if self.pruner == "auto" else {"pruner": self.pruner}
        return {"space": self.space.values, **{name: getattr(self, name) for name in names}, **pruner}


def metric_words(metric: str) -> str:
    """A metric as people write it: ``image AUROC``, ``pixel AU-PRO 0.30``."""
    words = metric.replace("_", " ").replace("aupro 0", "AU-PRO 0.")
    return words.replace("auroc", "AUROC").replace("auprc", "AUPRC").replace("f1", "F1")
