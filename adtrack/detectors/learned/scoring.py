"""The scores of a batch by a learner."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from ...config import DetectorSpec
from ...features.backbone import same_bits
from ..contract import Scores
from .learner import Learner
from .preparing import prepared


def score_each(learner: Learner, spec: DetectorSpec, batch: Mapping[str, Tensor]) -> Scores:
    """The scores of a batch. Each image is scored by itself, so that its bits do not depend on the others."""
    device = next(iter(batch.values())).device
    images, cells = [], []
    with torch.no_grad(), same_bits(device):
        for at in range(len(next(iter(batch.values())))):
            # The inputs are copied: at another image's addresses in memory, or in another order there, sums could have
            # other bits.
            one = {name: rows[at : at + 1].clone(memory_format=torch.contiguous_format) for name, rows in batch.items()}
            found = learner.found(prepared(spec, one))
            images.append(found.score)
            cells.append(found.cells.float().cpu().numpy())
    return Scores(np.array(images, dtype=np.float64), np.stack(cells))
