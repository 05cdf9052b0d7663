"""What does it cost to share photos out among processes, or among those of a Ray cluster?

The command score on generated photos with a small model: by one process, which computes several photos at once with
threads, by several processes, and by a Ray cluster that each command starts on this machine. A few photos and many are
scored, so that the time of a further photo and the time to begin are told apart. The tables must be equal. Then items
that are no work, whose results are as large as a photo's pictures: what it costs to hand one out. Run it with
OMP_NUM_THREADS unset.

\b
Command:  python -m experiments.benchmarks.sharing [--photos 200] [--processes 2]
Cost:     five minutes on 2 idle cores.
Result:   experiments/results/benchmarks.csv
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import click
import numpy as np
from PIL import Image

from adtrack.scale.cluster import connected
from adtrack.scale.streaming import stream
from adtrack.scale.workers import Workers
from experiments.benchmarks.common import report, seconds

FEW = 20
_BYTES = 100_000  # about the pictures of a photo of 224 × 224 pixels
_MODEL = "models:/adtrack-zipper/1"


def nothing(threads: int) -> Callable[[Iterable[int]], Iterator[bytes]]:
    """Work that takes no time, with results that must be carried."""
    return lambda items: (bytes(_BYTES) for _ in items)


def handing_out(workers: Workers, items: int) -> float:
    """Seconds that an item takes which is no work, once all processes have begun."""
    results = stream(nothing, range(3 * items), workers, lambda item: b"")
    for _ in range(items):
        next(results)
    taken = seconds(lambda: [next(results) for _ in range(items)])
    results.close()
    return taken / items


def write_photos(folder: Path, count: int, side: int = 256) -> Path:
    """Noisy photos, each of its own."""
    folder.mkdir()
    for number in range(count):
        pixels = np.random.default_rng(number).integers(90, 160, (side, side, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{number:05}.png")
    return folder


def score(place: Path, photos: Path, workers: Workers) -> tuple[float, bytes]:
    """Seconds of the command in ``place``, whose store holds the model, and its table."""
    out = Path(tempfile.mkdtemp(dir=place))
    command = ("score", str(photos), "--model", _MODEL, "--out", str(out), "--workers", workers.text)
    return seconds(lambda: run(place, *command)), (out / "scores.csv").read_bytes()


def run(place: Path, *command: str) -> None:
    """A verb in ``place``."""
    variables = {name: text for name, text in os.environ.items() if name not in ("RAY_ADDRESS", "MLFLOW_TRACKING_URI")}
    variables["PYTHONPATH"] = os.pathsep.join(sys.path)
    subprocess.run([sys.executable, "-m", "adtrack", *command], cwd=place, env=variables, check=True)


def costs(ways: dict[str, Workers], photos: int, place: Path) -> tuple[dict[str, float], dict[str, float]]:
    """Seconds of a further photo, and seconds to begin, of each way."""
    run(place, "build-bank", "--class", "zipper", "--backbone", "resnet18", "--weights", "random", "--register")
    few, many = write_photos(place / "few", FEW), write_photos(place / "many", FEW + photos)
    each, begin, tables = {}, {}, set()
    for name, workers in ways.items():
        short, (long, table) = score(place, few, workers)[0], score(place, many, workers)
        tables.add(table)
        each[name] = (long - short) / photos
        begin[name] = short - FEW * each[name]
    assert len(tables) == 1, "the tables differ"
    return each, begin


@click.command(help=__doc__)
@click.option("--photos", default=200, show_default=True)
@click.option("--processes", default=2, show_default=True)
def main(photos: int, processes: int) -> None:
    ways = {"one process": Workers(), f"{processes} processes": Workers(processes), "ray": Workers(ray=True)}
    with tempfile.TemporaryDirectory() as scratch:
        each, begin = costs(ways, photos, Path(scratch))
    report("sharing", f"a further photo of 256², resnet18, {photos} photos", each, "one process")
    report("sharing", "score begins and ends", begin, "one process")
    items = {f"{processes} processes": handing_out(Workers(processes), 1000)}
    with connected():
        items["ray"] = handing_out(Workers(ray=True), 1000)
    report("sharing", f"an item that is no work, with {_BYTES} bytes", items, f"{processes} processes")


if __name__ == "__main__":
    main()
