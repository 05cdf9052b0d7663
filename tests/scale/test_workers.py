"""What --workers asks for, and how cores are shared out."""

import pytest

from adtrack.errors import UserError
from adtrack.scale.workers import Workers, cores


def test_ray_or_a_number() -> None:
    assert Workers.parse("ray") == Workers(ray=True)
    assert Workers.parse("4") == Workers(4)
    assert [Workers.parse(text).alone for text in ("1", "2", "ray")] == [True, False, False]


@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5", "", "²"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="workers must be ray or a whole number of at least 1"):
        Workers.parse(text)


def test_workers_share_the_cores() -> None:
    assert Workers(1).threads == cores()
    assert Workers(10 * cores()).threads == 1
