"""Reverse distillation (Deng & Li, Anomaly Detection via Reverse Distillation from One-Class Embedding, CVPR 2022,
arXiv 2201.10703)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from ..drift import DriftSpec
from .detector import LearnedDetector
from .spec import LearnedSpec, batch_setting, epochs_setting, lr_setting

if TYPE_CHECKING:
    from .learner import Seen
    from .reverse_decoder import ReverseDecoder


@dataclass(frozen=True)
class ReverseDistillationSpec(DriftSpec, LearnedSpec):
    """Of which layers, and how long a decoder learns to give them back.

    The authors use layer1, layer2 and layer3 of a Wide ResNet-50-2 and views of 256² pixels. They learn for 200 epochs
    in batches of 16, and hold no images out. Fewer epochs, and smaller batches that make more steps of an epoch, let a
    processor finish in minutes.
    """

    search_order: ClassVar[tuple[str, ...]] = (*DriftSpec.search_order, "layers", "lr")
    recipes: ClassVar[tuple[Mapping[str, Any], ...]] = ({}, {"smooth": 1.0, "standardise": 1.0, "augment": 3})

    _: KW_ONLY
    epochs: int = epochs_setting(40)
    batch: int = batch_setting(8)
    lr: float = lr_setting(5e-3, tries=(1e-3, 5e-3))
    method: str = "reverse_distillation"


class ReverseDistillation(LearnedDetector[ReverseDistillationSpec]):
    """Cells are as anomalous as what the decoder gives back for them points another way than what the network gave."""

    spec_type = ReverseDistillationSpec
    name = "Reverse distillation"

    @classmethod
    def learner_of(cls, spec: ReverseDistillationSpec, seen: Seen) -> ReverseDecoder:
        """A bottleneck and a decoder for the layers' channels. UserError: their grids do not halve."""
        from .reverse_decoder import ReverseDecoder

        return ReverseDecoder(spec, seen)
