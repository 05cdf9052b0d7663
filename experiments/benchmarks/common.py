"""What the benchmarks share: real patch features, ratios side by side in one process, and a CSV that remembers."""

import csv
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import click
import torch
from torch import Tensor

from adtrack.config import BackboneSpec, BankSpec, DataSpec, ImageSpec
from adtrack.evaluation.workbench import Workbench
from adtrack.features.patches import merge_layers

LOG = Path(__file__).resolve().parents[1] / "results" / "benchmarks.csv"
_PACKAGES = ("torch", "anomalib", "faiss-cpu")


def data_options(function: Callable) -> Callable:
    """Which class the features come from."""
    for option in (
        click.option("--weights", default="imagenet", show_default=True, help="imagenet, random or a file."),
        click.option("--class", "class_name", default="magnetic_tile", show_default=True),
        click.option("--data", required=True, help="Folder in MVTec layout."),
    ):
        function = option(function)
    return function


def patch_features(data: str, class_name: str, weights: str, images: int, name: str = "train_clean") -> Tensor:
    """Patch features float32 (images · 784, 384) of the first images of a set: ResNet-18, layer2+layer3, 224 px."""
    spec = BankSpec()
    backbone = BackboneSpec("resnet18", weights)
    bench = Workbench.open(DataSpec(class_name, data), ImageSpec(), backbone, spec.layers, "cpu")
    features = bench.features(name)
    chunks = (features.chunk(at, at + 1, spec.layers) for at in range(min(images, len(features))))
    return torch.cat([merge_layers(chunk, spec.layers, features.grids, 3).flatten(0, 2) for chunk in chunks])


def seconds(work: Callable[[], object]) -> float:
    """How long ``work`` takes once."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def in_turns(works: Mapping[str, Callable[[], object]], turns: int) -> dict[str, float]:
    """Median seconds of each work, all in turn: what slows the machine down for a while slows all of them."""
    for work in works.values():
        work()
    times = [{name: seconds(work) for name, work in works.items()} for _ in range(turns)]
    return {name: statistics.median(turn[name] for turn in times) for name in works}


def report(benchmark: str, work: str, times: Mapping[str, float], ours: str) -> None:
    """Print seconds and ratios, and append them to the log with date, hardware and versions."""
    click.echo(f"{benchmark}: {work}")
    rows = []
    for name, taken in times.items():
        click.echo(f"  {name:34} {taken:9.4f} s   {taken / times[ours]:7.2f} ×")
        rows.append([benchmark, work, name, f"{taken:.6g}", f"{taken / times[ours]:.4g}"])
    LOG.parent.mkdir(exist_ok=True)
    new = not LOG.exists()
    with LOG.open("a", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        if new:
            writer.writerow(["benchmark", "work", "what", "seconds", "times ours", "date", "machine", "versions"])
        machine = f"{platform.machine()}, {os.cpu_count()} cores, {torch.get_num_threads()} threads"
        for row in rows:
            writer.writerow([*row, date.today().isoformat(), machine, _versions()])


def _versions() -> str:
    found = []
    for package in _PACKAGES:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    return ", ".join(found)
