"""What do verbs take for photos of a megapixel?

Some of a class's images, 200 for Train and about 100 for Test, are enlarged to 1024 × 1024 pixels in colour. build-bank
and evaluate (ResNet-18, layer2+layer3, 256 px, a coreset of 10 %) run as processes of their own, with an empty cache
and once more. score then makes pictures of the Test photos, beside a process that only decodes them and sends them
through the network. CPU seconds are those of all cores, also where other programs keep the machine busy.

\b
Command:  python -m experiments.benchmarks.megapixels --data DIR [--class NAME] [--weights FILE] [--share P]
Cost:     ten minutes on 2 CPU cores.
Result:   printed
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import torch
from PIL import Image

from adtrack.config import BackboneSpec, ImageSpec
from adtrack.data.demo import data_root
from adtrack.data.files import images_below
from adtrack.data.loading import decode, view
from adtrack.features.backbone import Backbone
from adtrack.features.threads import side_by_side
from adtrack.features.weights import load_trunk
from experiments.benchmarks.common import data_options
from experiments.benchmarks.end_to_end import cut_down

SIDE, LAYERS = 1024, ("layer2", "layer3")
_VIEW = ImageSpec(256, 0)
_PASS = "from experiments.benchmarks.megapixels import decode_and_pass; import sys; decode_and_pass(*sys.argv[1:])"


@dataclass(frozen=True)
class Cost:
    """What a process took: seconds by the clock, seconds of all its threads, and its largest memory in MB."""

    seconds: float
    cpu_seconds: float
    peak_mb: float


def enlarge(folder: Path, side: int) -> None:
    """Make every image and mask below ``folder`` a PNG of side × side pixels: images in colour, masks as they are."""
    for file in images_below(folder):
        with Image.open(file) as image:
            is_mask = "ground_truth" in file.relative_to(folder).parts
            way = Image.Resampling.NEAREST if is_mask else Image.Resampling.BICUBIC
            large = (image if is_mask else image.convert("RGB")).resize((side, side), way)
        file.unlink()
        large.save(file.with_suffix(".png"), compress_level=1)


def cost_of(arguments: Sequence[str], place: Path) -> Cost:
    """What a Python process takes that runs in ``place`` with an own cache there. It must succeed."""
    variables = {**os.environ, "ADTRACK_CACHE": str(place / "cache"), "PYTHONPATH": os.pathsep.join(sys.path)}
    with (place / "printed.txt").open("w+", encoding="utf-8") as printed:
        started = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, *arguments], cwd=place, env=variables, stdout=printed, stderr=subprocess.STDOUT
        )
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            printed.seek(0)
            raise click.ClickException(f"{' '.join(arguments)} failed:\n{printed.read()}")
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, kilobytes on Linux
    return Cost(seconds, used.ru_utime + used.ru_stime, used.ru_maxrss * unit / 1e6)


def decode_and_pass(photos: str, weights: str) -> None:
    """Decode the photos below a folder and send each through the network: the least that scoring them takes."""
    trunk = load_trunk(BackboneSpec("resnet18", weights), LAYERS, photos)
    backbone = Backbone(trunk, LAYERS, torch.device("cpu"))
    for _ in side_by_side(lambda file: backbone(view(decode(file), _VIEW)[None]), images_below(Path(photos))):
        pass


def costs(data: Path, class_name: str, weights: str, place: Path) -> dict[str, Cost]:
    """The costs of all verbs on the class in ``data``, in the order in which they run."""
    asked = ("--class", class_name, "--data", str(data), "--backbone", "resnet18", "--weights", weights)
    asked += ("--layers", "+".join(LAYERS), "--resize", str(_VIEW.resize), "--crop", "0", "--coreset-fraction", "0.1")
    model = ("--model", f"models:/adtrack-{class_name}/1")
    photos = str(data / class_name / "test")
    works = {
        "build-bank, empty cache": ("-m", "adtrack", "build-bank", *asked, "--register"),
        "evaluate, after it": ("-m", "adtrack", "evaluate", "--class", class_name, "--data", str(data), *model),
        "build-bank once more": ("-m", "adtrack", "build-bank", *asked),
        "evaluate once more": ("-m", "adtrack", "evaluate", "--class", class_name, "--data", str(data), *model),
        "score with pictures": ("-m", "adtrack", "score", photos, *model, "--out", str(place / "scored")),
        "decoding and pass alone": ("-c", _PASS, photos, weights),
    }
    found = {}
    for name, arguments in works.items():
        found[name] = cost_of(arguments, place)
        click.echo(shown(name, found[name]))
    return found


def shown(name: str, cost: Cost) -> str:
    """A line of text."""
    return f"{name:26} {cost.seconds:7.1f} s {cost.cpu_seconds:7.1f} CPU s {cost.peak_mb:7.0f} MB"


@click.command(help=__doc__)
@click.option("--share", type=click.FloatRange(0, 1, min_open=True), default=1.0, help="Of the images, to try it.")
@click.option("--side", type=click.IntRange(32), default=SIDE, show_default=True, help="Of a photo, in pixels.")
@data_options
def main(data: str, class_name: str, weights: str, share: float, side: int) -> None:
    known = str(Path(weights).absolute()) if Path(weights).is_file() else weights
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        cut_down(data_root(data, class_name), class_name, place / "data", share)
        enlarge(place / "data", side)
        found = costs(place / "data", class_name, known, place)
    score, least = found["score with pictures"], found["decoding and pass alone"]
    by_clock, by_cpu = score.seconds / least.seconds, score.cpu_seconds / least.cpu_seconds
    click.echo(f"score takes {by_clock:.2f} times the least by the clock, {by_cpu:.2f} times in CPU seconds")


if __name__ == "__main__":
    main()
