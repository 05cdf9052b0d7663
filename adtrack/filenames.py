"""Names that come with data, as names of files and artifacts that every file system, server and page can give back.

MLflow decodes ``%20`` in an artifact's path, ends it at ``#`` or ``?`` and refuses a line break; file systems differ in
upper and lower case, in how an é is written, and in how long a name may be.
"""

import hashlib
import unicodedata
from collections.abc import Callable, Iterable
from pathlib import PurePosixPath

LONGEST = 80  # bytes in UTF-8, of one component: a few of them and a suffix fit into the 255 that file systems allow
_PLAIN = set("-_. ()+,=@")
_KEPT = "LNM"  # Unicode's letters, digits and the marks that belong to them


def file_name(text: str) -> str:
    """``text`` as one component of a path, the same wherever it is asked.

    Letters and digits of all scripts, spaces and ``-_.()+,=@`` stay; anything else becomes ``_``, and what is too long
    is cut. A name that had to change ends in ten digits of its SHA-256, so that no two become one: ``a#b`` →
    ``a_b-8187fc8f7f``.
    """
    return _named(text, lambda letter: letter in _PLAIN or unicodedata.category(letter)[0] in _KEPT)


def ascii_name(text: str) -> str:
    """As ``file_name``, of ASCII's letters and digits, spaces and ``-_.`` alone: MLflow takes no other image key."""
    return _named(text, lambda letter: letter.isascii() and (letter.isalnum() or letter in "-_. "))


def _named(text: str, keeps: Callable[[str], bool]) -> str:
    plain = "".join(letter if keeps(letter) else "_" for letter in unicodedata.normalize("NFC", text))
    plain = _cut(plain.strip(" ").lstrip("."), LONGEST).rstrip(" .")
    if plain == text and plain:
        return plain
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:10]
    return f"{_cut(plain, LONGEST - 11).rstrip(' .')}-{digest}".lstrip("-")


def _cut(text: str, most: int) -> str:
    """The start of ``text`` that takes at most ``most`` bytes in UTF-8."""
    return text.encode()[:most].decode(errors="ignore")


def file_path(parts: Iterable[str]) -> PurePosixPath:
    """Components, each by ``file_name``, as one path."""
    return PurePosixPath(*map(file_name, parts))


class UniquePaths:
    """Paths of files in one folder, no two of them the same, whatever the file system takes for the same."""

    def __init__(self) -> None:
        self._files: set[str] = set()
        self._folders: set[str] = set()
        self._numbers: dict[tuple[PurePosixPath, int], int] = {}  # that were free last: those below them are taken

    def free(self, path: PurePosixPath) -> PurePosixPath:
        """``path``, or with ``-2``, ``-3``, … before its suffix if that name is taken: by a file, or by a folder."""
        above = [folder for folder in path.parents if folder.name]
        for folder in reversed(above):
            if _folded(folder) in self._files:  # an image is called as a folder of images
                return self.free(self._other(folder, self._files) / path.relative_to(folder))
        if _folded(path) in self._files or _folded(path) in self._folders:
            path = self._other(path, self._files, self._folders)
        self._files.add(_folded(path))
        self._folders.update(map(_folded, above))
        return path

    def _other(self, path: PurePosixPath, *taken: set[str]) -> PurePosixPath:
        """``path`` with the lowest number that is in none of ``taken``."""
        number = self._numbers.get((path, len(taken)), 2)
        while any(_folded(_numbered(path, number)) in names for names in taken):
            number += 1
        self._numbers[path, len(taken)] = number
        return _numbered(path, number)


def _numbered(path: PurePosixPath, number: int) -> PurePosixPath:
    return path.with_name(f"{path.stem}-{number}{path.suffix}")


def _folded(path: PurePosixPath) -> str:
    return path.as_posix().casefold()
