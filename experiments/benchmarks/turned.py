"""More images than a class has: turned and mirrored, they are new ones to a network."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from adtrack import config
from adtrack.data.imageset import ImageSet
from adtrack.errors import UserError

WAYS = 8  # four quarter turns, mirrored or not


@dataclass(frozen=True)
class Turned:
    """``count`` of the images of a set in all their eight ways, in an order drawn at random.

    However many are taken, they are a fair sample of the same population: a longer set begins with a shorter one, and
    is no more or less varied for its length.
    """

    images: ImageSet
    count: int

    def __post_init__(self) -> None:
        most = WAYS * len(self.images)
        if not 1 <= self.count <= most:
            raise UserError(f"images must be between 1 and {most}, {WAYS} ways of each, but got {self.count}.")

    @property
    def name(self) -> str:
        return f"{self.images.name}, turned"

    @property
    def digest(self) -> str:
        return config.digest({"images": self.images.digest, "turned": self.count})

    @cached_property
    def _order(self) -> np.ndarray:
        return np.random.default_rng(0).permutation(WAYS * len(self.images))

    def __len__(self) -> int:
        return self.count

    def image(self, index: int) -> np.ndarray:
        """uint8 (H, W, 3)."""
        way, at = divmod(int(self._order[: self.count][index]), len(self.images))
        image = self.images.image(at)
        image = image[:, ::-1] if way >= WAYS // 2 else image
        return np.ascontiguousarray(np.rot90(image, way))
