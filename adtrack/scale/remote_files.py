"""Files that lie elsewhere, such as ``s3://bucket/photos/``: everything that fsspec opens."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from adtrack.errors import UserError
from adtrack.findings import first_line

_ADDRESS = re.compile(r"(?:[A-Za-z0-9]+::)*[A-Za-z][A-Za-z0-9+.\-]+://")  # simplecache::s3:// is one, too
_STAMPS = ("ETag", "etag", "md5Hash", "LastModified", "last_modified", "updated", "mtime")


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file below the address ``source`` that a user named: its ``name`` in the file system of that address, its path
    ``below`` the address ("" for the address itself), and a ``stamp`` that changes with its content."""

    source: str
    name: str
    below: str
    stamp: str

    @property
    def address(self) -> str:
        """The address of the file, for people: a name with odd characters need not lead back to it."""
        first, chained, rest = self.source.partition("::")
        return f"{first.rstrip('/')}/{self.below}{chained}{rest}" if self.below else self.source

    def read(self) -> bytes:
        """The bytes of the file. UserError: it cannot be read.

        The name is never taken for an address of its own, whatever is in it.
        """
        try:
            data: bytes = _opened(self.source)[0].cat_file(self.name)
        except UserError:
            raise
        except Exception as error:  # each kind of store has errors of its own
            raise UserError(f"image must be readable, but {self.address} is not ({_told(error)}).") from error
        return data


def is_remote(text: str) -> bool:
    """Whether a text is an address of fsspec's, such as ``s3://bucket/photos``, and not a path on this machine."""
    return bool(_ADDRESS.match(text))


def files_at(source: str) -> Iterator[RemoteFile]:
    """The file at an address, or those below it, by name. UserError: there is none, or the store cannot be asked."""
    try:
        system, root = _opened(source)
        system.invalidate_cache()  # else a process that has listed it before would not see what is new
        found: Mapping[str, Mapping[str, Any]] = system.find(root, detail=True)
        if not found and not system.exists(root):
            raise FileNotFoundError(f"there is no {root}")
    except UserError:
        raise
    except Exception as error:  # each kind of store has errors of its own
        raise UserError(
            f"images must be files or folders that can be read, but {source} is not ({_told(error)})."
        ) from error
    top = root.rstrip("/")
    for name in sorted(found):
        if name.rstrip("/") == top:
            yield RemoteFile(source, name, "", _stamp(found[name]))
        elif name.startswith(f"{top}/") and not name.endswith("/"):
            yield RemoteFile(source, name, name[len(top) + 1 :], _stamp(found[name]))


def _opened(source: str) -> tuple[Any, str]:
    """The file system of an address, and the address's name in it."""
    import fsspec

    try:
        system, root = fsspec.core.url_to_fs(source)
    except (ImportError, ValueError) as error:
        raise UserError(
            f"images must have an address that fsspec opens here, but {source} is none ({_told(error)}).",
            "pip install s3fs opens s3://, and pip install gcsfs opens gs://.",
        ) from error
    return system, root


def _stamp(facts: Mapping[str, Any]) -> str:
    return ":".join(str(facts[name]) for name in ("size", *_STAMPS) if facts.get(name) is not None)


def _told(error: Exception) -> str:
    """The first line of an error's text, without user names and passwords in addresses."""
    return re.sub(r"//[^/@\s]*@", "//", first_line(error))[:300]
