"""From which images a model's threshold comes, and by which rule."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

from .errors import UserError

GOOD_QUANTILE = 0.99
AUTO, BOTH, VAL_CLEAN, VAL_SHIFT = "auto", "both", "val_clean", "val_shift"
CALIBRATE_ON = (BOTH, VAL_CLEAN, VAL_SHIFT)
BY_F1, BY_QUANTILE, BY_SPREAD = "f1", "good_quantile", "mean_std"
THRESHOLD_FROM = (BY_F1, BY_QUANTILE, BY_SPREAD)


def check_quantile(value: float) -> None:
    """Raise UserError unless a share of good parts is in (0, 1]."""
    if not 0 < value <= 1:
        raise UserError(f"good quantile must be in (0, 1], but got {value}.", "0.99 lets 99 % of the good parts pass.")


@dataclass(frozen=True)
class ThresholdSpec:
    """From which images of Val a model's threshold comes, and by which rule.

    ``calibrate_on`` is "both", "val_clean" or "val_shift". ``threshold_from`` is "f1" for the best F1, "good_quantile"
    for the threshold that lets the share ``good_quantile`` of the good images pass, or "mean_std" for the one that lies
    two standard deviations above the mean of their scores. "auto" means both and f1 where anomalies are labelled,
    except that a study which began earlier keeps what it began with. Where only good images are known, "auto" means
    val_clean and good_quantile: nobody could see what a higher threshold misses.
    """

    calibrate_on: str = AUTO
    threshold_from: str = AUTO
    good_quantile: float = GOOD_QUANTILE

    def __post_init__(self) -> None:
        for name, allowed in (("calibrate_on", CALIBRATE_ON), ("threshold_from", THRESHOLD_FROM)):
            if getattr(self, name) not in (AUTO, *allowed):
                raise UserError(f"{name} must be {', '.join(allowed)} or auto, but got {getattr(self, name)!r}.")
        check_quantile(self.good_quantile)

    def resolved(self, has_anomalies: bool) -> "ThresholdSpec":
        """The same with what "auto" means. UserError: f1 is asked for, but no anomalies are labelled."""
        if self.threshold_from == BY_F1 and not has_anomalies:
            raise UserError(
                "threshold_from f1 needs labelled anomalies, but there are only good images.",
                "good_quantile and mean_std need none.",
            )
        usual = (BOTH, BY_F1) if has_anomalies else (VAL_CLEAN, BY_QUANTILE)
        asked = (self.calibrate_on, self.threshold_from)
        where, rule = (meant if one == AUTO else one for one, meant in zip(asked, usual, strict=True))
        return dataclasses.replace(self, calibrate_on=where, threshold_from=rule)

    @property
    def sets(self) -> tuple[str, ...]:
        """The names of the Val sets that give the threshold."""
        return (VAL_CLEAN, VAL_SHIFT) if self.calibrate_on == BOTH else (self.calibrate_on,)

    @classmethod
    def from_params(cls, params: Mapping[str, str], has_anomalies: bool = True) -> "ThresholdSpec":
        """What the parameters of a model's run say. The first runs do not name Val-clean, where all looked."""
        where, rule = params.get("calibrate_on", VAL_CLEAN), params.get("threshold_from", AUTO)
        spec = cls(where, rule, float(params.get("good_quantile", GOOD_QUANTILE)))
        return spec.resolved(has_anomalies)

    @classmethod
    def from_facts(cls, facts: Mapping[str, str], has_anomalies: bool = True) -> "ThresholdSpec":
        """What a model says of how its threshold was found, before it was adapted if it was."""
        return cls.from_params({**facts, "calibrate_on": facts.get("calibrated_on", VAL_CLEAN)}, has_anomalies)

    def facts(self) -> dict[str, str]:
        """What a model says of how its threshold was found."""
        quantile = {"good_quantile": str(self.good_quantile)} if self.threshold_from == BY_QUANTILE else {}
        return {"calibrated_on": self.calibrate_on, "threshold_from": self.threshold_from, **quantile}
