"""The farthest patches of an image set from a bank, and what is learned on the way, for the next bank.

A study scores the same images with one bank after the other, each the beginning of the next one. Distances to the
smaller bank bound those to the larger one, so few patches of an image have to be searched for again. What is known of
an image set stays in memory, with the features of those patches that come first, and in the cache, without them.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TypeVar

import torch
from torch import Tensor

from ..config import digest
from ..features.threads import fixed_threads, side_by_side, workers_on
from ..progress import Progress
from .bank import MemoryBank
from .distance_cache import keep_bounds, read_bounds
from .exact.bounds import Bounds

_ON_A_CORE = 32  # images that a core looks at together: more would leave other cores without work
_SETS = 4  # of which the bounds stay in memory: on about as many a study measures one bank
Found = TypeVar("Found")
Look = Callable[["_Piece"], Found]
Merge = Callable[[int, int], Tensor]  # the patches float32 (n, P, D) of the images from one up to another


@dataclass(frozen=True)
class Farthest:
    """The farthest patch of each of n images: its features float32 (n, D), its nearest row of the bank int64 (n,), and
    the distance float32 (n,) of the two."""

    patches: Tensor
    rows: Tensor
    distances: Tensor


@dataclass(frozen=True)
class KnownDistances:
    """What is known of an image set's distances to the first rows of a bank.

    ``vectors`` float32 (n, k, D) are the features of k patches of each image. ``slots`` int32 (n, P) says which of them
    are a patch's, and is −1 if none are. ``digests`` are those of the bank's first rows, by their number.
    """

    bounds: Bounds
    vectors: Tensor
    slots: Tensor
    digests: dict[int, str]

    @classmethod
    def kept(cls, key: str, images: int, one: Tensor, vectors: int) -> "KnownDistances":
        """What the cache holds by this name, of images each of which has as many patches as ``one`` float32 (P, D)."""
        patches, dimensions = one.shape
        bounds, digests = read_bounds(key, one.device) or (Bounds.unknown(images, patches, one.device), {})
        return cls(
            bounds,
            one.new_zeros(images, min(vectors, patches), dimensions),
            torch.full((images, patches), -1, dtype=torch.int32, device=one.device),
            digests,
        )

    @property
    def rows(self) -> int:
        """The rows of the largest bank that the distances were computed with."""
        return max(self.digests, default=0)

    def about(self, digests: dict[int, str]) -> "KnownDistances":
        """What they say about the bank that has these digests."""
        same = {rows: told for rows, told in self.digests.items() if digests.get(rows) == told}
        common = max(same, default=0)
        return self if common == self.rows else replace(self, bounds=self.bounds.within(common), digests=same)


_known: OrderedDict[str, KnownDistances] = OrderedDict()


def farthest_patches(
    key: str, images: int, merge: Merge, bank: MemoryBank, at_once: int, progress: Progress
) -> Farthest:
    """The farthest patch of every image; the first of patches that are equally far.

    Image sets with the same ``key`` have the same patches. ``at_once`` images are looked at together.
    """
    found = _looked_at(key, images, merge, bank, at_once, progress, lambda piece: piece.farthest(bank))
    parts = ((one.patches, one.rows, one.distances) for one in found)
    return Farthest(*(torch.cat(part) for part in zip(*parts, strict=True)))


def largest_distances(
    key: str, images: int, merge: Merge, bank: MemoryBank, at_once: int, progress: Progress, count: int
) -> Tensor:
    """The distances float32 (n, count) of every image's farthest patches, descending; see ``farthest_patches``."""
    return torch.cat(_looked_at(key, images, merge, bank, at_once, progress, lambda piece: piece.largest(bank, count)))


def _looked_at(
    key: str, images: int, merge: Merge, bank: MemoryBank, at_once: int, progress: Progress, look: Look[Found]
) -> list[Found]:
    """What ``look`` finds in each piece of an image set. What is learned of the distances on the way is kept."""
    key = digest({"patches": key, "first": _digests(bank, [1])[1]})
    known = _known.pop(key, None) or KnownDistances.kept(key, images, merge(0, 1)[0], bank.plan.remembered)
    digests = _digests(bank, [count for count in known.digests if count < len(bank)] + [len(bank)])
    about = known.about(digests)

    def looked_at(part: range) -> Found:
        with fixed_threads():  # the other cores look at other images
            return look(_Piece(about, merge, part.start, part.stop))

    found = []
    device = bank.patches.device
    parts = _parts(images, at_once if device.type != "cpu" else min(at_once, _ON_A_CORE))
    for part, one in zip(parts, side_by_side(looked_at, parts, workers_on(device)), strict=True):
        found.append(one)
        progress.update(len(part))
    if len(bank) >= known.rows and about.digests.get(len(bank)) is None:
        known = replace(about, digests=about.digests | {len(bank): digests[len(bank)]})
        keep_bounds(key, known.bounds, known.digests)
    _known[key] = known
    while len(_known) > _SETS:
        _known.popitem(last=False)
    return found


def _parts(images: int, at_once: int) -> list[range]:
    """All images in parts of about the same size, of at most ``at_once`` images."""
    count = -(-images // at_once)
    ends = [images * part // count for part in range(count + 1)]
    return [range(start, stop) for start, stop in pairwise(ends)]


def forget() -> None:
    """Forget what is known of all image sets."""
    _known.clear()


def _digests(bank: MemoryBank, counts: Iterable[int]) -> dict[int, str]:
    """The SHA-256 of the bank's first rows, for these numbers of rows."""
    state, at, digests = hashlib.sha256(), 0, {}
    for count in sorted(counts):
        state.update(bank.patches[at:count].cpu().numpy().tobytes())
        at, digests[count] = count, state.hexdigest()
    return digests


class _Piece:
    """Some images whose farthest patches are looked for together. Their patches are computed when they are needed."""

    def __init__(self, known: KnownDistances, merge: Merge, start: int, stop: int) -> None:
        self._images, self._merge = slice(start, stop), merge
        self._new = not known.digests
        self._bounds, self._vectors = known.bounds[self._images], known.vectors[self._images]
        self._slots = known.slots[self._images]
        count, patches = self._slots.shape
        self._merged = self._vectors.new_empty(count, patches, self._vectors.shape[2])
        self._read: set[int] = set()

    def farthest(self, bank: MemoryBank) -> Farthest:
        """The farthest patch of each of the images."""
        bounds = self._settled(bank, 1)
        worst = bounds.distance.argmax(dim=1)  # the first of equals
        places = worst + bounds.distance.shape[1] * torch.arange(len(worst), device=worst.device)
        farthest = Farthest(self._at(places), bounds.row.view(-1)[places], bounds.distance.view(-1)[places])
        self._remember()
        return farthest

    def largest(self, bank: MemoryBank, count: int) -> Tensor:
        """The distances float32 (n, count) of each image's farthest patches, descending."""
        distances = self._settled(bank, count).distance.topk(count, dim=1).values
        self._remember()
        return distances

    def _settled(self, bank: MemoryBank, largest: int) -> Bounds:
        """The bounds, when the ``largest`` distances of each image are exact."""
        if self._new:
            for image in range(len(self._merged)):  # one after the other, while its patches are in the cache
                self._bounds[image : image + 1].begin(bank, self._patches(image))
        self._bounds.settle(bank, self._at, largest)
        return self._bounds

    def _patches(self, image: int) -> Tensor:
        """The patches float32 (P, D) of one of the images."""
        if image not in self._read:
            first = self._images.start + image
            self._merged[image] = self._merge(first, first + 1)[0]
            self._read.add(image)
        return self._merged[image]

    def _at(self, places: Tensor) -> Tensor:
        """The features float32 (p, D) of the patches at ``places`` int64 (p,), counted through all images."""
        images = places // self._slots.shape[1]
        slots = self._slots.view(-1)[places]
        missing = slots < 0
        for image in set(images[missing].tolist()):
            self._patches(image)
        vectors = self._vectors.flatten(0, 1).index_select(0, images * self._vectors.shape[1] + slots.clamp(min=0))
        vectors[missing] = self._merged.view(-1, vectors.shape[1]).index_select(0, places[missing])
        return vectors

    def _remember(self) -> None:
        """Keep the features of the patches with the highest bounds of all images that were read."""
        if not self._read:
            return
        images = torch.tensor(sorted(self._read), device=self._slots.device)[:, None]
        kept = self._vectors.shape[1]
        top = self._bounds.distance[images[:, 0]].topk(kept, dim=1).indices
        self._vectors[images[:, 0]] = self._merged[images, top]
        self._slots[images[:, 0]] = -1
        self._slots[images, top] = torch.arange(kept, dtype=torch.int32, device=top.device).expand(top.shape)
