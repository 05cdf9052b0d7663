"""Takes what light and camera do to a whole image out of the outputs of a network's layers."""

from collections.abc import Mapping

import torch
from torch import Tensor

from ..features.threads import fixed_threads

LEAST_SPREAD = 0.1  # of the layer's typical spread: a channel that hardly varies is not blown up beyond it


def standardised(outputs: Mapping[str, Tensor], strength: float) -> dict[str, Tensor]:
    """Layer outputs {layer: float32 (n, C, h, w)} without the image's own mean and spread in every channel.

    A value x becomes (x − a·m) / sᵃ, where a is ``strength``, 0 … 1. Light and camera move the mean m and the standard
    deviation s of a channel over a whole image; a defect, which is small, hardly does. A spread below a tenth of the
    layer's root mean square spread counts as that tenth.

    All cells count. To leave out the most unusual ones, so that a large defect does not set m and s, was measured to
    cost far more than it gives: the cells at the border, where networks pad, are the most unusual ones of every image.

    This is done before cells are averaged over their neighbourhoods, because cells outside the map count as zeros
    there: zero is then the image's mean, and not a value that no cell has. Each image is computed by itself, so its
    bits are the same in every batch.
    """
    if not strength:
        return dict(outputs)
    with fixed_threads():
        return {
            # The cells are copied: at another image's addresses in memory, sums could have other bits.
            layer: _stacked([_standardise(one.flatten(1).clone(), strength) for one in output]).view_as(output)
            for layer, output in outputs.items()
        }


def _standardise(cells: Tensor, strength: float) -> Tensor:
    """One image's cells (C, P), which are changed: new memory for each step would take as long as the step."""
    mean = cells.mean(dim=1, keepdim=True)
    variance = (cells - mean).square_().mean(dim=1, keepdim=True)
    typical = float(variance.mean())
    spread = variance.clamp(min=LEAST_SPREAD**2 * typical).sqrt() if typical > 0 else torch.ones_like(variance)
    return cells.sub_(strength * mean).mul_(spread**-strength)


def _stacked(images: list[Tensor]) -> Tensor:
    """Images as one batch. One image alone, as most are, is not copied."""
    return torch.stack(images) if len(images) > 1 else images[0][None]
