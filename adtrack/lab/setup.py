"""What an experiment measures: classes, methods, and all that their cells have in common."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

from adtrack.config import BackboneSpec, DataSpec, DetectorSpec, ImageSpec
from adtrack.errors import UserError
from adtrack.evaluation.opened_class import open_class
from adtrack.evaluation.workbench import Workbench
from adtrack.features.backbone import Backbone, choose_device
from adtrack.features.usual_layers import settled
from adtrack.lab.networks import NamedNetwork
from adtrack.tracking.weights import find_trunk


@dataclass(frozen=True)
class Setup:
    """The classes of one data set and the methods, with one network and one view for all of them.

    ``networks`` are those that an experiment compares which names its networks itself.
    """

    classes: tuple[str, ...]
    data: str
    detectors: tuple[DetectorSpec, ...]
    image: ImageSpec
    backbone: BackboneSpec
    device: str = "auto"
    seed: int = 42
    networks: tuple[NamedNetwork, ...] = ()

    @property
    def methods(self) -> tuple[str, ...]:
        """The names of the methods: ``patchcore``, ``padim``."""
        return tuple(spec.method for spec in self.detectors)

    @property
    def inputs(self) -> tuple[str, ...]:
        """Whatever some method asks for: layers of the network, the view."""
        return tuple(dict.fromkeys(name for spec in self.detectors for name in spec.inputs))

    def bench(self, class_name: str, train_images: int | None = None, train_draw: int = 0) -> Workbench:
        """The workbench of one class, with all images of Train or with so many; see ``DataSpec``."""
        data = DataSpec(class_name, self.data, self.seed, train_images=train_images, train_draw=train_draw)
        return Workbench(open_class(data), _backbone(self), self.image)

    def cells(self) -> Iterator[tuple[Workbench, DetectorSpec]]:
        """The bench of every class with every method."""
        for class_name in self.classes:
            bench = self.bench(class_name)
            for spec in self.detectors:
                yield bench, spec

    def settled(self) -> "Setup":
        """The same with the layers of its network where the methods name none."""
        return replace(self, detectors=tuple(settled(spec, self.backbone.name) for spec in self.detectors))

    def unseen(self) -> "Setup":
        """The same without methods, whose benches need no network: they only show images."""
        return replace(self, detectors=())

    def only(self, method: str) -> "Setup":
        """The same with one method."""
        return replace(self, detectors=tuple(spec for spec in self.detectors if spec.method == method))


def need_weights(bench: Workbench) -> None:
    """UserError: the network has random weights because those that were asked for could not be had."""
    if bench.backbone.trunk.fell_back:
        raise UserError(f"weights of {bench.backbone.trunk.network} must be had, but they could not be downloaded.")


@lru_cache(maxsize=2)
def _backbone(setup: Setup) -> Backbone:
    """The network, which all classes share."""
    trunk = find_trunk(setup.backbone, setup.inputs, setup.data)
    return Backbone(trunk, setup.inputs, choose_device(setup.device))
