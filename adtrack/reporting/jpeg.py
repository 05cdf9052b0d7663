"""Pictures as text that a page can hold."""

import base64
import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]


def jpeg_text(pixels: Pixels, **options: Any) -> str:
    """A picture (h, w, 3) as a JPEG in base64, saved with these ``options`` of Pillow.

    As PNG, noise would make a page several times as large.
    """
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, format="JPEG", **options)
    return base64.b64encode(stream.getvalue()).decode()
