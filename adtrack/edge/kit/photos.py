"""The photos below a folder, as the model beside this file was taught to see them."""

import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")


def photos(folder, upright):
    """Names and pixels uint8 (H, W, 3), red first, of the photos, which are turned as their tags say if ``upright``.

    A photo that the model cannot score is named, and the program ends with 1 after the others.
    """
    files = [file for file in sorted(Path(folder).rglob("*")) if file.suffix.lower() in SUFFIXES]
    if not files:
        sys.exit(f"below {folder} there is no photo ({', '.join(SUFFIXES)})")
    bad = 0
    for file in files:
        try:
            pixels = pixels_of(file, upright)
        except Exception as error:  # each format has errors of its own
            print(f"{file} is not scored: {error}", file=sys.stderr, flush=True)
            bad += 1
        else:
            yield file, pixels
    if bad:
        sys.exit(f"{bad} of {len(files)} photos are not scored")


def pixels_of(file, upright):
    """The pixels of one photo. ValueError: it has more than 8 bits a channel."""
    with Image.open(file) as photo:
        if photo.mode[0] in "IF" or ";16" in str(photo.tile):
            raise ValueError("it has more than 8 bits a channel")
        turned = ImageOps.exif_transpose(photo) if upright else photo
        return np.asarray(turned.convert("RGB"))
