"""An opened class behind a backbone: its image sets as a detector gets them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from adtrack.config import BackboneSpec, DataSpec, DetectorSpec, ImageSpec
from adtrack.data.imageset import parse_name
from adtrack.detectors.training import TrainingSet
from adtrack.evaluation.crew import shared_training_set
from adtrack.evaluation.opened_class import ListedClass, OpenedClass, list_class
from adtrack.evaluation.pictures.shown import Display, as_display, shown_pictures
from adtrack.features.backbone import Backbone, choose_device
from adtrack.features.feature_set import FeatureSet, pooled
from adtrack.features.passes import Product
from adtrack.features.store import FeatureStore
from adtrack.features.views import view_pixels
from adtrack.features.weights import Trunk, load_trunk

TrunkLoader = Callable[[BackboneSpec, Sequence[str], str], Trunk]  # takes what ``load_trunk`` takes


@dataclass(frozen=True, eq=False)
class Workbench:
    """What all detectors of a class have in common: the class, the backbone and the view (``image``) of it.

    ``sets`` are image sets that will be passed over: those of one split come from one decoding of its files. If it is
    ``shared``, the machines of the cluster that this process is connected to hold the features of training sets.
    """

    opened: OpenedClass
    backbone: Backbone
    image: ImageSpec
    sets: Sequence[str] = ()
    store: FeatureStore = field(default_factory=FeatureStore)
    shared: bool = False
    _pictures: dict[str, np.ndarray] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "image", self.backbone.view(self.image))

    @classmethod
    def open(
        cls,
        data: DataSpec,
        image: ImageSpec,
        backbone: BackboneSpec,
        layers: Sequence[str],
        device: str = "auto",
        sets: Sequence[str] = (),
        load: TrunkLoader | None = None,
    ) -> "Workbench":
        """Open the class, and load the backbone for detectors that use no other than these layers of it.

        ``load`` finds the weights, by default without the tracking store.
        """
        chosen = choose_device(device)
        listed = list_class(data)  # before the weights, which are not downloaded for a class that is not there
        trunk = (load or load_trunk)(backbone, layers, data.root)
        return cls.of(listed, Backbone(trunk, layers, chosen), image, sets)

    @classmethod
    def of(cls, listed: ListedClass, backbone: Backbone, image: ImageSpec, sets: Sequence[str] = ()) -> "Workbench":
        """Open a class. What is wanted of the ``sets`` is made of the images that are decoded to be checked."""
        store, image = FeatureStore(), backbone.view(image)
        with store.ahead(_wanted(listed, sets, image)) as ahead:
            opened = listed.open(ahead)
            ahead.keep([product.key for product in _wanted(opened, sets, image)])
        return cls(opened, backbone, image, sets, store)

    def features(self, name: str) -> FeatureSet:
        """The backbone's outputs for the image set of this name, computed at most once.

        Where its images must be decoded, what may be shown of them is made, too; Train is not shown. So is what is
        wanted of the other ``sets`` of its split.
        """
        images = self.opened.images(name)
        others = [other for other in self.sets if other != name and parse_name(other)[0] == images.split]
        beside = _wanted(self.opened, (name, *others), self.image)[1:]
        return self.store.features(images, self.backbone, self.image, beside)

    def seen_by(self, spec: DetectorSpec) -> "Workbench":
        """The same class behind the same backbone, with the view that a detector of this specification gets."""
        return replace(self, image=spec.view(self.image), sets=tuple(dict.fromkeys((*self.sets, *spec.draws))))

    def training_set(self, spec: DetectorSpec, name: str = "train_clean") -> TrainingSet:
        """What a detector of this specification is fitted to: the set of this name, and its further draws."""
        bench = self.seen_by(spec)
        if self.shared:
            sets = [self.opened.images(each) for each in (name, *spec.draws)]
            return shared_training_set(sets, self.backbone, bench.image, spec.inputs)
        originals = bench.features(name)
        parts = [originals, *map(bench.features, spec.draws)]
        features = pooled(parts) if len(parts) > 1 else originals
        return TrainingSet(features, spec.inputs, originals=len(originals), network=self.backbone.trunk.network)

    def display(self, name: str, index: int) -> Display:
        """An image of the set of this name and its mask, small enough to be shown."""
        if name not in self._pictures:
            product = shown_pictures(self.opened, name)
            self._pictures[name] = self.store.product(product, f"Shrinking {name}")
        return as_display(self._pictures[name][index], self.opened.splits.has_masks)


def _wanted(source: ListedClass | OpenedClass, sets: Sequence[str], image: ImageSpec) -> list[Product]:
    """What is made of the images of some sets: the views and, but for Train, what may be shown of them."""
    products = []
    for name in sets:
        products.append(view_pixels(source.images(name), image))
        if parse_name(name)[0] != "train":
            products.append(shown_pictures(source, name))
    return products
