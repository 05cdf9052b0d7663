"""What the rooms of adtrack's cache hold: their entries, whether an entry is whole, and what a killed process left."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file

from adtrack.config import NO_NETWORK
from adtrack.data import demo, memory_file
from adtrack.detectors import distance_cache, score_cache
from adtrack.features import tensor_file
from adtrack.features.entry import FILE, is_as_written
from adtrack.features.networks.torchvision import Torchvision
from adtrack.features.weights import Trunk
from adtrack.training import checkpoint

_USUAL = ("resnet50", "resnet18", "resnet34", "wide_resnet50_2", "squeezenet1_1")
_MOMENT = 600.0  # seconds: writing a trunk or a memory takes about one


@dataclass(frozen=True)
class Room:
    """A folder of the cache. For a damaged entry ``whole`` gives False or raises."""

    name: str
    entries: Callable[[Path], list[Path]]
    whole: Callable[[Path], bool]
    unfinished: Callable[[Path], list[Path]]


def is_whole(room: Room, entry: Path) -> bool:
    """Whether an entry can be used."""
    try:
        return room.whole(entry)
    except Exception:  # whatever a reader makes of damaged bytes, they are damaged
        return not entry.exists()  # another process may have removed it meanwhile


def _free(lock: Path) -> bool:
    """Whether no process holds a lock file."""
    try:
        if lock.exists():
            FileLock(lock, timeout=0).acquire().lock.release()
        return True
    except (Timeout, OSError):
        return False


def _files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.safetensors"))


def _feature_folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*") if path.is_dir() and not path.name.startswith("tmp-"))


def _whole_features(entry: Path) -> bool:
    """Whether the checksum is right. An entry of an earlier version has none: then header and length must fit."""
    whole = is_as_written(entry, entry.name)
    if whole is not None:
        return whole
    array = np.load(entry / FILE, mmap_mode="r", allow_pickle=False)
    return array.ndim == 4 and array.offset + array.nbytes == (entry / FILE).stat().st_size


def _unfinished_features(folder: Path) -> list[Path]:
    left = sorted(folder.glob("tmp-*"))
    # Nothing says which pass writes which folder, so they count as left over only when no pass is under way.
    return left if all(map(_free, folder.glob("*.lock"))) else []


def _whole_order(entry: Path) -> bool:
    """Whether the digest is right. An order of an earlier version has none: then its tensors must have their names."""
    whole = tensor_file.is_as_written(entry)
    if whole is not None:
        return whole
    with safe_open(entry, "pt") as file:
        return set(file.keys()) == {"order", "counts", "seconds"}


def _whole_tensors(entry: Path) -> bool:
    return tensor_file.is_as_written(entry) is True


def _unfinished_tensors(folder: Path) -> list[Path]:
    return [file for file in sorted(folder.glob("*.partial")) if _free(file.with_suffix(".safetensors.lock"))]


def _whole_trunk(entry: Path) -> bool:
    """Whether the name is the SHA-256 of the tensors and their network, which files of earlier versions do not name."""
    tensors = load_file(entry)
    with safe_open(entry, "pt") as file:
        told = (file.metadata() or {}).get("network")
    networks = [told] if told else dict.fromkeys((NO_NETWORK, *_USUAL, *Torchvision().names()))
    return any(Trunk(network, tensors, entry.name).sha256 == entry.stem for network in networks)


def _unfinished_trunks(folder: Path) -> list[Path]:
    files = (file for file in sorted(folder.glob("*")) if file.suffix != ".safetensors")
    return [file for file in files if time.time() - file.stat().st_mtime > _MOMENT]


def _memories(folder: Path) -> list[Path]:
    return sorted(folder.glob(f"*{memory_file.SUFFIX}"))


def _whole_memory(entry: Path) -> bool:
    return memory_file.read_memory(entry) is not None


def _unfinished_memories(folder: Path) -> list[Path]:
    return [file for file in sorted(folder.glob("*.partial")) if time.time() - file.stat().st_mtime > _MOMENT]


def _demo_folder(folder: Path) -> list[Path]:
    return [folder / demo.VERSION] if (folder / demo.VERSION).is_dir() else []


def _whole_demo(entry: Path) -> bool:
    """Whether every picture of the classes that have been drawn is there and can be read."""
    for name in filter(lambda name: (entry / name).is_dir(), demo.CLASSES):
        defects = len(demo.PRODUCTS[name].DEFECTS) * demo.COUNTS.test_defect
        images = [*(entry / name / "train").rglob("*.png"), *(entry / name / "test").rglob("*.png")]
        masks = [*(entry / name / "ground_truth").rglob("*.png")]
        good = demo.COUNTS.train_good + demo.COUNTS.test_good
        if len(images) != good + defects or len(masks) != defects:
            return False
        for file in images + masks:
            with Image.open(file) as image:
                image.verify()
    return True


def _unfinished_demo(folder: Path) -> list[Path]:
    left = sorted(folder.glob(f"{demo.VERSION}.partial-*"))
    return left if _free(folder / f"{demo.VERSION}.lock") else []


ROOMS = (
    Room("features", _feature_folders, _whole_features, _unfinished_features),
    Room("orders", _files, _whole_order, _unfinished_tensors),
    Room(distance_cache.ROOM, _files, _whole_tensors, _unfinished_tensors),
    Room(score_cache.ROOM, _files, _whole_tensors, _unfinished_tensors),
    Room(checkpoint.ROOM, _files, _whole_tensors, _unfinished_tensors),
    Room("trunks", _files, _whole_trunk, _unfinished_trunks),
    Room(memory_file.ROOM, _memories, _whole_memory, _unfinished_memories),
    Room("demo", _demo_folder, _whole_demo, _unfinished_demo),
)
