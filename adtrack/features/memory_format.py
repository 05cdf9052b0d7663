"""How images lie in memory while a network learns."""

import torch
from torch import nn


def fastest_format(network: nn.Module) -> torch.memory_format:
    """How views shall lie in memory. With the channels last a network learns faster.

    But with so few channels the gradient of a strided one-by-one convolution, with which RepVGG begins, then writes
    where it must not: in torch 2.15 on CPUs the process dies.
    """
    strided = (one for one in network.modules() if isinstance(one, nn.Conv2d) and max(one.stride) > 1)
    dies = any(one.kernel_size == (1, 1) and one.in_channels <= 8 for one in strided)
    return torch.contiguous_format if dies else torch.channels_last
