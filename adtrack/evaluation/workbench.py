"""An opened class behind a backbone: its image sets as a detector gets them."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from adtrack.config import BackboneSpec, DataSpec, ImageSpec
from adtrack.data.demo import data_root
from adtrack.data.layouts import read_class
from adtrack.evaluation.opened_class import OpenedClass, open_class
from adtrack.features.backbone import Backbone, choose_device
from adtrack.features.feature_set import FeatureSet
from adtrack.features.store import FeatureStore
from adtrack.features.weights import load_trunk


@dataclass(frozen=True, eq=False)
class Workbench:
    """What all detectors of a class have in common: the class, the backbone and the view (``image``) of it."""

    opened: OpenedClass
    backbone: Backbone
    image: ImageSpec
    store: FeatureStore = field(default_factory=FeatureStore)

    def __post_init__(self) -> None:
        object.__setattr__(self, "image", self.image.normalised_for(self.backbone.normalisation))

    @classmethod
    def open(
        cls, data: DataSpec, image: ImageSpec, backbone: BackboneSpec, layers: Sequence[str], device: str = "auto"
    ) -> "Workbench":
        """Open the class, and load the backbone for detectors that use no other than these layers of it."""
        chosen = choose_device(device)
        read_class(data_root(data.root), data.class_name)  # else weights are downloaded for a class that is not there
        network = Backbone(load_trunk(backbone, layers, data.root), layers, chosen)
        return cls(open_class(data), network, image)

    def features(self, name: str) -> FeatureSet:
        """The backbone's outputs for the image set of this name, computed at most once."""
        return self.store.features(self.opened.images(name), self.backbone, self.image)
