"""Pictures as PNG files."""

from pathlib import Path

import numpy as np


def save_png(path: Path, picture: np.ndarray) -> None:
    """Write a picture uint8 (H, W, 3), compressed lightly: the disk is cheaper than the wait.

    torchvision writes as fast as Pillow and, unlike Pillow, lets other threads work meanwhile.
    """
    import torch  # loading torchvision takes a second, so that only those wait who write pictures
    from torchvision.io import encode_png

    channels = torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)))
    path.write_bytes(encode_png(channels, compression_level=1).numpy().tobytes())
