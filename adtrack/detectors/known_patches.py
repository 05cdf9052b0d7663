"""Scores of patches that were computed before, by their images: the trials of a study come to equal detectors, and the
best of them are measured once more at its end."""

from collections import OrderedDict

import numpy as np

from ..config import digest

Patches = dict[int, np.ndarray]  # {an image's place in its set: the scores of its patches, float32 (h, w)}

_BYTES = 2**26  # that scores of all sets take in memory; those that were used longest ago are forgotten
_known: OrderedDict[str, Patches] = OrderedDict()


def known_patches(features: str, detector: str | None) -> Patches:
    """What is known of the image set with this key and of detectors with this digest; others may add to it.

    Nothing is known of a detector without a digest.
    """
    if detector is None:
        return {}
    key = digest({"features": features, "detector": detector})
    found = _known.pop(key, {})
    while _known and sum(map(_bytes, _known.values())) + _bytes(found) > _BYTES:
        _known.popitem(last=False)
    _known[key] = found
    return found


def forget() -> None:
    """Forget all scores."""
    _known.clear()


def _bytes(patches: Patches) -> int:
    return sum(scores.nbytes for scores in list(patches.values()))
