"""How the pixels of image files are to be understood: which of 16 bits are used, and which side is up."""

from dataclasses import asdict, dataclass

import numpy as np

from ..config import check_bits
from ..errors import UserError
from .decoding import Frame

FULL = 16  # bits
DEPTHS = (8, 10, 12, 14, FULL)  # that cameras have


@dataclass(frozen=True)
class Reading:
    """How the files of a class are read. It is one for all of them: a single dark photo does not show how many bits its
    camera has.

    ``bits`` says how many of 16 are used, counted from the lowest; None if no file with 16 bits has shown it yet.
    ``upright``: images are what a viewer shows, so that orientation tags count; else they are what is stored.
    """

    bits: int | None = None
    upright: bool = True

    def __post_init__(self) -> None:
        if self.bits is not None:
            check_bits(self.bits)
        if not isinstance(self.upright, bool):
            raise UserError(f"upright must be true or false, but got {self.upright!r}.")

    @property
    def stated(self) -> dict[str, object]:
        """Plain data for a manifest or a digest; empty where files are read as they were at first."""
        return {} if self == STORED else {"reading": asdict(self)}

    def check(self, name: str, most: int, is_cut: bool) -> int:
        """The bits that count in an image with 16 bits a channel whose largest value is ``most``.

        UserError: it has larger values than so many bits hold, the number of bits is unknown, or ``is_cut``: only its
        upper 8 bits can be read.
        """
        if self.bits is None and most < 2 ** DEPTHS[-2]:
            raise UserError(
                f"image must have 8 bits a channel here, but {name} has 16 whose largest value is {most}: nothing says "
                "whether it is dark or its camera counts no further.",
                "save it with 8 bits, as the images that the model was built from are.",
            )
        bits = self.bits or FULL
        if most >= 2**bits:
            raise UserError(
                f"image must have values below {2**bits} as {bits}-bit data have, but {name} has {most}.",
                f"--bit-depth {depth_of(most)} when the bank is built reads such images, also darker ones.",
            )
        if is_cut and bits < FULL:
            raise UserError(
                f"image with {bits} of 16 bits must be grey, RGB or RGBA, but of {name} only 8 bits can be read.",
                "save it so, or with 8 bits.",
            )
        return bits

    def eight_bits(self, frame: Frame) -> np.ndarray:
        """The colours of a frame with 16 bits a channel, without alpha, as uint8 (H, W, C) that lie as the frame does.

        Grey is rounded. Of colours at full depth the upper 8 bits count, as Pillow reads them.
        """
        bits = self.check(frame.name, largest(frame), frame.deep is None)
        if frame.deep is None or (bits == FULL and not _is_grey(frame)):
            return np.array(frame.image.convert("RGB"))
        white = 2**bits - 1
        scaled = (_colours(frame.deep).astype(np.uint32) * 255 + white // 2) // white
        return np.asarray(scaled, dtype=np.uint8)


STORED = Reading(FULL, False)  # how everything was read before there was a choice


def _is_grey(frame: Frame) -> bool:
    return frame.image.mode.startswith("I;16")


def _colours(deep: np.ndarray) -> np.ndarray:
    """The channels without alpha, which is the last of two or of four: uint16 (H, W, 1 or 3)."""
    channels = deep.shape[2]
    return deep[:, :, : channels - (channels % 2 == 0)]


def largest(frame: Frame) -> int:
    """The largest value in a frame with 16 bits a channel; where only 8 are read, the largest that it may be."""
    if frame.deep is not None:
        return int(_colours(frame.deep).max())
    return 256 * int(np.asarray(frame.image.convert("RGB")).max()) + 255


def depth_of(value: int) -> int:
    """The fewest bits of a camera whose values reach ``value``."""
    return next(bits for bits in DEPTHS if value < 2**bits)
