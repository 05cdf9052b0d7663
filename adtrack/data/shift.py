"""MVTec-Shift: a seeded change of viewpoint, exposure and light that depends on nothing but seed, path and severity.

This module draws what happens to an image; ``transform.py`` does it.
"""

import dataclasses
import hashlib
import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from ..config import check_severity

RANGES = {
    "angle": (-10.0, 10.0),  # degrees
    "scale": (0.9, 1.0),  # area of the crop
    "aspect": (0.9, 1.1),  # width : height of the crop, relative to the image's own
    "translation": (-0.05, 0.05),  # of each side
    "brightness": (0.7, 1.3),
    "contrast": (0.7, 1.3),
    "saturation": (0.7, 1.3),
    "noise_sigma": (0.01, 0.05),  # of an image in [0, 1]
    "illumination_depth": (0.4, 0.7),
}
BLUR_KERNELS = (3, 5)
ILLUMINATED_SHARE = 0.5
LINEAR = ("left", "right", "top", "bottom")
RADIAL = ("centre", "edge")
DEEPEST = 0.95  # of illumination at any severity: some light must remain at the dark end

# The kinds of transform that a shift is made of, and the parameters of each.
PARTS = {
    "geometric": ("angle", "crop_top", "crop_left", "crop_height", "crop_width", "translate_y", "translate_x"),
    "brightness": ("brightness",),
    "contrast": ("contrast",),
    "saturation": ("saturation",),
    "blur": ("blur_kernel",),
    "noise": ("noise_sigma", "noise_seed"),
    "illumination": ("illumination", "illumination_depth"),
}

_UNSCALED = ("noise_seed", "illumination", "blur_kernel")  # the kernel has a rule of its own, so that it stays odd
Option = TypeVar("Option")


@dataclass(frozen=True)
class Shift:
    """The transform of one image; the default changes nothing. Lengths are shares of a side, whatever its size.

    ``illumination`` names the dark end: "none", "left", "right", "top", "bottom", "centre" or "edge".
    """

    angle: float = 0.0
    crop_top: float = 0.0
    crop_left: float = 0.0
    crop_height: float = 1.0
    crop_width: float = 1.0
    translate_y: float = 0.0
    translate_x: float = 0.0
    brightness: float = 1.0
    contrast: float = 1.0
    saturation: float = 1.0
    blur_kernel: int = 1
    noise_sigma: float = 0.0
    noise_seed: int = 0
    illumination: str = "none"
    illumination_depth: float = 0.0

    def only(self, names: Collection[str]) -> "Shift":
        """The part of the shift that has these parameters; all others change nothing."""
        return Shift(**{name: getattr(self, name) for name in names})

    def without(self, names: Collection[str]) -> "Shift":
        """The shift with all but these parameters, which change nothing."""
        return self.only([field.name for field in dataclasses.fields(self) if field.name not in names])


class Draws:
    """Uniform numbers from raw words, whose stream numpy guarantees for good; that of its Generator may change."""

    def __init__(self, seed: int, path: str) -> None:
        self._bits = np.random.PCG64(int.from_bytes(hashlib.sha256(f"{seed}:{path}".encode()).digest(), "big"))

    def whole(self) -> int:
        """A whole number in [0, 2⁵³), which JSON keeps exactly."""
        return int(self._bits.random_raw()) >> 11

    def unit(self) -> float:
        return self.whole() * 2.0**-53

    def between(self, low: float, high: float) -> float:
        return low + (high - low) * self.unit()

    def pick(self, options: Sequence[Option]) -> Option:
        return options[int(self.unit() * len(options))]


def draw_seed(seed: int, draw: int) -> int:
    """The seed of a further draw of Train, from the seed of the shifted domain; ``draw`` counts from 1.

    It is another number than ``seed``, and Train shares no path with Val or Test: no image of a draw is shifted as one
    of theirs is.
    """
    return int.from_bytes(hashlib.sha256(f"{seed}:draw {draw}".encode()).digest()[:8], "big") >> 1


def draw_shift(path: str, seed: int, severity: float = 1.0) -> Shift:
    """The transform of the image at ``path`` (relative to the data root), the same in any split, order or process.

    ``severity`` scales how far each parameter is from no transform: 0 is none, 1 the protocol's, 2 double. The draws
    stay the same. UserError: it is not in [0, 2].
    """
    check_severity(severity)
    return _scaled(_draw(Draws(seed, path)), severity)


def _draw(draws: Draws) -> Shift:
    scale = draws.between(*RANGES["scale"])
    # Within the aspects at which a crop of this area still fits into the image: both sides at most 1.
    aspect = draws.between(max(RANGES["aspect"][0], scale), min(RANGES["aspect"][1], 1 / scale))
    height, width = math.sqrt(scale / aspect), math.sqrt(scale * aspect)
    lit, linear = draws.unit() < ILLUMINATED_SHARE, draws.unit() < 0.5
    dark_end, depth = draws.pick(LINEAR if linear else RADIAL), draws.between(*RANGES["illumination_depth"])
    return Shift(
        angle=draws.between(*RANGES["angle"]),
        crop_top=draws.between(0, 1 - height),
        crop_left=draws.between(0, 1 - width),
        crop_height=height,
        crop_width=width,
        translate_y=draws.between(*RANGES["translation"]),
        translate_x=draws.between(*RANGES["translation"]),
        brightness=draws.between(*RANGES["brightness"]),
        contrast=draws.between(*RANGES["contrast"]),
        saturation=draws.between(*RANGES["saturation"]),
        blur_kernel=draws.pick(BLUR_KERNELS),
        noise_sigma=draws.between(*RANGES["noise_sigma"]),
        noise_seed=draws.whole(),
        illumination=dark_end if lit else "none",
        illumination_depth=depth if lit else 0.0,
    )


def _scaled(shift: Shift, severity: float) -> Shift:
    """The shift whose every parameter is ``severity`` times as far from no transform; at 1 it is the same shift.

    The part of the image that a crop cuts off is scaled, so that the crop still lies inside the image. At severity 2
    the factors of brightness, contrast and saturation are within 0.4 … 1.6 and never negative.
    """
    none = Shift()
    values = {}
    for name in (field.name for field in dataclasses.fields(Shift) if field.name not in _UNSCALED):
        neutral = getattr(none, name)
        values[name] = neutral + severity * (getattr(shift, name) - neutral)
    values["illumination_depth"] = min(values["illumination_depth"], DEEPEST)
    values["illumination"] = shift.illumination if values["illumination_depth"] else none.illumination
    radius = (shift.blur_kernel - 1) // 2
    values["blur_kernel"] = 1 + 2 * math.floor(severity * radius + 0.5)
    return dataclasses.replace(shift, **values)
