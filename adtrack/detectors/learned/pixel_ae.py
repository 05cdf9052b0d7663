"""A convolutional autoencoder of the view, the oldest baseline of all: it is known to be weak on textures.

Reference: Bergmann et al., Improving Unsupervised Defect Segmentation by Applying Structural Similarity to
Autoencoders, VISAPP 2019, arXiv 1807.02011. Its autoencoder sees patches of a fixed size, this one whole views of any.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING

from .detector import LearnedDetector
from .pixel_spec import PixelSpec, latent_setting

if TYPE_CHECKING:
    from .learner import Seen
    from .view_autoencoder import ViewAutoencoder


@dataclass(frozen=True)
class PixelAeSpec(PixelSpec):
    """In how many numbers views are written down."""

    latent: int = latent_setting(32, tries=(8, 32))
    _: KW_ONLY
    method: str = "pixel_ae"


class PixelAe(LearnedDetector[PixelAeSpec]):
    """Pixels are as anomalous as they differ from what the autoencoder draws from a few numbers."""

    spec_type = PixelAeSpec
    name = "Pixel autoencoder"
    requires = ("kornia",)

    @classmethod
    def learner_of(cls, spec: PixelAeSpec, seen: Seen) -> ViewAutoencoder:
        """An autoencoder of the view."""
        from .view_autoencoder import ViewAutoencoder

        return ViewAutoencoder(spec, spec.latent)
