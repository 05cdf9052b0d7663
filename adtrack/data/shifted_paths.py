"""Where the files of a shifted copy go: MVTec's layout, whatever the layout of their sources."""

from pathlib import PurePosixPath

from ..errors import UserError
from .classes import ImageClass, ImageRecord


def shifted_paths(images: ImageClass) -> dict[ImageRecord, PurePosixPath]:
    """Where every image goes. UserError: two would get one name as PNG."""
    parts = {"train": images.train, "test": images.test}
    targets = {record: _target(images.name, part, record) for part, records in parts.items() for record in records}
    taken: dict[PurePosixPath, str] = {}
    for record, target in targets.items():
        other = taken.setdefault(target, record.path)
        if other != record.path:
            raise UserError(
                f"images must have different names without their suffix, but {other} and {record.path} would both "
                f"become {target}.",
                "rename one of them, and its mask.",
            )
    return targets


def shifted_mask_path(kind: str, target: PurePosixPath) -> PurePosixPath:
    """Where the mask of an image goes: ``part/test/spot/a/0.png`` → ``part/ground_truth/spot/a/0_mask.png``."""
    class_name, _, _, *inside = target.parts
    return PurePosixPath(class_name, "ground_truth", kind, *inside).with_name(f"{target.stem}_mask.png")


def _target(name: str, part: str, record: ImageRecord) -> PurePosixPath:
    """Where an image of ``part`` (train or test) of class ``name`` goes, in MVTec's layout."""
    place, path = PurePosixPath(name, part, record.kind), PurePosixPath(record.path)
    return (path if path.is_relative_to(place) else place / path).with_suffix(".png")
