"""Views as camera and light might have shown them another time, and anomalies made by CutMix."""

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageEnhance

_SHOWN = (0.7, 1.0)  # the share of a view's side that a variation still shows
_LIGHT = (0.8, 1.2)  # by how much it is brighter, and richer in contrast
_AREA = (0.02, 0.15)  # the share of a view that a pasted rectangle covers
_RATIO = 3.0  # its longest side is at most so many times as long as its other


def varied(view: np.ndarray, draws: np.random.Generator) -> np.ndarray:
    """A view uint8 (S, S, 3) cropped a little at any side and squeezed back, with other brightness and contrast."""
    size = len(view)
    side = size * draws.uniform(*_SHOWN)
    left, top = draws.uniform(0, size - side, 2)
    box = (left, top, left + side, top + side)
    picture = Image.fromarray(view).resize((size, size), Image.Resampling.BILINEAR, box)
    picture = ImageEnhance.Brightness(picture).enhance(draws.uniform(*_LIGHT))
    return np.asarray(ImageEnhance.Contrast(picture).enhance(draws.uniform(*_LIGHT)))


@dataclass(frozen=True)
class Rectangle:
    """Rows [top, top + height) and columns [left, left + width) of a view."""

    top: int
    left: int
    height: int
    width: int

    def of(self, view: np.ndarray) -> np.ndarray:
        """What a view has there."""
        return view[self.top : self.top + self.height, self.left : self.left + self.width]

    def moved(self, top: int, left: int) -> "Rectangle":
        """The same rectangle elsewhere."""
        return Rectangle(top, left, self.height, self.width)


def drawn_rectangle(size: int, draws: np.random.Generator) -> Rectangle:
    """A rectangle anywhere in a view of size²."""
    area, ratio = draws.uniform(*_AREA) * size**2, math.exp(draws.uniform(-1, 1) * math.log(_RATIO))
    height = min(max(2, round(math.sqrt(area * ratio))), size - 1)
    width = min(max(2, round(math.sqrt(area / ratio))), size - 1)
    return Rectangle(*_place(size, height, width, draws), height, width)


def cut_mixed(view: np.ndarray, other: np.ndarray, draws: np.random.Generator) -> np.ndarray:
    """A view uint8 (S, S, 3) with a rectangle of ``other``, which is cut from another place than it is pasted to."""
    there = drawn_rectangle(len(view), draws)
    taken = there
    while taken == there:
        taken = there.moved(*_place(len(view), there.height, there.width, draws))
    mixed = view.copy()
    there.of(mixed)[:] = taken.of(other)
    return mixed


def _place(size: int, height: int, width: int, draws: np.random.Generator) -> tuple[int, int]:
    return int(draws.integers(size - height + 1)), int(draws.integers(size - width + 1))
