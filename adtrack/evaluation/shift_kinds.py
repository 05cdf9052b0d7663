"""The kinds of transform that a shift is made of, one by one and in words."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

from adtrack.data.shift import LINEAR, RADIAL, Shift


@dataclass(frozen=True)
class ShiftKind:
    """A kind of transform: the fields of a Shift that it consists of, and how they are told in words.

    ``measure`` orders the images, so that examples of both ends can be shown. ``detail`` says that the kind cannot be
    seen in a shrunk picture: a part of the image is shown enlarged instead.
    """

    title: str
    fields: tuple[str, ...]
    measure: Callable[[Shift], tuple[float, ...]]
    words: Callable[[Shift], str]
    drawn: Callable[[Shift], bool] = lambda _: True
    detail: bool = False

    def alone(self, shift: Shift) -> Shift:
        """The part of the shift that is of this kind."""
        return shift.only(self.fields)


def _way(value: float, positive: str, negative: str) -> str:
    return positive if value >= 0 else negative


def _rotation(shift: Shift) -> str:
    return f"{abs(shift.angle):.1f}° {_way(shift.angle, 'anticlockwise', 'clockwise')}"


def _crop(shift: Shift) -> str:
    return f"{shift.crop_width:.1%} of the width, {shift.crop_height:.1%} of the height"


def _translation(shift: Shift) -> str:
    down, right = _way(shift.translate_y, "down", "up"), _way(shift.translate_x, "to the right", "to the left")
    return f"{abs(shift.translate_y):.1%} {down}, {abs(shift.translate_x):.1%} {right}"


def _blur(shift: Shift) -> str:
    return f"Gaussian kernel of {shift.blur_kernel} pixels" if shift.blur_kernel > 1 else "none"


def _light(shift: Shift) -> str:
    return f"{shift.illumination_depth:.0%} darker at the {shift.illumination}"


def _everything(shift: Shift) -> str:
    factors = f"brightness {shift.brightness:.2f}, contrast {shift.contrast:.2f}, saturation {shift.saturation:.2f}"
    light = "even light" if shift.illumination == "none" else _light(shift)
    return (
        f"{_rotation(shift)}; {_crop(shift)}; {_translation(shift)}; {factors}; {light}; "
        f"blur {shift.blur_kernel}; noise {shift.noise_sigma:.3f}"
    )


def _factor(name: str) -> ShiftKind:
    return ShiftKind(
        name.capitalize(), (name,), lambda shift: (getattr(shift, name),), lambda s: f"factor {getattr(s, name):.2f}"
    )


def _illumination(form: str, ends: tuple[str, ...]) -> ShiftKind:
    return ShiftKind(
        f"Illumination, {form}",
        ("illumination", "illumination_depth"),
        lambda shift: (ends.index(shift.illumination), shift.illumination_depth),
        _light,
        lambda shift: shift.illumination in ends,
    )


KINDS = (
    ShiftKind("Rotation", ("angle",), lambda shift: (shift.angle,), _rotation),
    ShiftKind(
        "Resized crop",
        ("crop_top", "crop_left", "crop_height", "crop_width"),
        lambda shift: (shift.crop_height * shift.crop_width,),
        _crop,
    ),
    ShiftKind("Translation", ("translate_y", "translate_x"), lambda shift: (shift.translate_x,), _translation),
    _factor("brightness"),
    _factor("contrast"),
    _factor("saturation"),
    _illumination("linear", LINEAR),
    _illumination("radial", RADIAL),
    ShiftKind("Blur", ("blur_kernel",), lambda shift: (shift.blur_kernel,), _blur, detail=True),
    ShiftKind(
        "Noise",
        ("noise_sigma", "noise_seed"),
        lambda shift: (shift.noise_sigma,),
        lambda shift: f"sigma {shift.noise_sigma:.3f} of the full range",
        detail=True,
    ),
    ShiftKind(
        "All together",
        tuple(field.name for field in dataclasses.fields(Shift)),
        lambda shift: (shift.brightness,),
        _everything,
    ),
)
