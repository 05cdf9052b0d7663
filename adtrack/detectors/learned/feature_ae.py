"""An autoencoder of frozen features: cells of good images that it has learned to write down in a few numbers.

Reference: FeatCAE, Yang et al., DFR: Deep Feature Reconstruction for Unsupervised Anomaly Segmentation, arXiv
2012.07122, with one-by-one convolutions only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from ...settings import WHOLE, at_least, setting
from ..drift import DriftSpec
from .detector import LearnedDetector
from .spec import LearnedSpec, batch_setting, epochs_setting, lr_setting

if TYPE_CHECKING:
    from .feature_autoencoder import FeatureAutoencoder
    from .learner import Seen


@dataclass(frozen=True)
class FeatureAeSpec(DriftSpec, LearnedSpec):
    """Of which layers' cells, in how many numbers a cell is written down, and how long this is learned."""

    search_order: ClassVar[tuple[str, ...]] = (*DriftSpec.search_order, "layers", "latent", "lr")
    recipes: ClassVar[tuple[Mapping[str, Any], ...]] = ({}, {"smooth": 1.0, "standardise": 1.0, "augment": 3})

    latent: int = setting(
        64,
        WHOLE,
        "Feature autoencoder: how many numbers it writes a cell of the feature maps down in.",
        at_least(1, "64 is the usual number.", 4096),
        key="feature_latent",
        tries=(16, 64, 128),
        brief="{} numbers",
    )
    _: KW_ONLY
    epochs: int = epochs_setting(30)
    batch: int = batch_setting(8)
    lr: float = lr_setting(1e-3, tries=(1e-3, 3e-3))
    method: str = "feature_ae"


class FeatureAe(LearnedDetector[FeatureAeSpec]):
    """Cells are as anomalous as the autoencoder is wrong about them."""

    spec_type = FeatureAeSpec
    name = "Feature autoencoder"

    @classmethod
    def learner_of(cls, spec: FeatureAeSpec, seen: Seen) -> FeatureAutoencoder:
        """An autoencoder of the merged layers' channels."""
        from .feature_autoencoder import FeatureAutoencoder

        return FeatureAutoencoder(spec, seen)
