"""The images that compare draws of each set: the clearest disagreements whose files have not changed."""

from dataclasses import dataclass
from pathlib import Path

from adtrack.config import from_json
from adtrack.data.classes import ImageRecord
from adtrack.data.imageset import ImageSet, parse_name
from adtrack.data.reading import STORED, Reading
from adtrack.errors import UserError
from adtrack.evaluation.paired_comparison import Disagreement
from adtrack.tracking.run_contents import run_file
from adtrack.tracking.scored_runs import ScoredRun
from adtrack.verbs.compare.verb import ComparedSet, Comparison
from adtrack.verbs.score_again import place_of, unchanged

MOST = 12  # images of one set


@dataclass(frozen=True)
class ChosenImages:
    """An image set and those of its images that are drawn, by their places in it.

    ``changed`` counts the images that are not drawn because their files have changed.
    """

    images: ImageSet
    drawn: tuple[tuple[int, Disagreement], ...]
    changed: int


def choose_images(found: Comparison, data: str | None) -> tuple[dict[str, ChosenImages], tuple[str, ...]]:
    """The images to draw of each set, and sentences on the sets of which none can be drawn."""
    chosen: dict[str, ChosenImages] = {}
    without: dict[str, list[str]] = {}
    for one in found.sets:
        if not one.disagreements:
            continue
        try:
            chosen[one.name] = _chosen(found.runs[0], one, data)
        except UserError as error:
            without.setdefault(str(error), []).append(one.name)
    return chosen, tuple(f"There are no pictures of {', '.join(names)}: {why}" for why, names in without.items())


def _chosen(run: ScoredRun, one: ComparedSet, data: str | None) -> ChosenImages:
    root = place_of(run, one.name, data)
    images = logged_images(run.places[one.name], one.name, root)
    places = {record.path: at for at, record in enumerate(images.records)}
    drawn: list[tuple[int, Disagreement]] = []
    changed = 0
    for image in one.disagreements:
        if len(drawn) == MOST:
            break
        if unchanged(root, image.path, images.contents.get(image.path)) is None:
            changed += 1
        else:
            drawn.append((places[image.path], image))
    if not drawn:
        raise UserError(
            f"images are drawn if they lie in {root.absolute()} as they were scored, but none of these does.",
            "--data says where they are now.",
        )
    return ChosenImages(images, tuple(drawn), changed)


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
