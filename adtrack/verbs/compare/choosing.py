"""The images that compare draws of each set: the clearest disagreements whose files have not changed."""

from dataclasses import dataclass

from adtrack.data.imageset import ImageSet
from adtrack.errors import UserError
from adtrack.evaluation.paired_comparison import Disagreement
from adtrack.tracking.scored_runs import ScoredRun
from adtrack.verbs.compare.verb import ComparedSet, Comparison
from adtrack.verbs.logged_images import logged_images
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
