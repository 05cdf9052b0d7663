"""One pass over an image set: every image is decoded once, and all that is wanted of it is made then."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..config import ImageSpec
from ..data.imageset import ImageSet
from ..data.loading import view
from .backbone import GPU_BATCH, Backbone
from .threads import side_by_side

Make = Callable[[int, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Product:
    """What is made of each decoded image of a set, besides the outputs of a network.

    ``make`` gives it for an image's place in the set and its pixels uint8 (H, W, 3): uint8, of one shape for all
    images. ``key`` names it and all that it depends on.
    """

    key: str
    make: Make


@dataclass(frozen=True)
class Sight:
    """A backbone and the view of an image that it gets."""

    backbone: Backbone
    spec: ImageSpec


@dataclass(frozen=True)
class Passed:
    """The outputs of the layers, float32 (n, C, h, w), and the products, uint8 (n, …), of the next n images."""

    outputs: Mapping[str, Tensor]
    products: Sequence[np.ndarray]


@dataclass(frozen=True)
class _Read:
    """The view of an image, None where no network wants it, and the products."""

    view: Tensor | None
    products: Sequence[np.ndarray]


def backbone_pass(images: ImageSet, sight: Sight | None, products: Sequence[Product] = ()) -> Iterator[Passed]:
    """What comes of all images, in their order; without a ``sight`` only the products.

    On the CPU as many images are read and computed at once as there are threads. On a GPU the images of the next batch
    are read while it computes.
    """

    def read(index: int) -> _Read:
        image = images.image(index)
        made = [product.make(index, image) for product in products]
        return _Read(None if sight is None else view(image, sight.spec), made)

    if sight is not None and sight.backbone.device.type == "cuda":
        for batch in _batches(side_by_side(read, range(len(images))), GPU_BATCH):
            yield _passed(batch, sight)
    else:
        yield from side_by_side(lambda index: _passed([read(index)], sight), range(len(images)))


def _passed(batch: Sequence[_Read], sight: Sight | None) -> Passed:
    views = [one.view for one in batch if one.view is not None]
    outputs = {} if sight is None else sight.backbone(torch.stack(views))
    return Passed(outputs, [np.stack(made) for made in zip(*(one.products for one in batch), strict=True)])


def _batches(items: Iterable[_Read], size: int) -> Iterator[list[_Read]]:
    batch = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
