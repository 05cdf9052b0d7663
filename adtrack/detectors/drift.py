"""Settings that make a detector keep working when light and camera drift. Methods that use layers share them."""

from __future__ import annotations

import dataclasses
from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

from ..config import MAX_SEVERITY, DetectorSpec, ImageSpec, LayersSpec, check_smooth
from ..errors import UserError
from ..settings import NUMBER, TEXT, WHOLE, at_least, setting, within

_SHIFT = "shift"


def _family(label: str, value: object) -> None:
    if value == _SHIFT:
        return
    from ..data.domains import FAMILIES  # which imports SciPy

    if value not in FAMILIES:
        raise UserError(f"{label} must be among {', '.join(FAMILIES)}, but got {value!r}.", "shift is the usual one.")


@dataclass(frozen=True)
class SmoothedSpec(DetectorSpec):
    """The specification of a method whose view may be smoothed."""

    _: KW_ONLY
    smooth: float = setting(
        0.0,
        NUMBER,
        "σ in pixels of the Gaussian that smooths the view before the network gets it; 0 smooths nothing.",
        check_smooth,
        tries=(0.0, 1.0),
        brief="smooth {:g}",
        option=True,
        later=True,
    )

    def view(self, image: ImageSpec) -> ImageSpec:
        return dataclasses.replace(image, smooth=self.smooth)


@dataclass(frozen=True)
class StandardisedSpec(DetectorSpec):
    """The specification of a method that may take an image's own mean and spread out of its patches."""

    _: KW_ONLY
    standardise: float = setting(
        0.0,
        NUMBER,
        "How far an image's own mean and spread of every channel are taken out of its patches: 0 not at all, 1 fully.",
        within(0, 1, "1 takes them out, 0 leaves them in."),
        tries=(0.0, 1.0),
        brief="std {:g}",
        option=True,
        later=True,
    )


@dataclass(frozen=True)
class AugmentedSpec(DetectorSpec):
    """The specification of a method that may learn from shifted draws of its images as well."""

    _: KW_ONLY
    augment: int = setting(
        0,
        WHOLE,
        "How many shifted draws of each Train image the method learns from besides the image itself.",
        at_least(0, "3 is a good number, 0 learns from the images as they are.", 64),
        tries=(0, 3),
        brief="+{} draws",
        option=True,
        later=True,
    )
    augment_severity: float = setting(
        1.0,
        NUMBER,
        "How far these draws are shifted: 1 as far as the shifted domain, 2 twice as far.",
        within(0, MAX_SEVERITY, "1 is as far as the shifted domain."),
        brief="at {:g}",
        option=True,
        later=True,
    )
    augment_family: str = setting(
        _SHIFT,
        TEXT,
        "What these draws are drawn from: shift, which is MVTec-Shift, shift_wide, which adds sharp shadows, defocus, "
        "gamma and colour, or shift_without_blur, shift_wide_without_shadow and the like, which leave a part out.",
        _family,
        brief="from {}",
        later=True,
    )

    @property
    def draws(self) -> tuple[str, ...]:
        from ..data.imageset import draw_names  # which imports torch

        return draw_names(self.augment, self.augment_severity, self.augment_family)


@dataclass(frozen=True)
class DriftSpec(AugmentedSpec, StandardisedSpec, SmoothedSpec, LayersSpec):
    """The specification of a method of patches that may be built for drift. By default nothing is done about it.

    The last of its ``recipes`` is the one for drift.
    """

    search_order: ClassVar[tuple[str, ...]] = ("smooth", "augment", "standardise")
