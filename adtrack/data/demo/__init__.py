"""The demo data set: three generated products in MVTec layout, the same pictures on every machine."""

import os
import shutil
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray
from PIL import Image

from ...cache import cache_folder
from ...config import DEMO
from ...errors import UserError
from ...progress import track
from ..classes import GOOD
from . import carpet, hazelnut, zipper
from .drawing import SIZE, Array, Flaw, changed, random_stream

VERSION = "1"  # to be raised with every change to a picture, so that caches and digests of old ones stay apart
PRODUCTS = {"zipper": zipper, "carpet": carpet, "hazelnut": hazelnut}
CLASSES = tuple(PRODUCTS)


@dataclass(frozen=True)
class Counts:
    """How many pictures a class has: normal ones for training and for test, and test pictures of each defect."""

    train_good: int = 25
    test_good: int = 16
    test_defect: int = 10


COUNTS = Counts()


def demo_root(classes: Sequence[str] = CLASSES) -> Path:
    """The folder of the demo data set in the cache. Those of ``classes`` that it does not hold yet are generated, which
    takes some seconds for each."""
    return _generated_once(cache_folder("demo", VERSION), classes, COUNTS)


def data_root(root: str, class_name: str = "") -> Path:
    """The folder with classes that ``DataSpec.root`` names: the user's, or the generated demo data set's.

    Of the latter the class of this name is there; without a name, or if there is no such class, all are.
    """
    if root != DEMO:
        return Path(root).expanduser()
    return demo_root([class_name] if class_name in PRODUCTS else CLASSES)


def make_demo(root: Path, classes: Sequence[str] = CLASSES, counts: Counts = COUNTS) -> Path:
    """Write the demo data set to ``root``, in MVTec layout, and return ``root``. Files of the same names are replaced.

    The same versions of numpy, scipy and Pillow write the same files, whichever classes and counts are asked for.
    """
    for name in classes:
        if name not in PRODUCTS:
            raise UserError(f"a demo class must be one of {', '.join(CLASSES)}, but got {name!r}.")
    pictures = [(name, *picture) for name in classes for picture in _pictures(name, counts)]
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        written = threads.map(partial(_write, Path(root)), pictures)
        for _ in track(written, "Drawing the demo data", total=len(pictures)):
            pass
    return Path(root)


def render(class_name: str, path: str, kind: str) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The picture (SIZE, SIZE, 3) at ``path`` below a class's folder and its mask (SIZE, SIZE), 255 where defective.

    Both depend on class and path alone. Scene and defect (``kind``) have a random stream each: the mask is where the
    defect changes the picture of the same scene.
    """
    product, key = PRODUCTS[class_name], f"{class_name}/{path}"
    clean = product.draw(random_stream(key))
    if kind == GOOD:
        return _to_bytes(clean), np.zeros((SIZE, SIZE), np.uint8)
    flawed = product.draw(random_stream(key), Flaw(kind, random_stream(f"{key} {kind}")))
    return _to_bytes(flawed), changed(clean, flawed, product.DEFECTS[kind]).astype(np.uint8) * 255


def _pictures(class_name: str, counts: Counts) -> list[tuple[str, str]]:
    """Path below the class's folder and kind (good or the defect) of every picture."""
    folders = [("train", GOOD, counts.train_good), ("test", GOOD, counts.test_good)]
    folders += [("test", defect, counts.test_defect) for defect in PRODUCTS[class_name].DEFECTS]
    return [(f"{split}/{kind}/{i:03}.png", kind) for split, kind, count in folders for i in range(count)]


def _write(root: Path, picture: tuple[str, str, str]) -> None:
    class_name, path, kind = picture
    pixels, mask = render(class_name, path, kind)
    _save(pixels, root / class_name / path)
    if kind != GOOD:
        _save(mask, root / class_name / "ground_truth" / kind / f"{Path(path).stem}_mask.png")


def _save(pixels: NDArray[np.uint8], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, compress_level=1)


def _to_bytes(picture: Array) -> NDArray[np.uint8]:
    return np.ascontiguousarray(np.moveaxis(np.rint(picture * 255).astype(np.uint8), 0, -1))


def _generated_once(folder: Path, classes: Sequence[str], counts: Counts) -> Path:
    """``folder`` with these classes in it. However many processes ask or die meanwhile, each is complete or absent."""
    if not _missing(folder, classes):
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_name(f"{folder.name}.lock")):
        if missing := _missing(folder, classes):
            for left_over in folder.parent.glob(f"{folder.name}.partial-*"):  # the lock is ours: its writer is dead
                shutil.rmtree(left_over)
            partial_folder = Path(tempfile.mkdtemp(prefix=f"{folder.name}.partial-", dir=folder.parent))
            make_demo(partial_folder, missing, counts)
            for name in missing:
                (partial_folder / name).rename(folder / name)
            partial_folder.rmdir()
    return folder


def _missing(folder: Path, classes: Sequence[str]) -> list[str]:
    return [name for name in classes if not (folder / name).is_dir()]
