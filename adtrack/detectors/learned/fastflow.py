"""FastFlow (Yu et al., FastFlow: Unsupervised Anomaly Detection and Localization via 2D Normalizing Flows, arXiv
2111.07677): how likely the outputs of layers are, by a flow that has learned those of good images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from ...settings import NUMBER, SWITCH, WHOLE, at_least, setting, within
from ..drift import DriftSpec
from .detector import LearnedDetector
from .spec import LearnedSpec, batch_setting, epochs_setting, lr_setting

if TYPE_CHECKING:
    from ...features.feature_set import FeatureSet
    from .learner import Seen
    from .normalising_flow import LayerFlows


@dataclass(frozen=True)
class FastflowSpec(DriftSpec, LearnedSpec):
    """Of which layers' outputs the likelihood is learned, by how many steps of what size, and for how long.

    The authors use layers 1 to 3 of a ResNet, 8 steps (20 behind a transformer), a hidden ratio of 1 behind a ResNet-18
    and 0.16 behind a wide ResNet, and 500 epochs in batches of 32.
    """

    search_order: ClassVar[tuple[str, ...]] = (*DriftSpec.search_order, "layers", "flow_steps", "lr")
    # On the demo's zipper they help most under the shift if all are taken, and cost nothing on clean images.
    recipes: ClassVar[tuple[Mapping[str, Any], ...]] = ({}, {"smooth": 1.0, "standardise": 1.0, "augment": 3})

    flow_steps: int = setting(
        8,
        WHOLE,
        "FastFlow: how many steps its flows have.",
        at_least(1, "8 is the usual number.", 64),
        tries=(4, 8),
        brief="{} steps",
    )
    hidden_ratio: float = setting(
        0.0,
        NUMBER,
        "FastFlow: how many hidden channels a step has, as a share of those that it looks at; 0: 1, or 0.16 if a layer "
        "has more than 256 channels.",
        within(0, 8, "0 takes the authors' share for narrow and for wide networks."),
    )
    conv3x3_only: bool = setting(
        False, SWITCH, "FastFlow: whether all its steps look at neighbouring cells, or every second one only."
    )
    _: KW_ONLY
    epochs: int = epochs_setting(60)
    batch: int = batch_setting(8)
    lr: float = lr_setting(1e-3, tries=(1e-3, 3e-3))
    method: str = "fastflow"


class Fastflow(LearnedDetector[FastflowSpec]):
    """Cells are as anomalous as they are unlikely, by a flow for each layer that has learned good images.

    The authors' map is minus the likelihood of a pixel, exp(-mean over channels of z² / 2), and its mean over layers.
    Here scores are minus the logarithm of that likelihood. So they are at least 0, and those of very unlikely images
    still differ. An image's score is the largest value at any pixel of the view, as in anomalib.
    """

    spec_type = FastflowSpec
    name = "FastFlow"
    smoothing = 0.0

    @classmethod
    def effort(cls, train: FeatureSet, spec: FastflowSpec) -> float:
        """Steps of flows that images go through."""
        return super().effort(train, spec) * spec.flow_steps

    @classmethod
    def learner_of(cls, spec: FastflowSpec, seen: Seen) -> LayerFlows:
        """A flow for each layer."""
        from .normalising_flow import LayerFlows

        return LayerFlows(spec, seen)
