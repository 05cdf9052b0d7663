"""What the run of an adaptation shows: the photos' scores, both thresholds, and what the new one does on Val."""

import csv
import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from adtrack.detectors.calibration import GoodScores
from adtrack.detectors.scorer import Scorer
from adtrack.evaluation.adapting import MovedThreshold
from adtrack.evaluation.alarms import set_name
from adtrack.evaluation.evaluate import image_level
from adtrack.evaluation.paired_comparison import ModelScores
from adtrack.naming import csv_cell
from adtrack.reporting.strips import write_strips
from adtrack.tracking.evaluation_files import write_scores
from adtrack.tracking.made_with import version_tags
from adtrack.tracking.models import log_scorer, write_page
from adtrack.tracking.run import Run
from adtrack.tracking.run_contents import has_file, run_file
from adtrack.tracking.scored_runs import ScoredRun, set_scores

FOLDER = "adaptation"
_COPIED = ("splits.json", "spec.json")  # as the run had them that the model comes from
PhotoRow = tuple[str, float, str]  # path, score, and why there is no score


def log_adaptation(
    run: Run, source: ScoredRun, scorer: Scorer, moved: MovedThreshold, photos: Sequence[PhotoRow]
) -> str:
    """Log an adapted model to a run, and all that is known of it. Returns the model's URI.

    The images that the model of the run ``source`` was scored on have the same scores, and are judged at the new
    threshold: so the new model can be compared and promoted like any other.
    """
    told = {name: scorer.facts[name] for name in ("adapted_from", "adapted_photos")}
    run.log_params({**source.params, **told})
    run.set_tags(version_tags(scorer.backbone))
    uri = log_scorer(run, scorer, with_trunk=True)
    sets = {name: set_scores(source, name) for name in source.sets}
    # The model first: MLflow would copy the metrics that the run has by then to the model, one by one.
    run.log_metrics(_moves(moved) | _metrics(sets, moved.after), uri.removeprefix("models:/"))
    write_page(uri, scorer)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / FOLDER).mkdir()
        (folder / "scores").mkdir()
        for name, scores in sets.items():
            labels = map(int, scores.sample.labels)
            rows = zip(scores.paths, scores.kinds, labels, scores.sample.scores, strict=True)
            write_scores(rows, moved.after, folder / "scores" / f"{name}.csv")
        _write_photos(photos, moved, folder / FOLDER / "photos.csv")
        picture = _draw(moved, scorer.calibration.good, photos, folder / FOLDER / "scores.png")
        (folder / FOLDER / "threshold.json").write_text(json.dumps(_moves(moved), indent=1), encoding="utf-8")
        for name in _COPIED:
            if has_file(source.run_id, name):
                (folder / name).write_bytes(run_file(source.run_id, name).read_bytes())
        run.log_folder(folder)
        run.log_image(picture, f"{FOLDER}/scores")
    return uri


def _moves(moved: MovedThreshold) -> dict[str, float]:
    """The numbers of a move, as metrics."""
    found = {
        "threshold_before": moved.before,
        "threshold_after": moved.after,
        "threshold_after_low": moved.low,
        "threshold_after_high": moved.high,
        "interval_level": moved.level,
        "photos": moved.photos,
        "photos_median": moved.median,
        "alarms_before": moved.alarms_before,
        "alarms_after": moved.alarms_after,
        "promised_false_alarms": moved.promised.value,
        **{f"{name}_good_median": value for name, value in moved.medians.items()},
    }
    return {f"{FOLDER}/{name}": float(value) for name, value in found.items()}


def _metrics(sets: Mapping[str, ModelScores], threshold: float) -> dict[str, float]:
    return {
        f"{name}/{key}": value
        for name, scores in sets.items()
        for key, value in image_level(scores.sample.scores, scores.sample.labels, threshold).items()
    }


def _write_photos(photos: Sequence[PhotoRow], moved: MovedThreshold, file: Path) -> None:
    """One row for each photo: path, score, what it is called at either threshold, and why it has no score."""
    with file.open("w", newline="", encoding="utf-8", errors="backslashreplace") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["path", "score", "label_before", "label", "error"])
        for path, score, error in photos:
            judged = ("", "", "") if error else (repr(score), int(score >= moved.before), int(score >= moved.after))
            writer.writerow([csv_cell(path), *judged, csv_cell(error)])


def _draw(moved: MovedThreshold, good: GoodScores | None, photos: Sequence[PhotoRow], file: Path) -> Path:
    strips = {f"{set_name(name)}, good": list(scores) for name, scores in (good.scores if good else {}).items()}
    strips["photos"] = [score for _, score, error in photos if not error]
    note = (
        f"A short line marks the median of a strip. {100 * moved.level:.0f} % interval of the new threshold by the "
        f"median alone: {moved.low:.4g} … {moved.high:.4g}."
    )
    lines = {"threshold before": moved.before, "threshold after": moved.after}
    return write_strips(file, f"The threshold goes with {moved.photos} photos", note, strips, lines)
