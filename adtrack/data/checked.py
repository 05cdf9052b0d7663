"""What opening every file of a class has shown."""

from dataclasses import dataclass, field

from .reading import FULL, STORED, Reading

MASK_RULE = 2  # how masks are read; by the first rule every pixel that is not black was marked


@dataclass(frozen=True)
class MaskFacts:
    """What a mask says.

    ``marked`` is the share of its pixels that is marked. ``dark`` is the share that has an even grey which is too dark
    to count. ``as_first``: the mask marks all pixels that are not black, as stored, which is how masks were read first.
    """

    marked: float
    dark: float
    as_first: bool


@dataclass(frozen=True)
class CheckedImages:
    """What the files of a class have shown: the SHA-256 of each by its path, and how all of them are read.

    ``deepest`` is the largest value of the images with 16 bits a channel, None where there are none. ``turned`` are the
    images and masks that a viewer turns. ``masks`` maps the path of a mask to what it says, and ``sizes`` the path of
    an image to its height and width.
    """

    contents: dict[str, str]
    reading: Reading = field(default_factory=Reading)
    deepest: int | None = None
    turned: tuple[str, ...] = ()
    masks: dict[str, MaskFacts] = field(default_factory=dict)
    sizes: dict[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def applied(self) -> Reading:
        """The reading as far as it changes a pixel of these images; else it is as before there was a choice."""
        bits = STORED.bits if self.deepest is None else self.reading.bits or FULL
        return Reading(bits, self.reading.upright and bool(self.turned))
