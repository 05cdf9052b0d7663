"""The tasks that a network learns from good images alone."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from ..config import VIEW, ImageSpec
from ..data.loading import normalised
from ..features.weights import Trunk
from .augment import cut_mixed, varied
from .gradients import Inputs
from .judgement import LUCK, TaskVerdict, by_luck
from .loop import Trainee
from .losses import TURNS, contrastive_figures, rotation_figures
from .pooled import PooledNetwork, pooled_network
from .spec import CUTMIX, ROTATION, FineTuneSpec

_HEAD_LEARNS_FASTER = 10
_PROJECTION = 128  # numbers that stand for a view where views are compared


class SelfSupervised(Trainee):
    """A task on views, uint8 (n, S, S, 3): what the network is shown of an image, and what it shall say.

    ``judged`` is the figure by which the task is judged.
    """

    judged: ClassVar[str]
    module: PooledNetwork

    def __init__(
        self, trunk: Trunk, views: np.ndarray, image: ImageSpec, spec: FineTuneSpec, device: torch.device
    ) -> None:
        super().__init__(self.network(trunk, spec, image.size), device)
        self.views, self.image, self.spec = views, image, spec

    @abstractmethod
    def network(self, trunk: Trunk, spec: FineTuneSpec, size: int) -> PooledNetwork:
        """The trunk's network with the head that the task needs."""

    @abstractmethod
    def shown(self, item: int, others: Sequence[int], draws: np.random.Generator, learning: bool) -> list[np.ndarray]:
        """The pictures that the network gets of an image, which is in one batch with ``others``: uint8 (S, S, 3)."""

    @classmethod
    @abstractmethod
    def verdict(cls, first: float, right: float, count: int) -> TaskVerdict:
        """What the shares mean that the first and the best epoch got right in so many looks at held-out images."""

    def inputs(self, items: Sequence[int], draws: np.random.Generator, *, learning: bool) -> Inputs:
        """The pictures of the images as the network gets them."""
        pictures = []
        for item in items:
            others = [other for other in items if other != item]
            pictures += [normalised(picture, self.image) for picture in self.shown(item, others, draws, learning)]
        return {VIEW: torch.from_numpy(np.stack(pictures))}

    def optimiser(self) -> torch.optim.Optimizer:
        """AdamW; the head, which begins with nothing, learns faster."""
        freed = [parameter for parameter in self.module.network.parameters() if parameter.requires_grad]
        groups = [
            {"params": freed, "lr": self.spec.lr},
            {"params": list(self.module.head.parameters()), "lr": self.spec.lr * _HEAD_LEARNS_FASTER},
        ]
        return torch.optim.AdamW(groups)


class Rotation(SelfSupervised):
    """Four-way recognition: by how many quarter turns an image has been turned."""

    judged = "accuracy"

    def network(self, trunk: Trunk, spec: FineTuneSpec, size: int) -> PooledNetwork:
        """A linear head with one output for each turn."""
        return pooled_network(trunk, spec, size, TURNS)

    def shown(self, item: int, others: Sequence[int], draws: np.random.Generator, learning: bool) -> list[np.ndarray]:
        """The image turned 0, 1, 2 and 3 times; where it is learnt from, it is varied first."""
        view = varied(self.views[item], draws) if learning else self.views[item]
        return [np.rot90(view, turns) for turns in range(TURNS)]

    def figures(self, outputs: Tensor) -> dict[str, Tensor]:
        """Cross-entropy, and the share of turns that are recognised."""
        return rotation_figures(outputs)

    @classmethod
    def verdict(cls, first: float, right: float, count: int) -> TaskVerdict:
        """Guessing recognises a quarter of the turns; a product that half a turn leaves alone gives half of them."""
        found = f"{right:.0%} of the turns of {count} held-out images are recognised; guessing gives 25 %."
        if by_luck(right, count, 1 / TURNS) >= LUCK:
            return TaskVerdict(
                False,
                f"{found} That may be luck: the product is photographed at any angle, looks the same at every angle, "
                "or the images are too few to tell. Rotation teaches nothing here; --task cutmix needs no angle.",
            )
        if first == 1:
            return TaskVerdict(
                True,
                f"{found} The first epoch recognised all of them: what the network knew before, the direction of the "
                "light or the border of the photo gives the turn away, so there was little to learn.",
            )
        if right == 1:
            return TaskVerdict(
                True,
                f"{found} If the product lies at any angle in its photos, the direction of the light or the border of "
                "the photo gives the turn away, and the network has learnt that and not the product.",
            )
        if by_luck(right, count, 1 / 2) >= LUCK:
            return TaskVerdict(
                True,
                f"{found} That may be no more than half: a product that looks the same after half a turn teaches less.",
            )
        return TaskVerdict(True, found)


class CutMix(SelfSupervised):
    """Contrastive learning: two variations of an image attract each other, anomalies made by CutMix repel them."""

    judged = "told_apart"
    looks = 3

    def network(self, trunk: Trunk, spec: FineTuneSpec, size: int) -> PooledNetwork:
        """A head with a hidden layer, which gives what stands for a view."""
        return pooled_network(trunk, spec, size, _PROJECTION, hidden=2 * _PROJECTION)

    def shown(self, item: int, others: Sequence[int], draws: np.random.Generator, learning: bool) -> list[np.ndarray]:
        """Two variations of the image, and a third with a rectangle of another image or of another place."""
        first, second, third = (varied(self.views[item], draws) for _ in range(3))
        source = third
        if others and draws.random() < 0.5:
            source = varied(self.views[others[int(draws.integers(len(others)))]], draws)
        return [first, second, cut_mixed(third, source, draws)]

    def figures(self, outputs: Tensor) -> dict[str, Tensor]:
        """NT-Xent with anomalies, and how often views are told from the rest and from their anomaly."""
        return contrastive_figures(outputs, self.spec.temperature)

    @classmethod
    def verdict(cls, first: float, right: float, count: int) -> TaskVerdict:
        """Guessing finds half of the views nearer to their other view than to their anomaly.

        Two looks at one image count as two: if pieces pasted into it changed nothing, each would be a new draw.
        """
        found = (
            f"{right:.0%} of the views in {count} looks at held-out images are nearer to another view of the image "
            "than to an anomaly made of it; guessing gives 50 %."
        )
        if by_luck(right, count, 1 / 2) >= LUCK:
            return TaskVerdict(
                False,
                f"{found} That may be luck: a pasted piece of this product looks like what was there before, or the "
                "images are too few to tell. CutMix teaches nothing here.",
            )
        return TaskVerdict(True, found)


TASK_CLASSES: dict[str, type[SelfSupervised]] = {ROTATION: Rotation, CUTMIX: CutMix}
