"""Residual blocks (He et al., Deep Residual Learning for Image Recognition, CVPR 2016) that halve, keep or double the
side of their maps."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

Convolution = Callable[[int, int], nn.Module]  # from so many channels to so many


def pointwise(came: int, leaves: int) -> nn.Module:
    """A one-by-one convolution."""
    return nn.Conv2d(came, leaves, 1, bias=False)


def keeping(came: int, leaves: int) -> nn.Module:
    """A three-by-three convolution."""
    return nn.Conv2d(came, leaves, 3, padding=1, bias=False)


def halving(came: int, leaves: int) -> nn.Module:
    """A three-by-three convolution at every second cell: an odd side is halved and rounded up."""
    return nn.Conv2d(came, leaves, 3, stride=2, padding=1, bias=False)


def doubling(came: int, leaves: int) -> nn.Module:
    """A transposed convolution that makes two-by-two cells of each cell."""
    return nn.ConvTranspose2d(came, leaves, 2, stride=2, bias=False)


def _every_second(came: int, leaves: int) -> nn.Module:
    return nn.Conv2d(came, leaves, 1, stride=2, bias=False)


_SHORTCUTS: dict[Convolution, Convolution] = {halving: _every_second, doubling: doubling}


def normed(convolution: Convolution, came: int, leaves: int) -> list[nn.Module]:
    """A convolution and its batch norm."""
    return [convolution(came, leaves), nn.BatchNorm2d(leaves)]


class Residual(nn.Module):
    """What two convolutions make of a map, added to the map: without the ReLU that follows.

    The first convolution is the one that is given. With a ``narrow`` width it works on so many channels, between two
    one-by-one convolutions. A block that keeps the side must keep the channels too.
    """

    def __init__(self, convolution: Convolution, came: int, leaves: int, narrow: int | None = None) -> None:
        super().__init__()
        if narrow is None:
            parts = [normed(convolution, came, leaves), normed(keeping, leaves, leaves)]
        else:
            parts = [
                normed(pointwise, came, narrow),
                normed(convolution, narrow, narrow),
                normed(pointwise, narrow, leaves),
            ]
        body = [part for one in parts for part in (*one, nn.ReLU())]
        self.body = nn.Sequential(*body[:-1])
        shortcut = _SHORTCUTS.get(convolution)
        self.shortcut = nn.Sequential(*(normed(shortcut, came, leaves) if shortcut else ()))

    def forward(self, maps: Tensor) -> Tensor:
        """(n, came, h, w) → (n, leaves, h', w')."""
        added: Tensor = self.body(maps) + self.shortcut(maps)
        return added
