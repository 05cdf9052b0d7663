"""An opened class behind a backbone: its image sets as a detector gets them."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from adtrack.config import BackboneSpec, DataSpec, ImageSpec
from adtrack.data.demo import data_root
from adtrack.data.layouts import read_class
from adtrack.evaluation.opened_class import OpenedClass, open_class
from adtrack.evaluation.pictures.shown import Display, as_display, shown_pictures
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
    _pictures: dict[str, np.ndarray] = field(default_factory=dict, repr=False)

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
        """The backbone's outputs for the image set of this name, computed at most once.

        What may be shown of the images is made in the same pass; Train is not shown.
        """
        images = self.opened.images(name)
        beside = [] if images.split == "train" else [shown_pictures(self.opened, name)]
        return self.store.features(images, self.backbone, self.image, beside)

    def display(self, name: str, index: int) -> Display:
        """An image of the set of this name and its mask, small enough to be shown."""
        if name not in self._pictures:
            product = shown_pictures(self.opened, name)
            self._pictures[name] = self.store.product(self.opened.images(name), product, f"Shrinking {name}")
        return as_display(self._pictures[name][index], self.opened.splits.has_masks)
