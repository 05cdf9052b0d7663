"""Samples of a class's images, which depend on nothing but paths and a seed."""

import hashlib
import math
from collections.abc import Sequence

from ..errors import UserError
from .classes import ImageRecord


def sample(records: Sequence[ImageRecord], fraction: float, seed: int) -> tuple[list[ImageRecord], list[ImageRecord]]:
    """A sample of floor(n · fraction + ½) records, and the rest."""
    count, order = math.floor(len(records) * fraction + 0.5), _ranked(records, str(seed))
    return order[:count], order[count:]


def fewer(records: Sequence[ImageRecord], count: int | None, draw: int, seed: int) -> Sequence[ImageRecord]:
    """So many of the records of Train, all of them for None. Those of a smaller ``count`` are among those of a larger.

    ``draw`` numbers the choices that can be made with one seed. UserError: there are not so many records.
    """
    if count is None or count == len(records):
        return records
    if count > len(records):
        raise UserError(
            f"train images must be at most the {len(records)} images of Train, but got {count}.", "auto takes all."
        )
    return _ranked(records, f"{seed}:train {draw}")[:count]


def _ranked(records: Sequence[ImageRecord], salt: str) -> list[ImageRecord]:
    """The records by the SHA-256 of "salt:path".

    There is no random generator whose stream a version may change, and an image that is added to the data set moves few
    of the others.
    """
    return sorted(records, key=lambda record: hashlib.sha256(f"{salt}:{record.path}".encode()).digest())
