"""What a calibration settles: from which score on an image is anomalous, and what the colours of its maps mean."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..errors import UserError

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
class Calibration:
    """What a Val set settled: the threshold on image scores, and the colours of maps (None: the method has no maps)."""

    threshold: float
    colours: ColourRange | None

    def fields(self) -> dict[str, float]:
        """Plain data, for ``scorer.json``: flat, as the first models had it."""
        ends = (self.colours.low, self.colours.high) if self.colours else ()
        return {"threshold": self.threshold, **dict(zip(_COLOURS, ends, strict=False))}

    @classmethod
    def from_fields(cls, fields: Mapping[str, object]) -> "Calibration":
        """Read what ``fields`` gave. ValueError, UserError: it is something else."""
        numbers = {name: value for name, value in fields.items() if isinstance(value, float) and math.isfinite(value)}
        if numbers.keys() != fields.keys() or numbers.keys() not in ({"threshold"}, {"threshold", *_COLOURS}):
            raise ValueError("its calibration is not of finite numbers")
        colours = ColourRange(*(numbers[name] for name in _COLOURS)) if len(numbers) > 1 else None
        return cls(numbers["threshold"], colours)
