"""Turns names that come with data into names of files that work on every file system, server and page.

MLflow decodes ``%20`` in an artifact's path, cuts the path at ``#`` or ``?`` and refuses line breaks. File systems
differ in whether upper and lower case are the same, in how they write an é, and in how long a name may be.
"""

import hashlib
import unicodedata
from collections.abc import Callable, Iterable
from pathlib import PurePosixPath

LONGEST = (
    80  # bytes of a name in UTF-8: a file name of a few such names and a suffix stays below the usual limit of 255
)
_PLAIN = set("-_. ()+,=@")
_KEPT = "LNM"  # Unicode's letters, numbers and marks such as accents


def file_name(text: str) -> str:
    """``text`` as one component of a path, which is the same on every machine.

    Letters and digits of all scripts, spaces and ``-_.()+,=@`` stay. Other characters become ``_``, and a long name is
    cut. A name that had to change gets ten digits of its SHA-256 at its end, so that different names stay different:
    ``a#b`` → ``a_b-8187fc8f7f``.
    """
    return _named(text, lambda letter: letter in _PLAIN or unicodedata.category(letter)[0] in _KEPT)


def ascii_name(text: str) -> str:
    """Like ``file_name``, but with ASCII letters, digits, spaces and ``-_.`` only, as MLflow demands of image keys."""
    return _named(text, lambda letter: letter.isascii() and (letter.isalnum() or letter in "-_. "))


def _named(text: str, keeps: Callable[[str], bool]) -> str:
    plain = "".join(letter if keeps(letter) else "_" for letter in unicodedata.normalize("NFC", text))
    plain = _cut(plain.strip(" ").lstrip("."), LONGEST).rstrip(" .")
    if plain == text and plain:
        return plain
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:10]
    return f"{_cut(plain, LONGEST - 11).rstrip(' .')}-{digest}".lstrip("-")


def _cut(text: str, most: int) -> str:
    """The longest start of ``text`` that takes at most ``most`` bytes in UTF-8."""
    return text.encode()[:most].decode(errors="ignore")


def file_path(parts: Iterable[str]) -> PurePosixPath:
    """The components as one path, each changed by ``file_name``."""
    return PurePosixPath(*map(file_name, parts))


class UniquePaths:
    """Paths of files in one folder, all different even on a file system that ignores upper and lower case."""

    def __init__(self) -> None:
        self._files: set[str] = set()
        self._folders: set[str] = set()
        self._numbers: dict[
            tuple[PurePosixPath, int], int
        ] = {}  # the last free number of each path; all lower numbers are taken

    def free(self, path: PurePosixPath) -> PurePosixPath:
        """``path``, or ``path`` with ``-2``, ``-3``, … before its suffix if a file or folder has that name already."""
        above = [folder for folder in path.parents if folder.name]
        for folder in reversed(above):
            if _folded(folder) in self._files:  # an image has the same name as a folder of images
                return self.free(self._other(folder, self._files) / path.relative_to(folder))
        if _folded(path) in self._files or _folded(path) in self._folders:
            path = self._other(path, self._files, self._folders)
        self._files.add(_folded(path))
        self._folders.update(map(_folded, above))
        return path

    def _other(self, path: PurePosixPath, *taken: set[str]) -> PurePosixPath:
        """``path`` with the lowest number for which no set of ``taken`` holds the path."""
        number = self._numbers.get((path, len(taken)), 2)
        while any(_folded(_numbered(path, number)) in names for names in taken):
            number += 1
        self._numbers[path, len(taken)] = number
        return _numbered(path, number)


def _numbered(path: PurePosixPath, number: int) -> PurePosixPath:
    return path.with_name(f"{path.stem}-{number}{path.suffix}")


def _folded(path: PurePosixPath) -> str:
    return path.as_posix().casefold()
