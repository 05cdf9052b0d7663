"""A convolutional autoencoder of the view with skip connections, as of a U-Net: it can copy what it has never learned.

Reference: Ronneberger et al., U-Net: Convolutional Networks for Biomedical Image Segmentation, MICCAI 2015, arXiv
1505.04597, whose connections take fine detail past the narrow middle. In anomaly detection this is a weakness: detail
of a defect goes the same way, so that its pixels are drawn well and not found. The method is here to show this.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, ClassVar

from .detector import LearnedDetector
from .pixel_spec import PixelSpec

if TYPE_CHECKING:
    from .learner import Seen
    from .view_autoencoder import SkipAutoencoder


@dataclass(frozen=True)
class SkipAeSpec(PixelSpec):
    """Nothing of its own: how narrow the middle is does not matter where the outer maps go past it."""

    search_order: ClassVar[tuple[str, ...]] = ("smooth", "augment", "loss", "lr")

    _: KW_ONLY
    method: str = "skip_ae"


class SkipAe(LearnedDetector[SkipAeSpec]):
    """Pixels are as anomalous as they differ from what is drawn, with the view's own detail at hand."""

    spec_type = SkipAeSpec
    name = "Autoencoder with skip connections"
    requires = ("kornia",)

    @classmethod
    def learner_of(cls, spec: SkipAeSpec, seen: Seen) -> SkipAutoencoder:
        """An autoencoder of the view whose decoder gets the encoder's maps."""
        from .view_autoencoder import SkipAutoencoder

        return SkipAutoencoder(spec)
