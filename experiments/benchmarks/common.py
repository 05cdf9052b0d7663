"""Functions that the benchmarks share: they get real patch features, time works in turn, and append to a CSV log."""

import csv
import multiprocessing
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import click
import torch
from torch import Tensor

from adtrack.config import BackboneSpec, DataSpec, ImageSpec
from adtrack.detectors.exact.codes import fast_bytes
from adtrack.detectors.patchcore_spec import PatchCoreSpec
from adtrack.errors import UserError
from adtrack.evaluation.workbench import Workbench
from adtrack.features.feature_set import FeatureSet
from adtrack.features.patches import merge_layers
from experiments.benchmarks.log import RESULTS

LOG = RESULTS / "benchmarks.csv"
_VIEW = ImageSpec()
_PACKAGES = ("torch", "numpy", "scikit-learn", "anomalib", "faiss-cpu", "onnxruntime", "openvino", "nncf")


def data_options(function: Callable, required: bool = True) -> Callable:
    """Add the options that choose the data, the class and the network's weights."""
    for option in (
        click.option("--weights", default="imagenet", show_default=True, help="imagenet, random or a file."),
        click.option("--class", "class_name", default="magnetic_tile", show_default=True),
        click.option("--data", required=required, help="Folder in MVTec layout."),
    ):
        function = option(function)
    return function


def open_bench(
    data: str,
    class_name: str,
    weights: str,
    image: ImageSpec = _VIEW,
    layers: tuple[str, ...] = PatchCoreSpec().layers,
    backbone: str = "resnet18",
) -> Workbench:
    """A bench with this class and this network, on the CPU."""
    return Workbench.open(DataSpec(class_name, data), image, BackboneSpec(backbone, weights), layers, "cpu")


def merged(features: FeatureSet, images: int, layers: Sequence[str] = PatchCoreSpec().layers) -> Tensor:
    """Patch features float32 (images · h · w, D) of the first images of a set that has been through the network."""
    return torch.cat(list(one_by_one(features, images, layers)))


def one_by_one(features: FeatureSet, images: int, layers: Sequence[str]) -> Iterator[Tensor]:
    """Patch features (h · w, D) of each of the first images of a set that has been through the network."""
    chunks = (features.chunk(at, at + 1, layers) for at in range(min(images, len(features))))
    return (merge_layers(chunk, layers, features.grids, 3).flatten(0, 2) for chunk in chunks)


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


def peak_memory(prepare: Callable[..., Callable[[], object]], *arguments: object) -> int:
    """Bytes by which the memory of a process grows at its peak while it does ``prepare(*arguments)()``.

    A new process, as memory that has once been used may stay with a process. Linux only.
    """
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_peak_memory, prepare, arguments).result()


def _peak_memory(prepare: Callable[..., Callable[[], object]], arguments: tuple) -> int:
    work = prepare(*arguments)
    Path("/proc/self/clear_refs").write_text("5")  # the peak so far is forgotten
    before = _status_bytes("VmRSS")
    work()
    return _status_bytes("VmHWM") - before


def _status_bytes(name: str) -> int:
    text = Path("/proc/self/status").read_text(encoding="utf-8")
    return 1024 * int(text.split(f"{name}:")[1].split()[0])


def values(text: str, kind: Callable[[str], Any], name: str) -> tuple[Any, ...]:
    """The values of an option that lists them."""
    try:
        return tuple(kind(part.strip()) for part in text.split(","))
    except ValueError as error:
        raise UserError(f"{name} must be values joined by commas, but got {text!r}.") from error


def report(benchmark: str, work: str, times: Mapping[str, float], ours: str) -> None:
    """Print seconds and ratios, and append them to the log with date, hardware and versions."""
    click.echo(f"{benchmark}: {work}")
    for name, taken in times.items():
        click.echo(f"  {name:34} {taken:9.4f} s   {taken / times[ours]:7.2f} ×")
    what = {"benchmark": benchmark, "work": work}
    rows = [{"what": name, "seconds": f"{t:.6g}", "times ours": f"{t / times[ours]:.4g}"} for name, t in times.items()]
    append(LOG, [what | row for row in rows])


def append(log: Path, rows: Sequence[Mapping[str, str]]) -> None:
    """Add rows of the same columns to a log, with date, hardware and versions."""
    made = {"date": date.today().isoformat(), "machine": _machine(), "versions": _versions()}
    log.parent.mkdir(parents=True, exist_ok=True)
    new = not log.exists()
    with log.open("a", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, [*rows[0], *made], lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerows(row | made for row in rows)


def _machine() -> str:
    """``x86_64 AVX512 with fast bytes, 2 cores, 2 threads``."""
    kind = f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}"
    kind += f" {'with' if fast_bytes() else 'without'} fast bytes"
    return f"{kind}, {os.cpu_count()} cores, {torch.get_num_threads()} threads"


def _versions() -> str:
    found = []
    for package in _PACKAGES:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    return ", ".join(found)
