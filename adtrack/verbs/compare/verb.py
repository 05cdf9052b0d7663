"""compare: several runs beside each other, on the images that all of them have scored."""

from collections.abc import Sequence
from dataclasses import dataclass
from string import ascii_uppercase

import numpy as np

from adtrack.errors import UserError
from adtrack.evaluation.evaluate import PIXEL_METRICS
from adtrack.evaluation.paired_comparison import (
    Contrast,
    Disagreement,
    ModelScores,
    aligned,
    contrasts,
    disagreements,
    plain_contrast,
)
from adtrack.tracking.scored_runs import ScoredRun, scored_run, set_scores
from adtrack.tracking.store import open_store


@dataclass(frozen=True)
class ComparedSet:
    """The comparison on one image set.

    ``runs`` are the places, in the comparison, of the runs that hold the set. ``contrasts`` has an entry for each of
    these runs but the first, with which they are compared. The clearest of ``disagreements`` come first. ``left_out``
    counts the images that not all of the runs hold.
    """

    name: str
    runs: tuple[int, ...]
    good: int
    anomalous: int
    left_out: int
    contrasts: tuple[tuple[Contrast, ...], ...]
    disagreements: tuple[Disagreement, ...]


@dataclass(frozen=True)
class Comparison:
    """Runs, called A, B, … in their order, on each image set that A and another run hold.

    ``skipped`` says, in a sentence each, which image sets are not compared and why.
    """

    runs: tuple[ScoredRun, ...]
    sets: tuple[ComparedSet, ...]
    skipped: tuple[str, ...]

    @property
    def same_images(self) -> bool:
        """Whether all runs have the same splits."""
        return len({run.split_digest for run in self.runs}) == 1


def compare(asked: Sequence[str], any_split: bool) -> Comparison:
    """Compare runs, named as ``scored_run`` takes them, with the first.

    UserError: fewer than two runs, other classes, no set in common, or other splits unless ``any_split``; then the
    images are compared that lie in the same set of each.
    """
    if not 2 <= len(asked) <= len(ascii_uppercase):
        raise UserError(f"compare takes 2 to {len(ascii_uppercase)} runs, but got {len(asked)}.")
    open_store()
    runs = tuple(map(scored_run, asked))
    _check(runs, any_split)
    sets, skipped = [], []
    for name in dict.fromkeys(name for run in runs for name in run.sets):
        holders = tuple(at for at, run in enumerate(runs) if name in run.places)
        if 0 not in holders or len(holders) < 2:
            skipped.append(f"{name}: {'only A has' if 0 in holders else 'A has no'} scores of it.")
            continue
        found = _compared(name, runs, holders)
        if found is None:
            skipped.append(f"{name}: no image is the same in all of them.")
        else:
            sets.append(found)
    if not sets:
        raise UserError(
            f"runs must have scores of the same images to be compared, but these have none. {' '.join(skipped)}",
            "adtrack evaluate --model measures a model on Test that has only been measured on Val.",
        )
    return Comparison(runs, tuple(sets), tuple(skipped))


def _check(runs: Sequence[ScoredRun], any_split: bool) -> None:
    first = runs[0]
    seen: dict[str, ScoredRun] = {}
    for run in runs:
        if run.run_id in seen:
            raise UserError(
                f"runs to compare must differ, but {seen[run.run_id].asked} and {run.asked} are both run {run.run_id}."
            )
        seen[run.run_id] = run
        if run.class_name != first.class_name:
            raise UserError(
                f"runs to compare must be of one class, but {first.asked} is of {first.class_name} and {run.asked} of "
                f"{run.class_name}."
            )
        if run.split_digest != first.split_digest and not any_split:
            raise UserError(
                f"runs to compare must have the same splits, but {first.asked} has {first.split_digest[:12]} and "
                f"{run.asked} has {run.split_digest[:12]}: other images, another seed, or fewer Train images.",
                "--any-split compares them on the images that they have in common.",
            )


def _compared(name: str, runs: Sequence[ScoredRun], holders: tuple[int, ...]) -> ComparedSet | None:
    by_content = len({run.split_digest for run in runs}) > 1
    sets = [set_scores(runs[at], name, by_content=by_content) for at in holders]
    common = aligned(sets)
    if not common:
        return None
    labels = common[0].sample.labels
    left_out = len(set().union(*(found.images for found in sets))) - len(labels)
    reference, others = runs[holders[0]], [runs[at] for at in holders[1:]]
    found = tuple(
        # As logged, pixel metrics are of the run's own images and masks.
        (*contrasts(reference.class_name, common[0], other), *([] if by_content else _pixel(name, reference, run)))
        for run, other in zip(others, common[1:], strict=True)
    )
    return ComparedSet(
        name,
        holders,
        good=int((~labels).sum()),
        anomalous=int(labels.sum()),
        left_out=left_out,
        contrasts=found,
        disagreements=tuple(clearest_first(disagreements(common), common)),
    )


def clearest_first(found: Sequence[Disagreement], sets: Sequence[ModelScores]) -> list[Disagreement]:
    """Disagreements of aligned sets, in the order of how sure both sides are, and then of the paths.

    One side are the models that call the image anomalous, the other side the rest. How sure a model is, is the distance
    of its score from its threshold in standard deviations of its scores, as scores of different models have no common
    scale. A side is as sure as its surest model, and the disagreement is as clear as the less sure side.
    """
    spreads = np.array([np.std(one.sample.scores) or 1.0 for one in sets])

    def sureness(image: Disagreement) -> float:
        distances, called = abs(np.subtract(image.scores, image.thresholds)) / spreads, np.array(image.called)
        return float(min(distances[called].max(), distances[~called].max()))

    return sorted(found, key=lambda image: (-sureness(image), image.path))


def _pixel(name: str, reference: ScoredRun, run: ScoredRun) -> list[Contrast]:
    """The pixel metrics that both runs have, as they were logged. Maps are not kept, so nothing can be resampled."""
    keys = [(metric, f"{name}/{metric}") for metric in PIXEL_METRICS]
    both = [(metric, key) for metric, key in keys if key in reference.metrics and key in run.metrics]
    return [plain_contrast(metric, reference.metrics[key], run.metrics[key]) for metric, key in both]
