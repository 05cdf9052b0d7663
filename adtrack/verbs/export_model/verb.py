"""export-model: a registered model as a file that ONNX Runtime or OpenVINO runs, checked on Val before it is kept."""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from adtrack.data.imageset import ImageSet
from adtrack.data.loading import squeezed
from adtrack.detectors.scorer import DESCRIPTION, Scorer
from adtrack.edge.agreement import Agreement, compare_engines
from adtrack.edge.engines import Torch, open_engine
from adtrack.edge.onnx_file import write_onnx
from adtrack.edge.openvino_file import write_openvino
from adtrack.errors import UserError
from adtrack.features.backbone import choose_device
from adtrack.filenames import file_name
from adtrack.progress import say, track
from adtrack.scale.workers import cores
from adtrack.tracking.exports import log_export, mark_export
from adtrack.tracking.models import load_model
from adtrack.tracking.runs import tracked_run
from adtrack.tracking.scored_runs import ScoredRun, scored_run
from adtrack.tracking.store import open_store
from adtrack.tracking.tags import EXPORTED_FROM, NO_STUDY, ROLE, RunTags
from adtrack.tracking.workers import working
from adtrack.verbs.checks_of_exports import OPENVINO
from adtrack.verbs.export_model.files import place, write_check, write_companions
from adtrack.verbs.logged_images import val_images
from adtrack.verbs.score_again import check_threshold
from adtrack.tracking.scored_runs import set_scores


@dataclass(frozen=True)
class Export:
    """A model that was exported to the folder ``out``, how it agrees with the registered one, and where MLflow keeps
    it. ``uri`` and ``run_id`` are None if it does not agree, so that it was not kept; ``page`` is the run's, if the
    store has a server.

    ``lacking`` is how many of Val's images could not be scored, because their files have changed or gone.
    """

    model: str
    out: Path
    file: str
    megabytes: float
    agreement: Agreement
    lacking: int
    uri: str | None = None
    run_id: str | None = None
    page: str | None = None


def export_model(model: str, kind: str, out: Path, data: str | None) -> Export:
    """Write a model as ``kind``, score Val's images with the file and with the model, and keep it if they agree.

    ``data`` says where Val's images lie now, if they have moved. UserError: the model has no such form, or it cannot be
    checked.
    """
    open_store()
    scorer, resolved, run = _load(model)
    sets = val_images(run, data)
    for images, _ in sets:
        check_threshold(scorer, set_scores(run, images.name).sample.threshold, images.name)
    with tempfile.TemporaryDirectory(prefix="adtrack-export-") as scratch:
        folder = Path(scratch) / "export"
        file = _write(scorer, kind, folder / file_name(resolved.removeprefix("models:/").replace("/", "-")))
        agreement = check(scorer, file, sets)
        write_check(agreement, folder)
        made = Export(
            resolved,
            out,
            file.name,
            sum(part.stat().st_size for part in folder.glob(f"{file.stem}.*")) / 1e6,
            agreement,
            sum(len(images) - len(places) for images, places in sets),
        )
        if agreement.troubles:
            for part in folder.glob(f"{file.stem}.*"):
                part.unlink()
        else:
            made = _logged(made, kind, scorer, run, folder)
        place(folder, out)
    return made


def check(scorer: Scorer, file: Path, sets: Sequence[tuple[ImageSet, Sequence[int]]]) -> Agreement:
    """Score images, given by their places in image sets, with a file and with the model that it was made of."""
    engine, total = open_engine(file, cores()), sum(len(places) for _, places in sets)
    views = track(_views(scorer, sets), f"Scoring Val with torch and {engine.name}", total)
    found = compare_engines(Torch(scorer), engine, views)
    return Agreement(engine.name, scorer.calibration.threshold, scorer.calibration.colours, tuple(found))


def _views(
    scorer: Scorer, sets: Sequence[tuple[ImageSet, Sequence[int]]]
) -> Iterator[tuple[str, str, np.ndarray]]:
    for images, places in sets:
        read = replace(images, reading=scorer.reading)
        for at in places:
            yield images.name, images.records[at].path, squeezed(read.image(at), scorer.image)


def _load(model: str) -> tuple[Scorer, str, ScoredRun]:
    """The model's scorer, its address without aliases, and the run that has logged it."""
    if (Path(model) / DESCRIPTION).is_file():
        raise UserError(
            f"a model that is exported must be one that the tracking store knows, but {model} is a folder.",
            "its export is checked on the images that its run was measured on: adtrack build-bank --register.",
        )
    loaded = load_model(model, choose_device("cpu"))
    return loaded.scorer, loaded.resolved, scored_run(loaded.resolved)


def _write(scorer: Scorer, kind: str, stem: Path) -> Path:
    """Write the model's file, whose name without suffix is ``stem``."""
    say("Exporting the graph …")
    stem.parent.mkdir(parents=True, exist_ok=True)
    file = stem.with_name(f"{stem.name}.onnx")
    write_onnx(scorer, file)
    if kind != OPENVINO:
        return file
    converted = file.with_suffix(".xml")
    write_openvino(file, converted)
    file.unlink()
    return converted


def _logged(made: Export, kind: str, scorer: Scorer, run: ScoredRun, folder: Path) -> Export:
    """Log an export to a run of its own, and say so where the model is."""
    tags = RunTags(run.class_name, run.method, NO_STUDY, run.split_digest)
    name = f"export: {made.model.removeprefix('models:/')} as {kind}"
    extra = {ROLE: "export", EXPORTED_FROM: made.model}
    with working() as worker, tracked_run(worker, tags, name=name, extra=extra) as opened:
        uri = log_export(opened, made.model, kind, folder / made.file, made.agreement)
        write_companions(folder, made.file, scorer, made.agreement, made.model, uri)
        opened.log_folder(folder.parent, "…")
        mark_export(made.model, kind, uri)
    return replace(made, uri=uri, run_id=opened.run_id, page=opened.page)
