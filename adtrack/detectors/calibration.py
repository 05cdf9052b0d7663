"""What a calibration settles: from which score on an image is anomalous, and what the colours of its maps mean."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from ..errors import UserError

ADAPTED = "adapted"  # the fact in which a model says how its threshold was moved
_COLOURS = ("colour_low", "colour_high")


@dataclass(frozen=True)
class ColourRange:
    """The patch scores at the dark and at the bright end of the colours."""

    low: float
    high: float

    def __post_init__(self) -> None:
        if not -math.inf < self.low < self.high < math.inf:
            raise UserError(f"a colour range must rise between finite ends, but got {self.low} to {self.high}.")

    def level(self, anomaly_map: np.ndarray) -> np.ndarray:
        """Where in the range: a new array of values in [0, 1] of the map's shape; NaN stays NaN."""
        return np.clip((anomaly_map - self.low) / (self.high - self.low), 0.0, 1.0)


@dataclass(frozen=True)
class GoodScores:
    """The scores of Val's good images, ascending, by the name of their set. A threshold can be moved by them later on.

    ``margin`` is the height above the median of a domain's good scores at which alarms begin. In the domain of a single
    set, that is where the threshold lies. ``threshold`` is the one that serves the domains of several sets together;
    None for a single set, and for models from before it was kept.
    """

    margin: float
    scores: Mapping[str, tuple[float, ...]]
    threshold: float | None = None

    @classmethod
    def of(
        cls, margin: float, scores: Mapping[str, Sequence[float] | np.ndarray], threshold: float | None = None
    ) -> "GoodScores":
        """The same of scores in any order. ValueError: they are not finite, or a set has none."""
        found = {name: tuple(sorted(map(float, some))) for name, some in scores.items()}
        together = None if threshold is None else float(threshold)
        everything = [float(margin), together or 0.0, *(score for some in found.values() for score in some)]
        if not found or not all(found.values()) or not all(map(math.isfinite, everything)):
            raise ValueError("its scores of good images are not finite numbers")
        return cls(float(margin), MappingProxyType(found), together)

    def plain(self) -> dict[str, object]:
        """Plain data, for ``scorer.json``."""
        together = {} if self.threshold is None else {"threshold": self.threshold}
        return {"margin": self.margin, "scores": {name: list(some) for name, some in self.scores.items()}, **together}

    @classmethod
    def from_plain(cls, plain: object) -> "GoodScores":
        """Read what ``plain`` gave. ValueError: it is something else."""
        keys = plain.keys() - {"threshold"} if isinstance(plain, dict) else ()
        if not isinstance(plain, dict) or keys != {"margin", "scores"} or not isinstance(plain["scores"], dict):
            raise ValueError("its scores of good images have another form")
        single = [plain[name] for name in ("margin", "threshold") if name in plain]
        numbers = [single, *plain["scores"].values()]
        if not all(isinstance(some, list) and all(isinstance(one, float) for one in some) for some in numbers):
            raise ValueError("its scores of good images are not lists of numbers")
        return cls.of(plain["margin"], plain["scores"], plain.get("threshold"))


@dataclass(frozen=True)
class Calibration:
    """What a Val set settled: the threshold on image scores, and the colours of maps (None: the method has no maps).

    ``good`` are the scores of Val's good images; None: the model is from an earlier version, which kept none.
    """

    threshold: float
    colours: ColourRange | None
    good: GoodScores | None = None

    def fields(self) -> dict[str, float]:
        """Threshold and colours as plain data, for ``scorer.json``: flat, as the first models had it."""
        ends = (self.colours.low, self.colours.high) if self.colours else ()
        return {"threshold": self.threshold, **dict(zip(_COLOURS, ends, strict=False))}

    @classmethod
    def from_fields(cls, fields: Mapping[str, object], good: object = None) -> "Calibration":
        """Read what ``fields`` and ``GoodScores.plain`` gave. ValueError, UserError: it is something else."""
        numbers = {name: value for name, value in fields.items() if isinstance(value, float) and math.isfinite(value)}
        if numbers.keys() != fields.keys() or numbers.keys() not in ({"threshold"}, {"threshold", *_COLOURS}):
            raise ValueError("its calibration is not of finite numbers")
        colours = ColourRange(*(numbers[name] for name in _COLOURS)) if len(numbers) > 1 else None
        return cls(numbers["threshold"], colours, None if good is None else GoodScores.from_plain(good))
