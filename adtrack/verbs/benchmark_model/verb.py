"""benchmark-model: how long a model takes for an image, and how much memory, by torch and by exported files."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from adtrack.data.loading import squeezed
from adtrack.edge.int8 import SetLoss
from adtrack.edge.timing import PARTS, Times, time_in_turns
from adtrack.naming import visible
from adtrack.progress import say
from adtrack.reporting.tables import csv_text
from adtrack.scale.workers import cores
from adtrack.tracking.run import Run
from adtrack.tracking.runs import tracked_run
from adtrack.tracking.store import open_store
from adtrack.tracking.tags import MODEL, NO_STUDY, ROLE, RunTags
from adtrack.tracking.workers import working
from adtrack.verbs.benchmark_model.asked import INT8
from adtrack.verbs.benchmark_model.contenders import Prepared, prepare
from adtrack.verbs.image_files import find_photos
from adtrack.verbs.logged_images import val_files, val_images
from adtrack.verbs.model_bench import bench_of_model, model_with_run

FILE = "benchmark.csv"
_VIEWS = 10  # that a process scores while its memory is measured


@dataclass(frozen=True)
class EngineCost:
    """What an engine takes: its times with one thread and with all ``cores`` of the machine, the peak memory of a
    process that scores with it on one thread, and the size of its files, both in MB (10⁶ bytes). ``losses`` are those
    of 8 bits."""

    times: tuple[Times, ...]
    peak_mb: float
    size_mb: float
    losses: tuple[SetLoss, ...] = ()

    @property
    def name(self) -> str:
        """The engine's name."""
        return self.times[0].name


@dataclass(frozen=True)
class Benchmark:
    """A model on several engines, timed on so many ``images`` from so many files (``photos``)."""

    model: str
    images: int
    photos: int
    engines: tuple[EngineCost, ...]
    run_id: str
    page: str | None


def benchmark_model(
    model: str, engines: Sequence[str], images: int, photos: Sequence[Path], data: str | None
) -> Benchmark:
    """Score ``images`` photos with each of the engines in turn, from file to score, and log what it takes.

    Without ``photos`` they are the model's Val images. ``data`` says where its images lie now, if they have moved.
    UserError: the model has no such form, or its images are needed and are not there.
    """
    chosen = list(find_photos(photos)) if photos else []
    open_store()
    scorer, resolved, source = model_with_run(model)
    bench = bench_of_model(scorer, source, data) if any(name.endswith(INT8) for name in engines) else None
    paths = chosen or val_files(val_images(source, data)[0])
    with tempfile.TemporaryDirectory(prefix="adtrack-benchmark-") as scratch:
        say("Writing the engines' files …")
        prepared = prepare(scorer, engines, bench, Path(scratch))
        costs = measure(prepared, paths, images)
    tags = RunTags(source.class_name, source.method, NO_STUDY, source.split_digest)
    name = f"benchmark: {resolved.removeprefix('models:/')}"
    with working() as worker, tracked_run(worker, tags, name=name, extra={ROLE: "benchmark", MODEL: resolved}) as run:
        log_costs(run, costs, images)
    return Benchmark(resolved, images, min(images, len(paths)), costs, run.run_id, run.page)


def measure(prepared: Prepared, photos: Sequence[Path], images: int) -> tuple[EngineCost, ...]:
    """Time and weigh all engines, once with one thread each and once with all cores."""
    scorer = prepared.scorer
    timed = [
        time_in_turns(scorer, photos, prepared.contenders(threads), images) for threads in dict.fromkeys((1, cores()))
    ]
    views = np.stack([squeezed(scorer.read(photo, visible(str(photo))), scorer.image) for photo in photos[:_VIEWS]])
    return tuple(
        EngineCost(times, prepared.memory(name, views), prepared.megabytes(name), prepared.losses.get(name, ()))
        for name, times in zip(prepared.files, zip(*timed, strict=True), strict=True)
    )


def log_costs(run: Run, costs: Sequence[EngineCost], images: int) -> None:
    """Log what engines take: a table, and metrics such as ``onnx/median_ms`` and, with all cores,
    ``onnx/all_cores/median_ms``."""
    run.log_params({"engines": ",".join(cost.name for cost in costs), "images": str(images), "cores": str(cores())})
    metrics: dict[str, float] = {}
    for cost in costs:
        for times in cost.times:
            where = cost.name if times.threads == 1 else f"{cost.name}/all_cores"
            metrics |= {f"{where}/{key}": value for key, value in _milliseconds(times).items()}
        metrics |= {f"{cost.name}/peak_mb": cost.peak_mb, f"{cost.name}/size_mb": cost.size_mb}
        for loss in cost.losses:
            metrics[f"{cost.name}/{loss.name}/{loss.contrast.metric}_difference"] = loss.contrast.difference.value
            metrics[f"{cost.name}/{loss.name}/labels_changed"] = loss.changed
    run.log_metrics(metrics)
    run.log_text(csv_text(_frame(costs)), FILE)


def _frame(costs: Sequence[EngineCost]) -> pd.DataFrame:
    rows = [
        {
            "engine": cost.name,
            "threads": times.threads,
            **_milliseconds(times),
            "peak_mb": cost.peak_mb,
            "size_mb": cost.size_mb,
        }
        for cost in costs
        for times in cost.times
    ]
    return pd.DataFrame(rows)


def _milliseconds(times: Times) -> dict[str, float]:
    return {"median_ms": times.median, "p95_ms": times.p95, **{f"{part}_ms": times.part(part) for part in PARTS}}
