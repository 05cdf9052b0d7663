"""Files that lie elsewhere, such as ``s3://bucket/photos/``: everything that fsspec opens."""

import re
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from adtrack.errors import UserError
from adtrack.findings import what_it_told, without_logins

_ADDRESS = re.compile(r"(?:[A-Za-z0-9]+::)*[A-Za-z][A-Za-z0-9+.\-]+://")  # simplecache::s3:// is one, too
_CACHES = ("simplecache", "filecache", "blockcache", "cached")  # have the paths of what they keep copies of
# What file systems tell of a file that changes with its content: stores, web servers, archives, and file servers.
_STAMPS = (
    *("ETag", "etag", "md5Hash", "LastModified", "last_modified", "updated", "mtime"),
    *("Last-Modified", "Content-MD5", "Digest", "CRC", "date_time", "created", "modify", "modified"),
)


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file below the address ``source`` that a user named: its ``name`` in the file system of that address, its path
    ``below`` the address ("" for the address itself), and a ``stamp`` that changes with its content. Where the file
    system tells nothing of that kind, the stamp is another one whenever files are looked for."""

    source: str
    name: str
    below: str
    stamp: str

    @property
    def address(self) -> str:
        """The address of the file, for people: it names no password, and a name with odd characters need not lead back
        to it."""
        parts = without_logins(self.source).split("::")
        if self.below:
            at = next(number for number, part in enumerate(parts) if part not in _CACHES)  # it has the path
            folder = parts[at] if "://" in parts[at] else f"{parts[at]}://"
            parts[at] = f"{folder}{'' if folder.endswith('/') else '/'}{self.below}"
        return "::".join(parts)

    def read(self) -> bytes:
        """The bytes of the file. UserError: it cannot be read.

        The name is never taken for an address of its own, whatever is in it.
        """
        try:
            data: bytes = _opened(self.source)[0].cat_file(self.name)
        except UserError:
            raise
        except Exception as error:  # each kind of store has errors of its own
            raise UserError(f"image must be readable, but {self.address} is not ({what_it_told(error)}).") from error
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
            f"images must be files or folders that can be read, but {without_logins(source)} is not "
            f"({what_it_told(error)})."
        ) from error
    top = root.rstrip("/")
    above = f"{top}/" if root else ""  # an archive's own root has no name
    for name in sorted(name for name in found if not name.endswith("/")):  # those are folders, as consoles make them
        if name == top:
            yield RemoteFile(source, name, "", _stamp(found[name]))
        elif name.startswith(above):
            yield RemoteFile(source, name, name[len(above) :], _stamp(found[name]))


def _opened(source: str) -> tuple[Any, str]:
    """The file system of an address, and the address's name in it."""
    import fsspec

    try:
        system, root = fsspec.core.url_to_fs(source)
    except (ImportError, ValueError) as error:
        raise UserError(
            f"images must have an address that fsspec opens here, but {without_logins(source)} is none "
            f"({what_it_told(error)}).",
            "pip install s3fs opens s3://, and pip install gcsfs opens gs://.",
        ) from error
    return system, root


def _stamp(facts: Mapping[str, Any]) -> str:
    told = [str(facts[name]) for name in _STAMPS if facts.get(name) is not None]
    return ":".join([str(facts.get("size")), *told]) if told else uuid.uuid4().hex
