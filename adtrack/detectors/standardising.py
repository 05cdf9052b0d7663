"""Takes what light and camera do to a whole image out of its features."""

import torch
from torch import Tensor

from ..features.threads import fixed_threads

_LEAST_SPREAD = 0.1  # of the image's typical spread: channels that hardly vary are not blown up beyond it
_TRIMMED = 0.1  # share of an image's patches, the most unusual ones, that do not count for its statistics


def standardised(patches: Tensor, strength: float) -> Tensor:
    """Patches float32 (n, P, D) without their image's own mean and spread in every channel: (x − a·m) / sᵃ.

    a is ``strength``, 0 … 1. Light and camera move the mean m and the spread s of a channel over a whole image; a
    defect, which is small, does not. So that a large one does not either, the tenth of the patches that lie farthest
    from the others is left out of both (one step of a trimmed mean, weighed like Mahalanobis distances with a diagonal
    covariance). A spread below a tenth of the image's root mean square spread counts as that tenth.

    Each image is computed by itself, so its bits are the same in every batch.
    """
    if not strength:
        return patches
    with fixed_threads():
        return torch.stack([_standardised(one, strength) for one in patches])


def _standardised(patches: Tensor, strength: float) -> Tensor:
    mean = patches.mean(dim=0)
    centred = patches - mean
    squares = centred.square()
    unusual = squares @ _floored(squares.mean(dim=0)).reciprocal()
    kept = len(patches) - round(_TRIMMED * len(patches))
    weight = torch.zeros_like(unusual)
    weight[unusual.argsort(stable=True)[:kept]] = 1 / kept
    moved = weight @ centred
    spread = _floored(weight @ squares - moved.square()).sqrt()
    return (patches - strength * (mean + moved)) * spread**-strength


def _floored(variance: Tensor) -> Tensor:
    """Variances (D,), none below the least; 1 where no channel varies."""
    least = _LEAST_SPREAD**2 * float(variance.mean())
    return variance.clamp(min=least) if least > 0 else torch.ones_like(variance)
