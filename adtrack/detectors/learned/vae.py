"""A variational autoencoder of the view (Kingma and Welling, Auto-Encoding Variational Bayes, ICLR 2014, arXiv
1312.6114)."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, ClassVar

from ...settings import NUMBER, setting, within
from .detector import LearnedDetector
from .pixel_spec import PixelSpec, latent_setting

if TYPE_CHECKING:
    from .learner import Seen
    from .variational_autoencoder import VariationalAutoencoder


@dataclass(frozen=True)
class VaeSpec(PixelSpec):
    """In how many numbers views are written down, and how closely these follow a normal distribution."""

    search_order: ClassVar[tuple[str, ...]] = (*PixelSpec.search_order, "beta")

    latent: int = latent_setting(32, tries=(8, 32))
    beta: float = setting(
        1.0,
        NUMBER,
        "Variational autoencoder: how much the divergence from a normal distribution counts beside the error.",
        within(0, 1000, "1 is the usual weight."),
        tries=(0.1, 1.0),
        brief="beta {:g}",
    )
    _: KW_ONLY
    method: str = "vae"


class Vae(LearnedDetector[VaeSpec]):
    """Pixels are as anomalous as they differ from what is drawn from the mean of the numbers that they may mean."""

    spec_type = VaeSpec
    name = "Variational autoencoder"
    requires = ("kornia",)

    @classmethod
    def learner_of(cls, spec: VaeSpec, seen: Seen) -> VariationalAutoencoder:
        """A variational autoencoder of views of the size that is seen."""
        from .variational_autoencoder import VariationalAutoencoder

        return VariationalAutoencoder(spec, seen)
