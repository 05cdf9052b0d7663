"""The images that a run was measured on, found again by what the run has logged of them."""

from collections.abc import Iterator
from pathlib import Path

from adtrack.config import from_json
from adtrack.data.classes import ImageRecord
from adtrack.data.imageset import VAL_SETS, ImageSet, parse_name
from adtrack.data.reading import STORED, Reading
from adtrack.errors import UserError
from adtrack.tracking.run_contents import run_file
from adtrack.tracking.scored_runs import ScoredRun
from adtrack.verbs.score_again import place_of, unchanged


def logged_images(run_id: str, name: str, root: Path) -> ImageSet:
    """An image set as the run's manifest lists it; its files lie below ``root``. UserError: it cannot be read."""
    split, domain, severity = parse_name(name)
    file = run_file(run_id, "splits.json")
    try:
        manifest = from_json(file.read_text(encoding="utf-8"))
        rows = manifest["splits"][split]
        records = tuple(ImageRecord(row["path"], int(row["label"]), str(row["kind"]), row["mask"]) for row in rows)
        contents = {row["path"]: row["sha256"] for row in rows} | {row["mask"]: row["mask_sha256"] for row in rows}
        reading = Reading(**manifest["reading"]) if "reading" in manifest else STORED
        return ImageSet(split, domain, root, records, int(manifest["seed"]), contents, severity, reading)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"a run must keep a manifest of its splits, but run {run_id} does not ({error}).") from error


def val_images(run: ScoredRun, data: str | None) -> list[tuple[ImageSet, list[int]]]:
    """The image sets of Val on which a run was measured, each with the places of its images whose files are, byte for
    byte, what they were.

    ``data`` says where they lie; None means where the run found them. UserError: not one of them is there.
    """
    names = [name for name in VAL_SETS if name in run.places]
    if not names:
        raise UserError(f"a model's run must have scores of {' or '.join(VAL_SETS)}, but this one has them of neither.")
    found = []
    for name in names:
        images = logged_images(run.places[name], name, place_of(run, name, data))
        found.append((images, list(_there(images))))
    if not all(places for _, places in found):
        images = next(images for images, places in found if not places)
        raise UserError(
            f"Val's images must be there as they were scored, but none of {len(images)} of {images.name} lies so in "
            f"{images.root.absolute()}.",
            "--data says where they are now.",
        )
    return found


def val_files(found: tuple[ImageSet, list[int]]) -> list[Path]:
    """The files of the images that are there, of one of the sets that ``val_images`` gives."""
    images, places = found
    return [images.root / images.records[at].path for at in places]


def _there(images: ImageSet) -> Iterator[int]:
    for at, record in enumerate(images.records):
        if unchanged(images.root, record.path, images.contents.get(record.path)) is not None:
            yield at
