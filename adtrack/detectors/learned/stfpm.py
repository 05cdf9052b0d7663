"""Student–teacher feature pyramid matching: a student that has learned what the frozen network makes of good images.

Reference: Wang et al., Student-Teacher Feature Pyramid Matching for Anomaly Detection, BMVC 2021, arXiv 2103.04257.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from ...config import VIEW, LayersSpec
from ..drift import AugmentedSpec, SmoothedSpec
from .detector import LearnedDetector
from .spec import LearnedSpec, batch_setting, epochs_setting, lr_setting, patience_setting

if TYPE_CHECKING:
    from .learner import Seen
    from .student import Student


@dataclass(frozen=True)
class StfpmSpec(AugmentedSpec, SmoothedSpec, LayersSpec, LearnedSpec):
    """Which layers the student matches, and how long it learns to.

    The authors match layer1, layer2 and layer3 of a ResNet-18, and learn for 100 epochs in steps of 32 images, without
    stopping early: ``layers=layer1+layer2+layer3``, ``epochs=100``, ``batch=32``, ``patience=100``. Few images make few
    such steps, so the default is smaller steps, which need fewer epochs.

    The teacher's outputs cannot be standardised: they would be negative in part, and a student that ends with a ReLU as
    the teacher does could not give them.
    """

    search_order: ClassVar[tuple[str, ...]] = ("smooth", "augment", "layers", "lr")
    recipes: ClassVar[tuple[Mapping[str, Any], ...]] = ({},)

    _: KW_ONLY
    epochs: int = epochs_setting(60)
    batch: int = batch_setting(4)
    lr: float = lr_setting(0.4, tries=(0.1, 0.4))
    # Batch norm follows the weights slowly, so the held-out images get worse at first.
    patience: int = patience_setting(20)
    method: str = "stfpm"

    @property
    def inputs(self) -> tuple[str, ...]:
        """The layers, which the teacher gives, and the view, which the student sees."""
        return (*self.layers, VIEW)


class Stfpm(LearnedDetector[StfpmSpec]):
    """Cells are as anomalous as the student's outputs are unlike the teacher's, which is the frozen network."""

    spec_type = StfpmSpec
    name = "STFPM"
    smoothing = 0.0  # the paper smooths nothing

    @classmethod
    def learner_of(cls, spec: StfpmSpec, seen: Seen) -> Student:
        """A network like the teacher, with weights that have learned nothing."""
        from .student import Student

        return Student(spec, seen)
