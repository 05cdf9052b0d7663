"""Finds the mask of each image by their names below test/<defect> and ground_truth/<defect>."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from ...errors import UserError
from ..files import entries, images_below


@dataclass(frozen=True)
class Truth:
    """The mask of every image that has one, a file or a folder of files; ``used`` are the files of these masks.

    ``given`` says whether the folder of masks holds any file, even if it belongs to none of the images.
    """

    masks: Mapping[Path, Path]
    used: frozenset[Path]
    given: bool


def truth_folders(truth: Path, kinds: Sequence[str]) -> dict[str, Path]:
    """The folder in ``truth`` of each kind of defect that has one; its name may differ from the kind's in case.

    Some file systems do not distinguish ``Spot`` from ``spot``; the same files shall be read on all of them.
    """
    folders = {entry.name: entry for entry in entries(truth) if entry.is_dir()}
    found = {kind: folders[kind] for kind in kinds if kind in folders}
    for kind in kinds:
        alike = [name for name in folders if name.casefold() == kind.casefold()]
        if kind not in found and len(alike) == 1 and sum(other.casefold() == kind.casefold() for other in kinds) == 1:
            found[kind] = folders[alike[0]]
    return found


def find_masks(defect: Path, images: Sequence[Path], truth: Path) -> Truth:
    """The masks in ``truth`` of the ``images`` below ``defect``.

    The image ``a/b.png`` has the first of these that there is: ``a/b_mask.png``, ``a/b.png`` (of any suffix), or, as
    MVTec LOCO has it, all images of the folder ``a/b``, whose union is the mask. UserError: two images have the same.
    """
    files = images_below(truth)
    by_name: dict[PurePath, Path] = {}
    by_folder: dict[PurePath, list[Path]] = {}
    for file in files:
        inside = file.relative_to(truth)
        by_name.setdefault(inside.with_suffix(""), file)
        by_folder.setdefault(inside.parent, []).append(file)
    masks: dict[Path, Path] = {}
    used: set[Path] = set()
    owners: dict[Path, Path] = {}
    for image in images:
        key = image.relative_to(defect).with_suffix("")
        mask = by_name.get(key.with_name(f"{key.name}_mask")) or by_name.get(key)
        parts = [mask] if mask else by_folder.get(key, [])
        if not parts or (not mask and (defect / key).is_dir()):  # masks of that folder's images, not of this one
            continue
        masks[image] = mask or truth / key
        used.update(parts)
        other = owners.setdefault(masks[image], image)
        if other != image:
            raise UserError(
                f"every image must have a mask of its own, but {other.name} and {image.name} in {image.parent} would "
                f"both have {masks[image].name}.",
                "rename one of them, and its mask.",
            )
    return Truth(masks, frozenset(used), bool(files))
