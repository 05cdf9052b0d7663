"""How wrong a drawing of a view is at each pixel."""

from __future__ import annotations

import torch
from torch import Tensor

from ...config import Normalisation
from .pixel_spec import SSIM

_WINDOW = 11  # pixels on a side of SSIM's windows, as in its paper (Wang et al., IEEE TIP 2004)
_USUAL = Normalisation()


def pixel_errors(loss: str, drawn: Tensor, views: Tensor, *, whole: bool) -> Tensor:
    """The errors of pixels, float32 (n, h, w), at least 0 and averaged over the colours of the views (n, 3, S, S).

    ``mse`` is the squared difference of normalised values. ``ssim`` is 1 − SSIM, which is at most 2. Its windows reach
    beyond the view where they are at its border: they see a mirrored view if ``whole``, and are left out otherwise.
    """
    if loss != SSIM:
        return (drawn - views).square().mean(dim=1)
    from kornia.metrics import ssim

    # Gradients through a mirrored border would differ from one time to the next on a GPU.
    padding = "same" if whole else "valid"
    alike = ssim(_as_colours(drawn), _as_colours(views), _WINDOW, max_val=1.0, eps=0.0, padding=padding)
    return (1 - alike).mean(dim=1).clamp(min=0)


def _as_colours(views: Tensor) -> Tensor:
    """Views on the scale that SSIM's constants are made for: colours from 0 to 1.

    A detector does not see how its views are normalised, and methods without a network get them normalised as is usual
    (``features.backbone``). So this is undone. Other views would be on another scale, where SSIM's constants weigh more
    or less.
    """
    mean, std = (torch.tensor(values, device=views.device)[:, None, None] for values in (_USUAL.mean, _USUAL.std))
    return views * std + mean
