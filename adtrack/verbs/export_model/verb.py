"""export-model: a registered model as a file that ONNX Runtime or OpenVINO runs, checked on Val before it is kept."""

import re
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from adtrack.data.imageset import ImageSet
from adtrack.data.loading import squeezed
from adtrack.detectors.scorer import Scorer
from adtrack.edge.agreement import Agreement, compare_engines
from adtrack.edge.engines import Torch, open_engine
from adtrack.edge.formats import FORMATS, ONNX
from adtrack.edge.int8 import Int8Model, make_int8
from adtrack.edge.model_file import megabytes, write_model
from adtrack.progress import say, track
from adtrack.scale.workers import cores
from adtrack.tracking.exports import FOLDER, log_agreement, log_onnx, mark_export, model_words, show_page
from adtrack.tracking.run import Run
from adtrack.tracking.runs import tracked_run
from adtrack.tracking.scored_runs import ScoredRun, set_scores
from adtrack.tracking.store import open_store
from adtrack.tracking.tags import EXPORTED_FROM, NO_STUDY, ROLE, RunTags
from adtrack.tracking.workers import working
from adtrack.verbs.export_model.files import write_check, write_companions
from adtrack.verbs.export_model.folder import README, place
from adtrack.verbs.export_model.small import Saving, saving
from adtrack.verbs.logged_images import val_files, val_images
from adtrack.verbs.model_bench import bench_of_model, model_with_run
from adtrack.verbs.score_again import check_threshold


@dataclass(frozen=True)
class Export:
    """A model that was exported to the folder ``out``, how it agrees with the registered one, and where MLflow keeps
    it. ``uri`` and ``run_id`` are None if it does not agree, so that it was not kept; ``page`` is the run's, if the
    store has a server.

    ``lacking`` is how many of Val's images could not be scored, because their files have changed or gone. ``saving`` is
    what 8 bits save and cost, if the network has 8 bits. Then the agreement is with the model that was fitted anew.
    """

    model: str
    out: Path
    file: str
    megabytes: float
    agreement: Agreement
    lacking: int
    saving: Saving | None = None
    uri: str | None = None
    run_id: str | None = None
    page: str | None = None


def export_model(model: str, format_name: str, out: Path, data: str | None, int8: bool = False) -> Export:
    """Write a model in a format, score Val's images with the file and with the model, and keep it if they agree.

    ``data`` says where Val's images lie now, if they have moved. With ``int8`` the file is checked against the model
    with 8 bits that is fitted anew, for which Train's images are needed too. UserError: the model has no such form, or
    it cannot be checked.
    """
    open_store()
    scorer, resolved, run = model_with_run(model)
    sets = val_images(run, data)
    for images, _ in sets:
        check_threshold(scorer, set_scores(run, images.name).sample.threshold, images.name)
    with tempfile.TemporaryDirectory(prefix="adtrack-export-") as scratch:
        folder, work = Path(scratch) / "run" / FOLDER, Path(scratch) / "work"
        folder.mkdir(parents=True)
        work.mkdir()
        small = _small(scorer, run, format_name, data, work) if int8 else None
        say("Exporting the graph …")
        file = write_model(small or scorer, format_name, folder / _stem(resolved))
        exported = small.scorer if small else scorer
        agreement = check(exported, file, sets)
        parts = [file.with_suffix(suffix) for suffix in FORMATS[format_name].suffixes]
        write_check(agreement, folder, [part.name for part in parts])
        lacking = sum(len(images) - len(places) for images, places in sets)
        saved = saving(scorer, small, file, val_files(sets[0]), work) if small else None
        made = Export(resolved, out, file.name, megabytes(file), agreement, lacking, saved)
        if agreement.troubles:
            for part in parts:
                part.unlink()
        else:
            made = _logged(made, format_name, exported, run, folder)
        place(folder, out)
    return made


def check(scorer: Scorer, file: Path, sets: Sequence[tuple[ImageSet, Sequence[int]]]) -> Agreement:
    """Score images, given by their places in image sets, with a file and with the model that it was made of."""
    engine, total = open_engine(file, cores()), sum(len(places) for _, places in sets)
    views = track(_views(scorer, sets), f"Scoring Val with torch and {engine.name}", total)
    found = compare_engines(Torch(scorer), engine, views)
    return Agreement(engine.name, scorer.calibration.threshold, scorer.calibration.colours, tuple(found))


def _views(scorer: Scorer, sets: Sequence[tuple[ImageSet, Sequence[int]]]) -> Iterator[tuple[str, str, np.ndarray]]:
    for images, places in sets:
        read = replace(images, reading=scorer.reading)
        for at in places:
            yield images.name, images.records[at].path, squeezed(read.image(at), scorer.image)


def _stem(resolved: str) -> str:
    """The name of a model's files: that of its address, in letters that need no quotes anywhere."""
    return re.sub(r"[^A-Za-z0-9]+", "-", resolved.partition(":")[2]).strip("-") or "model"


def _small(scorer: Scorer, run: ScoredRun, format_name: str, data: str | None, folder: Path) -> Int8Model:
    """The model with an 8-bit network, fitted anew to the images that the model was built on."""
    say("Fitting the detector anew behind a network with 8 bits …")
    return make_int8(bench_of_model(scorer, run, data), scorer, FORMATS[format_name].suffixes[0], folder)


def _logged(made: Export, format_name: str, scorer: Scorer, source: ScoredRun, folder: Path) -> Export:
    """Log an export to a run of its own, and tell by a tag of the model where it is."""
    tags = RunTags(source.class_name, source.method, NO_STUDY, source.split_digest)
    kind = format_name if made.saving is None else f"{format_name}-int8"
    name, extra = f"export: {model_words(made.model)} as {kind}", {ROLE: "export", EXPORTED_FROM: made.model}
    with working() as worker, tracked_run(worker, tags, name=name, extra=extra) as run:
        run.log_params({"exported_from": made.model, "source_run": source.run_id, "format": kind})
        uri = _kept(run, format_name, scorer, made.model, folder / made.file)
        log_agreement(run, made.agreement)
        if made.saving:
            made.saving.log(run)
        told = {"model": made.model, "format": format_name, "uri": uri}
        write_companions(folder, folder / made.file, scorer, made.agreement, told, made.saving)
        run.log_folder(folder.parent)
        show_page(run, uri, (folder / README).read_text(encoding="utf-8"))
        mark_export(made.model, kind, uri)
    return replace(made, uri=uri, run_id=run.run_id, page=run.page)


def _kept(run: Run, format_name: str, scorer: Scorer, model: str, file: Path) -> str:
    """The URI at which MLflow keeps an export: a model, if it has such models, or else a folder of the run."""
    if format_name == ONNX:
        return log_onnx(run, file, scorer.image.size, maps=scorer.detector.has_maps, model=model)
    return f"runs:/{run.run_id}/{FOLDER}"
