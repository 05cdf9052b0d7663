"""Domains: what has happened to the images of a set before anything sees them.

``clean`` is nothing, ``shift`` is MVTec-Shift. ``shift_without_blur`` is MVTec-Shift with one of its parts left out,
``shift_only_blur`` that part alone: an image has the same draws in all three. ``shift_wide`` is MVTec-Shift after a
kind of drift from the wider family, which in ``shift_wide_without_shadow`` is never a shadow. ``draw1``, ``draw2``, …
are further draws of MVTec-Shift, with seeds of their own, which a detector may be fitted to; ``draw1_wide`` and the
like are draws of the others. The remaining domains are the corruptions, which MVTec-Shift does not have.
"""

import re

import numpy as np

from .corruptions import CORRUPTIONS, corrupted
from .shift import PARTS, Shift, draw_seed, draw_shift
from .transform import shift_image, shift_mask
from .wide import WIDE, widened

CLEAN, SHIFT, DRAW = "clean", "shift", "draw"
_WIDE = f"{SHIFT}_wide"
# What further draws can be drawn from.
FAMILIES = (
    *(SHIFT, *(f"{SHIFT}_without_{part}" for part in PARTS)),
    *(_WIDE, *(f"{_WIDE}_without_{kind}" for kind in WIDE)),
)
# The names of domains that have a severity.
_OF_PARTS, _OF_WIDE = rf"_(?:without|only)_(?:{'|'.join(PARTS)})", rf"_wide(?:_without_(?:{'|'.join(WIDE)}))?"
SHIFTS = rf"(?:{SHIFT}|(?<=train_){DRAW}[1-9][0-9]?)(?:{_OF_PARTS}|{_OF_WIDE})?"
OTHERS = "|".join((CLEAN, *CORRUPTIONS))  # those of domains that have none
_DRAWN = re.compile(rf"{DRAW}([0-9]+)")
_PART = re.compile(r"[a-z]+[0-9]*_(without|only)_(.+)")
_WIDENED = re.compile(r"[a-z]+[0-9]*_wide(?:_without_(.+))?")


def seed_in(domain: str, seed: int) -> int:
    """The seed of the shifts in a domain, where that of the shifted domain is ``seed``."""
    draw = _DRAWN.match(domain)
    return draw_seed(seed, int(draw[1])) if draw else seed


def has_severity(domain: str) -> bool:
    """Whether images of a domain can be shifted more or less."""
    return domain != CLEAN and domain not in CORRUPTIONS


def seen_image(image: np.ndarray, domain: str, path: str, seed: int, severity: float) -> np.ndarray:
    """What the image at ``path``, uint8 (H, W, 3), is in a domain."""
    if domain in CORRUPTIONS:
        return corrupted(image, domain, path, seed)
    if domain == CLEAN:
        return image
    if wide := _WIDENED.fullmatch(domain):
        image = widened(image, path, seed, severity, wide[1] or "")
    return shift_image(image, _shift(domain, path, seed, severity))


def seen_mask(mask: np.ndarray, domain: str, path: str, seed: int, severity: float) -> np.ndarray:
    """What the mask of that image, bool (H, W), is in a domain: only MVTec-Shift moves pixels."""
    return shift_mask(mask, _shift(domain, path, seed, severity)) if has_severity(domain) else mask


def stated(domain: str) -> dict[str, object]:
    """What a digest says of a domain. Nothing is said of the two that were first, so that their digests stay."""
    if domain in (CLEAN, SHIFT):
        return {}
    version = {"version": CORRUPTIONS[domain].version} if domain in CORRUPTIONS else {}
    return {"domain": domain, **version}


def _shift(domain: str, path: str, seed: int, severity: float) -> Shift:
    shift, part = draw_shift(path, seed, severity), _PART.fullmatch(domain)
    if not part:
        return shift
    names = PARTS[part[2]]
    return shift.only(names) if part[1] == "only" else shift.without(names)
