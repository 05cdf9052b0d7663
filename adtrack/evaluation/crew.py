"""A cluster's machines that share out the images of Train, each with the network and its own part of the features."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

import torch

from adtrack.config import ImageSpec
from adtrack.data.imageset import ImageSet
from adtrack.detectors.training import HeldObjects, TrainingSet
from adtrack.features.backbone import Backbone
from adtrack.features.feature_set import FeatureSet, part_of, pooled
from adtrack.features.store import FeatureStore, features_when_read
from adtrack.features.weights import Trunk
from adtrack.scale.actors import Actors
from adtrack.scale.workers import cores

Held = TypeVar("Held")


@dataclass(frozen=True)
class SharedImages:
    """Image sets, one after the other, and the network and view that features are made of them with.

    It can be pickled: a process elsewhere makes the features of its images, or finds them in the cache.
    """

    sets: tuple[ImageSet, ...]
    trunk: Trunk
    layers: tuple[str, ...]
    image: ImageSpec
    inputs: tuple[str, ...]

    @classmethod
    def of(
        cls, sets: Sequence[ImageSet], backbone: Backbone, image: ImageSpec, inputs: tuple[str, ...]
    ) -> "SharedImages":
        return cls(tuple(sets), backbone.trunk, backbone.layers, image, inputs)

    def __len__(self) -> int:
        return sum(len(images) for images in self.sets)

    def hold(self, make: Callable[[TrainingSet, int], Held]) -> HeldObjects[Held]:
        """See ``Crew.hold``: one part for each machine of the cluster."""
        return Actors(partial(_held, self, make), most=len(self))

    def part(self, start: int, stop: int) -> TrainingSet:
        """The images from ``start`` up to ``stop``, counted through all sets."""
        backbone = Backbone(self.trunk, self.layers, torch.device("cpu"))
        parts, first = [], 0
        for images in self.sets:
            low, high = max(start - first, 0), min(stop - first, len(images))
            if low < high:
                parts.append(_features(images, low, high, backbone, self.image))
            first += len(images)
        features = pooled(parts) if len(parts) > 1 else parts[0]
        return TrainingSet(features, self.inputs, network=self.trunk.network)


def shared_training_set(
    sets: Sequence[ImageSet], backbone: Backbone, image: ImageSpec, inputs: tuple[str, ...]
) -> TrainingSet:
    """The training set of these image sets, whose features a cluster holds."""
    parts = [features_when_read(images, backbone, image) for images in sets]
    features = pooled(parts) if len(parts) > 1 else parts[0]
    crew = SharedImages.of(sets, backbone, image, inputs)
    return TrainingSet(features, inputs, originals=len(sets[0]), network=backbone.trunk.network, crew=crew)


def _held(images: SharedImages, make: Callable[[TrainingSet, int], Held], number: int, count: int) -> Held:
    """What the process with this ``number`` of ``count`` makes of its part."""
    torch.set_num_threads(cores())  # Ray gives a process one thread, unless told otherwise
    start, stop = (len(images) * place // count for place in (number, number + 1))
    return make(images.part(start, stop), start)


def _features(images: ImageSet, start: int, stop: int, backbone: Backbone, image: ImageSpec) -> FeatureSet:
    """Those of some images of a set: of the whole set's, if the cache has them, else of their own."""
    store = FeatureStore()
    whole = store.kept(images, backbone, image)
    if whole is not None:
        return part_of(whole, start, stop)
    return store.features(replace(images, records=images.records[start:stop]), backbone, image)
