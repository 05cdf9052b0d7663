"""Pictures for compare: the images that the runs call differently, as each model sees them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from string import ascii_uppercase

import numpy as np
import torch
from tqdm import tqdm

from adtrack.data.imageset import ImageSet
from adtrack.data.masks import content_digest
from adtrack.detectors.scorer import Scorer
from adtrack.errors import UserError
from adtrack.evaluation.pictures.sheets import fit, fit_mask
from adtrack.evaluation.pictures.side_by_side import SIDE, ComparedImage, Look, look
from adtrack.features.backbone import choose_device
from adtrack.progress import bar
from adtrack.tracking.models import load_model
from adtrack.tracking.run_contents import run_tags
from adtrack.tracking.scored_runs import ScoredRun
from adtrack.tracking.tags import MODEL
from adtrack.verbs.compare.choosing import ChosenImages, choose_images
from adtrack.verbs.compare.verb import ComparedSet, Comparison
from adtrack.verbs.promote.checks import TOLERANCE
from adtrack.verbs.score_again import check_threshold, deviation

_Column = list[tuple[np.ndarray, Look]]  # pairs of a small image, uint8 (h, w, 3), and a model's look at it


@dataclass(frozen=True)
class Sheet:
    """Images of a set under a caption. Each image is a row, and each model that has scored the set is a column."""

    caption: str
    rows: tuple[ComparedImage, ...]
    models: tuple[str, ...]


@dataclass(frozen=True)
class Pictures:
    """A sheet for each image set with disagreements. ``missing`` are sentences that say why there are not more."""

    sheets: tuple[Sheet, ...] = ()
    missing: tuple[str, ...] = ()


def draw(found: Comparison, data: str | None, device: str) -> Pictures:
    """The clearest disagreements of each set, as every model sees them.

    Images are read from ``data`` or, if it is None, from where A found them. They are drawn only if their files are,
    byte for byte, what they were. UserError: there is no such device. Whatever else goes wrong is told in ``missing``.
    """
    chosen_device = choose_device(device)
    chosen, missing = choose_images(found, data)
    try:
        columns = _columns(found, chosen, chosen_device)
        shown = [one for one in found.sets if one.name in chosen]
        sheets = tuple(_sheet(found, one, chosen[one.name], columns[one.name]) for one in shown)
        return Pictures(sheets, missing)
    except UserError as error:
        return Pictures(missing=(*missing, f"There are no pictures: {error}"))


def _columns(found: Comparison, chosen: Mapping[str, ChosenImages], device: torch.device) -> dict[str, list[_Column]]:
    """The columns of each set, one for each model. Only one model at a time is in memory."""
    columns: dict[str, list[_Column]] = {name: [] for name in chosen}
    total = sum(len(chosen[one.name].drawn) * len(one.runs) for one in found.sets if one.name in chosen)
    with bar(total, "Drawing pictures", "picture") as progress:
        for at, run in enumerate(found.runs):
            held = [one for one in found.sets if at in one.runs and one.name in chosen]
            if not held:
                continue
            try:
                scorer = load_model(_model(run), device).scorer
                for one in held:
                    columns[one.name].append(_column(scorer, chosen[one.name], one.runs.index(at), progress))
            except UserError as error:
                raise UserError(f"for {ascii_uppercase[at]}, {error}") from error
    return columns


def _model(run: ScoredRun) -> str:
    uri = run.asked if run.asked.startswith("models:/") else run_tags(run.run_id).get(MODEL)
    if not uri:
        raise UserError(f"a run must say which model it has measured, but run {run.run_id} does not.")
    return uri


def _column(scorer: Scorer, chosen: ChosenImages, place: int, progress: tqdm) -> _Column:
    """The images as the model at ``place`` sees them. UserError: it no longer gives one of them its logged score."""
    column = []
    images = replace(chosen.images, reading=scorer.reading)
    for index, image in chosen.drawn:
        logged = image.scores[place]
        check_threshold(scorer, image.thresholds[place], chosen.images.name)
        pixels = images.image(index)
        judged = scorer.judge(pixels)
        if deviation(judged.score, logged) > TOLERANCE:
            raise UserError(
                f"a model must score images as it did, but it gives {image.path} of {chosen.images.name} "
                f"{judged.score:.4g} where {logged:.4g} was logged."
            )
        small = fit(pixels, SIDE)
        # The logged score decides: on another device a score close to the threshold might be rounded to its other side.
        column.append((small, look(scorer, replace(judged, score=logged), small)))
        progress.update()
    return column


def _sheet(found: Comparison, one: ComparedSet, chosen: ChosenImages, columns: Sequence[_Column]) -> Sheet:
    rows = tuple(
        ComparedImage(
            columns[0][row][0],
            _mask(chosen.images, index),
            f"{image.kind} {Path(image.path).stem}",
            image.anomalous,
            [column[row][1] for column in columns],
        )
        for row, (index, image) in enumerate(chosen.drawn)
    )
    return Sheet(_caption(one, chosen), rows, tuple(_heading(at, found.runs[at]) for at in one.runs))


def _heading(at: int, run: ScoredRun) -> str:
    """The run's letter and, on the next line, its name without the class, which is the same for all runs."""
    return f"{ascii_uppercase[at]}\n{' '.join(run.name.replace(f'{run.class_name} ', '').split())}"


def _mask(images: ImageSet, index: int) -> np.ndarray | None:
    """A small mask of the defect; None if there is none, or if its file has changed."""
    path = images.records[index].mask
    try:
        if path is None or content_digest(images.root / path, path) != images.contents.get(path):
            return None
        mask = images.mask(index)
        return None if mask is None else fit_mask(mask, SIDE)
    except UserError:  # it has gone
        return None


def _caption(one: ComparedSet, chosen: ChosenImages) -> str:
    drawn, together = len(chosen.drawn), len(one.disagreements)
    some = f"{drawn} of " if drawn < together else ""
    gone = f"; the files of {chosen.changed} have changed or gone" if chosen.changed else ""
    return f"{one.name}: {some}{together} image{'' if together == 1 else 's'} called differently{gone}"
