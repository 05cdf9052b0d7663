"""The pictures of an evaluation: a few images that tell most, each with its heatmap, and a sheet of all images."""

from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

import numpy as np

from adtrack.detectors.calibration import ColourRange
from adtrack.evaluation.evaluate import Evaluation
from adtrack.evaluation.pictures.heatmaps import Heatmap
from adtrack.evaluation.pictures.png import save_png
from adtrack.evaluation.pictures.sheets import Tile, contact_sheet, fit, panel, thumb
from adtrack.evaluation.pictures.shown import SIDE, Display
from adtrack.evaluation.telling import telling_images
from adtrack.evaluation.workbench import Workbench
from adtrack.features.threads import fixed_threads, side_by_side, workers_on
from adtrack.filenames import UniquePaths, file_name

_SHEET_TILES = 120  # a larger sheet is too large to look at
_SEARCHED_TILES = 24  # where each heatmap takes a search of the whole bank


def write_pictures(
    bench: Workbench, evaluation: Evaluation, colours: ColourRange | None, folder: Path
) -> dict[str, Path]:
    """Write ``heatmaps/<set>/…png`` and ``heatmaps/<set>.png`` (the sheet, highest score first) below ``folder``.

    Returns the former by their names in ``telling_images``. ``colours`` is the model's range; None if it has no anomaly
    maps: then its images are shown as they are.
    """
    target = folder / "heatmaps" / evaluation.name
    target.mkdir(parents=True, exist_ok=True)
    chosen, written, places = dict(telling_images(evaluation.scored)), {}, UniquePaths()
    for name, index in chosen.items():
        stem = Path(evaluation.scored.images.records[index].path).stem
        written[name] = target / places.free(PurePosixPath(f"{file_name(name)}-{file_name(stem)}.png"))

    def looks() -> Iterator[tuple[int, Path, Display]]:
        for name, index in chosen.items():
            yield index, written[name], bench.display(evaluation.name, index)

    def draw(look: tuple[int, Path, Display]) -> tuple[int, Heatmap | None]:
        index, file, shown = look
        heatmap = _heatmap(evaluation, index, shown.image, colours)
        save_png(file, panel(shown.image, shown.mask, heatmap, _caption(evaluation, index), SIDE))
        return index, heatmap

    drawn = dict(side_by_side(draw, looks(), workers_on(bench.backbone.device)))
    save_png(folder / "heatmaps" / f"{evaluation.name}.png", _sheet(bench, evaluation, colours, drawn))
    return written


def _caption(evaluation: Evaluation, index: int) -> str:
    score, threshold = evaluation.scored.scores[index], evaluation.threshold
    called = "anomalous" if score >= threshold else "passed"
    return f"{evaluation.scored.images.kinds[index]}: score {score:.3f}, threshold {threshold:.3f}, {called}"


def _heatmap(evaluation: Evaluation, index: int, image: np.ndarray, colours: ColourRange | None) -> Heatmap | None:
    """An image's heatmap in the size of the shown ``image``."""
    maps = evaluation.scored.maps
    if maps is None or colours is None:
        return None
    with fixed_threads():  # the other cores compute other images' maps
        return Heatmap(fit(maps[index], max(image.shape[:2])), colours)


def _sheet(
    bench: Workbench, evaluation: Evaluation, colours: ColourRange | None, drawn: Mapping[int, Heatmap | None]
) -> np.ndarray:
    """All images, or many of them. The heatmaps of some are ``drawn`` already."""
    images, scores = evaluation.scored.images, evaluation.scored.scores
    ranked = np.argsort(-scores, kind="stable")
    most = _SHEET_TILES if evaluation.scored.searched else _SEARCHED_TILES
    if len(ranked) > most:  # an even sample of the ranking
        ranked = ranked[np.linspace(0, len(ranked) - 1, most).round().astype(int)]

    def tile(look: tuple[int, np.ndarray]) -> Tile:
        index, image = look
        record = images.records[index]
        caption = f"{scores[index]:.2f} {record.kind} {Path(record.path).stem}"
        heatmap = drawn[index] if index in drawn else _heatmap(evaluation, index, image, colours)
        picture = thumb(image, heatmap)
        return Tile(picture, caption, bool(record.label), scores[index] >= evaluation.threshold)

    looks = ((index, bench.display(evaluation.name, index).image) for index in ranked.tolist())
    return contact_sheet(list(side_by_side(tile, looks, workers_on(bench.backbone.device))))
