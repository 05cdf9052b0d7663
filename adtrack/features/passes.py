"""Passes over image sets: one decodes images and makes all that is wanted of their pixels, one is the network's."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from threading import Lock

import numpy as np
import torch
from torch import Tensor

from ..config import ImageSpec
from ..data.imageset import ImageSet
from ..data.loading import normalised
from .backbone import GPU_BATCH, Backbone
from .threads import side_by_side

LARGE = 16_000_000  # pixels: a shift of more takes half a gigabyte while it is computed
_one_large = Lock()  # so several threads do not shift such images at once

Make = Callable[[int, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Product:
    """What is made of each image of a set.

    ``make`` gives it for an image's place in the set and its pixels uint8 (H, W, 3): uint8, of one shape for all
    images. ``key`` names it and all that it depends on.
    """

    key: str
    images: ImageSet
    make: Make


@dataclass(frozen=True)
class Sight:
    """A backbone, and the view that it gets of an image."""

    backbone: Backbone
    spec: ImageSpec


def made_of(products: Sequence[Product], index: int, decoded: np.ndarray) -> dict[str, np.ndarray]:
    """The products of an image by their keys, uint8. Its decoded file goes through the domain of each set once, and one
    domain at a time is in memory."""
    made: dict[str, np.ndarray] = {}
    with _one_large if decoded.shape[0] * decoded.shape[1] > LARGE else nullcontext():
        for name in dict.fromkeys(product.images.name for product in products):
            of_set = [product for product in products if product.images.name == name]
            image = of_set[0].images.seen(index, decoded)
            made |= {product.key: product.make(index, image) for product in of_set}
    return made


def product_pass(products: Sequence[Product]) -> Iterator[dict[str, np.ndarray]]:
    """The products of one image after the other. Their sets show the same files, each of which is decoded once."""
    images = products[0].images
    return side_by_side(lambda index: made_of(products, index, images.decoded(index)), range(len(images)))


def network_pass(images: ImageSet, pixels: Callable[[int], np.ndarray], sight: Sight) -> Iterator[Mapping[str, Tensor]]:
    """The outputs of the layers, float32 (n, C, h, w), of the next n images, in their order.

    ``pixels`` gives the view of an image, uint8 (S, S, 3). On the CPU as many images are read and computed at once as
    there are threads. On a GPU the images of the next batch are read while it computes.
    """

    def read(index: int) -> Tensor:
        return torch.from_numpy(normalised(pixels(index), sight.spec))

    if sight.backbone.device.type == "cuda":
        for batch in _batches(side_by_side(read, range(len(images))), GPU_BATCH):
            yield sight.backbone(torch.stack(batch))
    else:
        yield from side_by_side(lambda index: sight.backbone(read(index)[None]), range(len(images)))


def _batches(items: Iterable[Tensor], size: int) -> Iterator[list[Tensor]]:
    batch = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
