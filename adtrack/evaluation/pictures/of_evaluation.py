"""The pictures of an evaluation: a few images that tell most, each with its heatmap, and a sheet of all images."""

from collections.abc import Callable
from pathlib import Path, PurePosixPath

import numpy as np

from adtrack.evaluation.evaluate import Evaluation
from adtrack.evaluation.pictures.heatmaps import ColourRange, Heatmap
from adtrack.evaluation.pictures.sheets import Tile, contact_sheet, fit, panel, save_png, thumb
from adtrack.filenames import Places, file_name

SIDE = 192  # pixels: a panel of three is readable at this size and costs a few milliseconds
_SHEET_TILES = 120

Display = Callable[[int], tuple[np.ndarray, np.ndarray | None]]


def telling_images(evaluation: Evaluation) -> list[tuple[str, int]]:
    """("<kind>-worst" | "-median" | "-best", index) of every defect type and of the good images.

    Worst is what the model gets most wrong: the highest score of a good image, the lowest of a defective one.
    """
    scores, images = evaluation.scored.scores.image, evaluation.scored.images
    chosen = []
    for kind in sorted(set(images.kinds)):
        members = [index for index, other in enumerate(images.kinds) if other == kind]
        sign = 1 if images.labels[members[0]] else -1
        ranked = sorted(members, key=lambda index: (sign * scores[index], index))
        for word, place in (("worst", 0), ("median", len(ranked) // 2), ("best", len(ranked) - 1)):
            chosen.append((f"{kind}-{word}", ranked[place]))
    return chosen


def write_pictures(
    evaluation: Evaluation, display: Display, colours: ColourRange | None, folder: Path
) -> dict[str, Path]:
    """Write ``heatmaps/<set>/…png`` and ``heatmaps/<set>.png`` (the sheet, highest score first) below ``folder``.

    Returns the former by their names in ``telling_images``.

    ``display(index)`` gives an image uint8 (h, w, 3) and its mask bool (h, w) or None, small enough to be shown.
    ``colours`` is the model's range, None of a model without anomaly maps: its images are shown as they are.
    """
    target = folder / "heatmaps" / evaluation.name
    target.mkdir(parents=True, exist_ok=True)
    written, places = {}, Places()
    for name, index in telling_images(evaluation):
        image, mask = display(index)
        heatmap = _heatmap(evaluation, index, image, colours)
        picture = panel(image, mask, heatmap, _caption(evaluation, index), SIDE)
        stem = Path(evaluation.scored.images.records[index].path).stem
        written[name] = target / places.free(PurePosixPath(f"{file_name(name)}-{file_name(stem)}.png"))
        save_png(written[name], picture)
    save_png(folder / "heatmaps" / f"{evaluation.name}.png", _sheet(evaluation, display, colours))
    return written


def _caption(evaluation: Evaluation, index: int) -> str:
    score, threshold = evaluation.scored.scores.image[index], evaluation.threshold
    called = "anomalous" if score >= threshold else "passed"
    return f"{evaluation.scored.images.kinds[index]}: score {score:.3f}, threshold {threshold:.3f}, {called}"


def _heatmap(evaluation: Evaluation, index: int, image: np.ndarray, colours: ColourRange | None) -> Heatmap | None:
    """An image's heatmap in the size of the shown ``image``."""
    return Heatmap(fit(evaluation.scored.maps[index], max(image.shape[:2])), colours) if colours else None


def _sheet(evaluation: Evaluation, display: Display, colours: ColourRange | None) -> np.ndarray:
    images, scores = evaluation.scored.images, evaluation.scored.scores.image
    ranked = np.argsort(-scores, kind="stable")
    if len(ranked) > _SHEET_TILES:  # an even sample of the ranking: a larger sheet is too large to look at
        ranked = ranked[np.linspace(0, len(ranked) - 1, _SHEET_TILES).round().astype(int)]
    tiles = []
    for index in ranked.tolist():
        image, _ = display(index)
        record = images.records[index]
        caption = f"{scores[index]:.2f} {record.kind} {Path(record.path).stem}"
        picture = thumb(image, _heatmap(evaluation, index, image, colours))
        tiles.append(Tile(picture, caption, bool(record.label), scores[index] >= evaluation.threshold))
    return contact_sheet(tiles)
