"""How long does an image take by torch, and by an exported model?

From a file to score and anomaly map: adtrack's own detector, the same model exported for ONNX Runtime and OpenVINO, and
the model with an 8-bit network for both. ResNet-18, layer2+layer3, patch 3, 256 px cropped to 224, a bank as large as
1 % of the patches of 200 images; on the images of the demo and with random weights, unless others are named. All of
them score the same image in turn, and the medians are compared. The time is the process's own CPU time, with one thread
each: what else the machine does matters little to it. With --clock wall it is the time that passes, with one thread and
with all cores.

\b
Command:  python -m experiments.benchmarks.edge [--data DIR] [--class NAME] [--weights FILE] [--images 60]
Cost:     two minutes on 2 CPU cores.
Result:   experiments/results/benchmarks.csv
"""

import tempfile
import time
from pathlib import Path

import click

from adtrack.config import DEMO, RANDOM
from adtrack.detectors.patchcore_spec import PatchCoreSpec
from adtrack.detectors.scorer import Scorer
from adtrack.edge.timing import PARTS, Times, time_in_turns
from adtrack.evaluation.building import build
from adtrack.evaluation.workbench import Workbench
from adtrack.scale.workers import cores
from adtrack.threshold_spec import VAL_CLEAN, ThresholdSpec
from adtrack.verbs.benchmark_model.asked import ENGINES, TORCH
from adtrack.verbs.benchmark_model.contenders import prepare
from experiments.benchmarks.common import open_bench, report

CLOCKS = {"cpu": time.process_time, "wall": time.perf_counter}
SHARE, IMAGES = 0.01, 200


def model_of(bench: Workbench) -> Scorer:
    """A bank as large as that share of the patches of so many images, with a threshold by the good images of Val."""
    bank = PatchCoreSpec(coreset_fraction=min(1.0, SHARE * IMAGES / len(bench.opened.images("train_clean"))))
    return build(bench, bank, (VAL_CLEAN,), threshold=ThresholdSpec(VAL_CLEAN, "good_quantile")).scorer


def measured(bench: Workbench, scorer: Scorer, clock: str, images: int) -> list[list[Times]]:
    """The times of all engines, with one thread each and, by the clock on the wall, also with all cores."""
    val = bench.opened.images(VAL_CLEAN)
    photos = [val.root / record.path for record in val.records]
    threads = dict.fromkeys((1, cores()) if clock == "wall" else (1,))
    with tempfile.TemporaryDirectory() as scratch:
        prepared = prepare(scorer, ENGINES, bench, Path(scratch))
        return [time_in_turns(scorer, photos, prepared.contenders(count), images, CLOCKS[clock]) for count in threads]


@click.command(help=__doc__)
@click.option("--data", default=DEMO, show_default=True, help="demo, or a folder in MVTec layout.")
@click.option("--class", "class_name", default="zipper", show_default=True)
@click.option("--weights", default=RANDOM, show_default=True, help="imagenet, random or a file.")
@click.option("--images", default=60, show_default=True, help="How many images each engine scores.")
@click.option("--clock", default="cpu", show_default=True, type=click.Choice(list(CLOCKS)))
def main(data: str, class_name: str, weights: str, images: int, clock: str) -> None:
    bench = open_bench(data, class_name, weights)
    scorer = model_of(bench)
    for times in measured(bench, scorer, clock, images):
        threads = f"{times[0].threads} thread{'s' if times[0].threads > 1 else ''}"
        spent = "CPU time" if clock == "cpu" else "time"
        work = f"{spent} from file to score, bank of {scorer.detector.rows} patches, {threads}"
        report("an image on the edge", work, {one.name: one.median / 1000 for one in times}, TORCH)
        for one in times:
            click.echo(f"  {one.name:34} " + ", ".join(f"{part} {one.part(part):.1f} ms" for part in PARTS))


if __name__ == "__main__":
    main()
