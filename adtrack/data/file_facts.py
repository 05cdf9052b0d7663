"""What the bytes of one image or mask have shown, and the same as plain data for a file that remembers it."""

import re
from dataclasses import asdict, dataclass
from typing import Any

from .checked import MaskFacts
from .decoding import MAX_PIXELS, SIDEWAYS, UPRIGHT

_SHA256 = re.compile("[0-9a-f]{64}")
_DEEPEST = 2**16 - 1
_LAST_ORIENTATION = max(SIDEWAYS)


@dataclass(frozen=True)
class FileFacts:
    """One image or mask: the SHA-256 of its bytes, its height and width, and those with its orientation tag read the
    other way.

    ``deepest`` is the largest value of an image with 16 bits a channel, of which ``is_cut`` says that only the upper 8
    can be read. ``mask`` is what a mask says; None for an image.
    """

    sha256: str
    size: tuple[int, int]
    size_otherwise: tuple[int, int]
    orientation: int
    deepest: int | None = None
    is_cut: bool = False
    mask: MaskFacts | None = None

    def plain(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self)

    @classmethod
    def from_plain(cls, plain: object) -> "FileFacts | None":
        """The facts that ``plain`` wrote; None for anything that ``plain`` cannot have written."""
        if not isinstance(plain, dict) or plain.keys() != cls.__dataclass_fields__.keys():
            return None
        sha256, orientation, deepest, is_cut = (plain[name] for name in ("sha256", "orientation", "deepest", "is_cut"))
        size, otherwise = _size(plain["size"]), _size(plain["size_otherwise"])
        mask = None if plain["mask"] is None else _mask(plain["mask"])
        is_sound = (
            isinstance(sha256, str)
            and _SHA256.fullmatch(sha256) is not None
            and _is_whole(orientation, UPRIGHT, _LAST_ORIENTATION)
            and (deepest is None or _is_whole(deepest, 0, _DEEPEST))
            and isinstance(is_cut, bool)
            and (mask is None) == (plain["mask"] is None)
        )
        if not is_sound or size is None or otherwise is None:
            return None
        return cls(sha256, size, otherwise, orientation, deepest, is_cut, mask)


def _is_whole(value: object, least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _size(plain: object) -> tuple[int, int] | None:
    if not isinstance(plain, list) or len(plain) != 2 or not all(_is_whole(side, 1, MAX_PIXELS) for side in plain):
        return None
    return plain[0], plain[1]


def _mask(plain: object) -> MaskFacts | None:
    if not isinstance(plain, dict) or plain.keys() != MaskFacts.__dataclass_fields__.keys():
        return None
    shares, as_first = (plain["marked"], plain["dark"]), plain["as_first"]
    if not isinstance(as_first, bool) or not all(isinstance(share, float) and 0 <= share <= 1 for share in shares):
        return None
    return MaskFacts(*shares, as_first)
