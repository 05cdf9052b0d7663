"""The images that a user names by files, folders and addresses, with the place of each one's overlay."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from adtrack.data.decoding import read_bytes
from adtrack.data.files import SUFFIXES, counts, files_below, is_beside, is_image
from adtrack.errors import UserError
from adtrack.filenames import UniquePaths, file_path
from adtrack.findings import without_logins
from adtrack.naming import visible
from adtrack.scale.remote_files import RemoteFile, files_at, is_remote
from adtrack.verbs.checks import check_sources


@dataclass(frozen=True, slots=True)
class PhotoFile:
    """An image to score: its ``path`` as it is told, the ``place`` of its overlay below the output folder, and a
    ``key`` that is another one as soon as the file has changed. ``remote`` if it does not lie on this machine."""

    path: str
    place: str
    key: str
    remote: RemoteFile | None = None

    def read(self, machine: str = "") -> bytes:
        """The bytes of the file. ``machine`` is the name of this one if it is one of a cluster. UserError: it cannot be
        read."""
        if self.remote:
            return self.remote.read()
        if machine and not Path(self.path).exists():
            raise UserError(
                f"images must lie on every machine of the cluster, but {self.path} is not on {machine}.",
                "share the folder, or name one that fsspec opens from anywhere, such as s3://bucket/photos/.",
            )
        return read_bytes(Path(self.path), visible(self.path))


@dataclass(frozen=True)
class FoundPhotos:
    """The images, and the files below the folders that are left out because of their suffix, apart from texts."""

    photos: list[PhotoFile]
    left_out: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _File:
    path: str
    below: PurePosixPath  # the path below the folder in which it was found
    stamp: str
    named: bool  # whether the user named it, and no folder above it
    remote: RemoteFile | None = None


def find_photos(sources: Sequence[Path]) -> list[Path]:
    """The images among the sources and below them, on this machine, as ``find_images`` finds them."""
    return [Path(photo.path) for photo in find_images([str(source) for source in sources]).photos]


def find_images(sources: Sequence[str], out: Path | None = None) -> FoundPhotos:
    """The images among the sources and below them.

    Files are taken as they are given, and folders are searched but for what an earlier call has written to ``out``.
    Each image is listed once. Linked subfolders are searched too, but a folder to which several paths lead is searched
    once. UserError: there is no image.
    """
    check_sources(sources)
    skip = own_folders(out) if out else ()
    files: dict[tuple[str, str], _File] = {}
    left_out = []
    for source in sources:
        for file in _remote(source) if is_remote(source) else _local(Path(source), skip):
            if file.named or is_image(Path(file.below)):
                files.setdefault((file.path, file.remote.name if file.remote else ""), file)
            elif not is_beside(Path(file.below)):
                left_out.append(file.path)
    if not files:
        raise UserError(
            f"images must hold at least one image, but {', '.join(map(without_logins, sources))} hold none.",
            f"adtrack reads {', '.join(SUFFIXES)}.",
        )
    return FoundPhotos(list(_placed(files.values())), tuple(map(visible, left_out)))


def own_folders(out: Path) -> tuple[Path, ...]:
    """Where an earlier call may have left files. A folder that is searched may itself be ``out``."""
    return out, out / "overlays", out / "parts"


def _local(source: Path, skip: tuple[Path, ...]) -> Iterator[_File]:
    named = not source.is_dir()
    for path in [source] if named else files_below(source, skip=skip):
        below = path.name if named else path.relative_to(source).as_posix()
        yield _File(str(path), PurePosixPath(below), _stamp(path), named)


def _remote(source: str) -> Iterator[_File]:
    for file in files_at(source):
        below = PurePosixPath(file.below or file.name.rpartition("/")[2])
        if not file.below or all(map(counts, below.parts)):
            yield _File(file.address, below, file.stamp, not file.below, file)


def _stamp(path: Path) -> str:
    """What changes with a file's content; "" if it cannot be told, as then it cannot be read either."""
    try:
        found = path.stat()
    except OSError:
        return ""
    return f"{found.st_size}:{found.st_mtime_ns}"


def _placed(files: Iterable[_File]) -> Iterator[PhotoFile]:
    """The places of the overlays, all different: photo.jpg and photo.png in one folder get different ones."""
    places = UniquePaths()
    for file in files:
        place = file_path(("overlays", *file.below.parts[:-1], file.below.stem))
        free = places.free(place.with_name(f"{place.name}.png"))
        key = hashlib.sha256(f"{file.path}\0{file.stamp}".encode("utf-8", "surrogatepass")).hexdigest()[:32]
        yield PhotoFile(file.path, free.as_posix(), key, file.remote)
