"""What adtrack asks of a layout of a data set's files. Another layout is one more class and one line in ``LAYOUTS``."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from pathlib import Path

from ..classes import ImageClass, ImageRecord


class Layout(ABC):
    """A way in which the files of a data set lie below its root folder.

    ``help`` is a sentence that tells a user where files must lie.
    """

    help: str

    @abstractmethod
    def recognises(self, root: Path) -> bool:
        """Whether the files below the folder ``root`` lie in this way."""

    @abstractmethod
    def class_names(self, root: Path) -> list[str]:
        """The classes in ``root``, sorted."""

    @abstractmethod
    def read(self, root: Path, name: str) -> ImageClass:
        """The images of one of those classes, by their names: no image is opened.

        A layout that says which images are Train, Val and Test sets ``ImageClass.val``.
        """


def by_path(records: Iterable[ImageRecord]) -> tuple[ImageRecord, ...]:
    """Records in the order in which an ``ImageClass`` holds them."""
    return tuple(sorted(records, key=lambda record: record.path))
