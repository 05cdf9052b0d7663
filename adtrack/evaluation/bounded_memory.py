"""What has been read from files before, as far as there is room for it."""

from collections.abc import Callable, Hashable
from threading import Lock
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class BoundedMemory(Generic[Key, Value]):
    """Values by key: the first ones are kept as long as they fit into ``room`` bytes, all others are made each time.

    Image sets are read from their first image to their last, again and again. A memory that drops what it has not used
    for longest would, of a set that is too large for it, never hold the image that is asked for.
    Several threads may ask at once.
    """

    def __init__(self, room: int, size: Callable[[Value], int]) -> None:
        self._left, self._size = room, size
        self._values: dict[Key, Value] = {}
        self._lock = Lock()

    def get(self, key: Key, make: Callable[[], Value]) -> Value:
        """The value of ``key``, which ``make`` makes."""
        if key in self._values:
            return self._values[key]
        value = make()
        with self._lock:
            if key not in self._values and (size := self._size(value)) <= self._left:
                self._values[key] = value
                self._left -= size
        return value
