"""Kinds of drift that MVTec-Shift does not have, one at a time: what a bank that has seen MVTec-Shift never saw.

Each takes and gives uint8 (H, W, 3) and moves no pixel, so masks and labels stay those of the clean image. Values are
rounded to the nearest whole number and cut to 0 … 255. Lengths are shares of the shorter side, as x and y are shares of
the width and of the height. A kind that draws something draws it from seed and path alone.
"""

import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from .shift import Draws

DEFOCUS_SIGMA = 4 / 1024  # of the shorter side
_LEVELS = np.arange(256) / 255


@dataclass(frozen=True)
class Corruption:
    """A kind of drift: ``apply`` makes it of an image, ``words`` say how strong it is.

    ``version`` counts changes of its pixels, so that nothing that was made of older ones is taken for new.
    """

    words: str
    apply: Callable[[np.ndarray, Draws], np.ndarray]
    version: int = 1


@dataclass(frozen=True)
class Speck:
    """A disc of dust: its middle, and its radius."""

    y: float
    x: float
    radius: float


def jpeg(image: np.ndarray, quality: int) -> np.ndarray:
    """The image after JPEG of this quality (1 … 95), with colours at half the resolution, as cameras write it."""
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, format="JPEG", quality=quality, subsampling="4:2:0")
    return np.array(Image.open(stream, formats=("JPEG",)).convert("RGB"))


def gamma(image: np.ndarray, exponent: float) -> np.ndarray:
    """v → v^exponent for values v in [0, 1]: an exponent below 1 makes dark pixels brighter, one above 1 darker."""
    return _eight_bits(255 * _LEVELS**exponent).take(image)


def white_balance(image: np.ndarray, red: float, blue: float) -> np.ndarray:
    """Red and blue times their factors; green stays."""
    balanced = image.copy()
    for channel, factor in ((0, red), (2, blue)):
        balanced[..., channel] = _eight_bits(255 * _LEVELS * factor)[image[..., channel]]
    return balanced


def vignette(image: np.ndarray, corner: float) -> np.ndarray:
    """Light that falls from 1 in the middle to ``corner`` in the corners: v → v (1 - (1 - corner) r²).

    r is the distance from the middle, with each axis measured in its own side, and 1 in the corners.
    """
    y, x = _places(image)
    square = ((2 * y - 1) ** 2 + (2 * x - 1) ** 2) / 2
    return _eight_bits(image * (1 - (1 - corner) * square)[:, :, None])


def defocus(image: np.ndarray, sigma: float) -> np.ndarray:
    """A Gaussian blur, mirrored at the border; ``sigma`` is a share of the shorter side."""
    from scipy.ndimage import gaussian_filter  # slow to import, and only this kind needs it

    pixels = sigma * min(image.shape[:2])
    return _eight_bits(gaussian_filter(image.astype(np.float64), (pixels, pixels, 0), mode="reflect"))


def shadow(image: np.ndarray, factor: float, angle: float, offset: float) -> np.ndarray:
    """v → v · factor beyond a straight line, and v before it: nothing lies between the two.

    The shadow falls where (x - ½) cos angle + (y - ½) sin angle > offset, in degrees and shares of a side.
    """
    y, x = _places(image)
    turn = math.radians(angle)
    beyond = (x - 0.5) * math.cos(turn) + (y - 0.5) * math.sin(turn) > offset
    return np.where(beyond[:, :, None], _eight_bits(255 * _LEVELS * factor)[image], image)


def dust(image: np.ndarray, factor: float, specks: Sequence[Speck]) -> np.ndarray:
    """v → v (1 - (1 - factor) c) where c is how far a speck covers a pixel: the radius less the distance to the
    speck's middle, plus half a pixel, within 0 … 1.

    Dust lies on the lens or on the part and is no defect: an image keeps its label, so that an alarm on a good part
    with dust is a false alarm, and masks hold no speck.
    """
    height, width, _ = image.shape
    rows, columns = np.arange(height)[:, None] + 0.5, np.arange(width)[None, :] + 0.5
    covered = np.zeros((height, width))
    for speck in specks:
        distance = np.hypot(rows - speck.y * height, columns - speck.x * width)
        covered = np.maximum(covered, np.clip(speck.radius * min(height, width) + 0.5 - distance, 0, 1))
    return _eight_bits(image * (1 - (1 - factor) * covered)[:, :, None])


def _eight_bits(values: np.ndarray) -> np.ndarray:
    whole: np.ndarray = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    return whole


def _places(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where the pixels' middles lie, as shares of the height, (H, 1), and of the width, (1, W)."""
    height, width, _ = image.shape
    return (np.arange(height)[:, None] + 0.5) / height, (np.arange(width)[None, :] + 0.5) / width


def _drawn_shadow(image: np.ndarray, draws: Draws) -> np.ndarray:
    """A shadow whose edge is slanted, 15° or more from either axis, and passes near the middle."""
    return shadow(image, 0.55, 90 * int(4 * draws.unit()) + draws.between(15, 75), draws.between(-0.2, 0.2))


def _drawn_dust(image: np.ndarray, draws: Draws) -> np.ndarray:
    """Three to six specks of 0.4 to 0.8 % of the shorter side, which leave 35 % of the light."""
    count = 3 + int(4 * draws.unit())
    specks = [Speck(draws.unit(), draws.unit(), draws.between(0.004, 0.008)) for _ in range(count)]
    return dust(image, 0.35, specks)


CORRUPTIONS = {
    "jpeg": Corruption("JPEG, quality 15", lambda image, _: jpeg(image, 15)),
    "gamma_bright": Corruption("gamma 0.6, brighter", lambda image, _: gamma(image, 0.6)),
    "gamma_dark": Corruption("gamma 1.6, darker", lambda image, _: gamma(image, 1.6)),
    "white_balance": Corruption("white balance, red 1.2, blue 0.8", lambda image, _: white_balance(image, 1.2, 0.8)),
    "vignette": Corruption("vignette, 40 % in the corners", lambda image, _: vignette(image, 0.4)),
    "defocus": Corruption("defocus, σ 4 px of 1024", lambda image, _: defocus(image, DEFOCUS_SIGMA)),
    "shadow": Corruption("shadow × 0.55 with a sharp edge", _drawn_shadow),
    "dust": Corruption("dust, 3 to 6 dark specks", _drawn_dust),
}


def corrupted(image: np.ndarray, kind: str, path: str, seed: int) -> np.ndarray:
    """The image at ``path`` through the kind of this name, the same in any split, order or process."""
    return CORRUPTIONS[kind].apply(image, Draws(seed, f"{kind}:{path}"))
