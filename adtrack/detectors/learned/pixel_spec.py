"""What methods that learn to draw views have in common. They need no network, and compare a view with its drawing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar

from ...config import VIEW
from ...errors import UserError
from ...settings import TEXT, WHOLE, at_least, setting
from ..drift import AugmentedSpec, SmoothedSpec
from .spec import LearnedSpec, batch_setting, epochs_setting, lr_setting, patience_setting

MSE, SSIM = "mse", "ssim"


def _loss(label: str, value: object) -> None:
    if value not in (MSE, SSIM):
        raise UserError(
            f"{label} must be {MSE} or {SSIM}, but got {value!r}.",
            f"{MSE} compares pixel by pixel, {SSIM} compares the structure around each pixel.",
        )


def latent_setting(default: int, tries: Iterable[int]) -> Any:
    """The field ``latent`` of methods that write views down in few numbers."""
    return setting(
        default,
        WHOLE,
        "Pixel autoencoders: how many numbers they write every square of 16 by 16 pixels down in.",
        at_least(1, f"{default} is the usual number.", 4096),
        key="pixel_latent",
        tries=tries,
        brief="{} numbers",
    )


@dataclass(frozen=True)
class PixelSpec(AugmentedSpec, SmoothedSpec, LearnedSpec):
    """How a view is compared with what is drawn of it, and how large the module is that draws.

    A view's own light is not taken out, since the pixels are all that these methods see.
    """

    # There is no recipe for drift: on the demo's zipper smoothing and draws together made both Val sets worse.
    search_order: ClassVar[tuple[str, ...]] = ("smooth", "augment", "loss", "latent", "lr")

    loss: str = setting(
        MSE,
        TEXT,
        "Pixel autoencoders, which are weak on textures: what a view and its drawing are compared by: mse, the squared "
        "error of each pixel, or ssim, the structural similarity around it.",
        _loss,
        tries=(MSE, SSIM),
        brief="{}",
    )
    width: int = setting(
        16,
        WHOLE,
        "Pixel autoencoders: how many channels their first convolution has; the deeper ones have up to four times as "
        "many.",
        at_least(1, "16 is the usual number.", 1024),
        key="pixel_width",
    )
    _: KW_ONLY
    epochs: int = epochs_setting(60)
    batch: int = batch_setting(4)
    lr: float = lr_setting(2e-3, tries=(1e-3, 2e-3))
    # Texture is learned late: before that the held-out images may stay the same for some epochs.
    patience: int = patience_setting(10)

    @property
    def inputs(self) -> tuple[str, ...]:
        """The view alone."""
        return (VIEW,)
