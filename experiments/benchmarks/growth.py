"""How does the time grow?

One size after the other is doubled, and what it drives is timed: by images (the backbone's pass over the class's Train
images, turned and mirrored until there are enough; the greedy order of 1 % of their patches, in 128 dimensions; the
search for one image's patches among them), by coreset fraction and by dimensions (order and search, for an eighth of
the images), and by the trials of a study (on the demo data, from an empty cache). seconds = a · size^b is fitted to
each by least squares in the logarithms; b is given with its standard error.

\b
What to expect of b:
  backbone, images         1: every image costs the same.
  greedy order, images     at most 2: the plain loop compares N patches with the 1 % of N that it chooses. Below that by
                           what bounds rule out: only the few patches that are farthest are brought up to date, and the
                           denser the patches lie, the smaller the share that any new centre can be nearest to.
  greedy order, fraction   below 1: the first centres change all bounds, the later ones those of their surroundings.
  greedy order, dimensions at most 1 for the products; what is done a pair whatever its length keeps it lower.
  search, images, fraction at most 1, as every query is compared with every row, and lower in small banks, where what is
                           done once a query, whatever the bank, counts.
  search, dimensions       as that of the order.
  study, trials            at most 1: the first trials pay for the passes and for orders that others go on with.

\b
Command:  python -m experiments.benchmarks.growth --data DIR [--class NAME] [--weights FILE]
Cost:     ten minutes on 2 CPU cores and 8 GB of memory; a minute: --images 32 --doublings 2 --trials 4
Result:   experiments/results/growth.csv, experiments/figures/growth.png
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import click
import optuna
from optuna.trial import TrialState
from torch import Tensor

from adtrack.data.imageset import ImageSet
from adtrack.detectors.bank import MemoryBank
from adtrack.detectors.coreset import greedy_order, projection_matrix
from adtrack.evaluation.intervals import Estimate
from adtrack.evaluation.workbench import Workbench
from adtrack.features.feature_set import FeatureSet
from adtrack.features.store import FeatureStore
from adtrack.reporting.picture import write_png
from experiments.benchmarks.common import append, data_options, merged, open_bench
from experiments.benchmarks.series import Series, Work, chart, doubled, measured, shown
from experiments.benchmarks.turned import Turned

EXPERIMENTS = Path(__file__).resolve().parents[1]
FRACTION, LARGEST_FRACTION, DIMENSIONS, SEED = 0.01, 0.16, 128, 42


def passed(bench: Workbench, images: ImageSet, count: int) -> FeatureSet:
    """The backbone's outputs for so many images, computed anew: their files stay readable while they are open."""
    with tempfile.TemporaryDirectory() as scratch:
        return FeatureStore(Path(scratch)).features(Turned(images, count), bench.backbone, bench.image)


def by_pass(bench: Workbench, images: Sequence[int]) -> tuple[list[Series], Tensor, Tensor]:
    """The pass for growing sets of images, the patches of the largest, and those of one more image."""
    train = bench.opened.images("train_clean")
    passes, features = measured("backbone", "images", images, lambda n: lambda: passed(bench, train, n))
    queries = passed(bench, bench.opened.images("val_clean"), 1)
    return [passes], merged(features[images[-1]], images[-1]), merged(queries, 1)


def whole(largest: int, doublings: int) -> tuple[int, ...]:
    """Whole numbers up to ``largest``, each about twice the one before."""
    return tuple(max(1, round(size)) for size in doubled(largest, doublings))


def ordering(points: Tensor, fraction: float) -> Work:
    """Finds the greedy order of a fraction of the points."""
    return lambda: greedy_order(points, round(fraction * len(points)), seed=SEED, projection=None)


def searching(rows: Tensor, queries: Tensor) -> Work:
    """Finds the queries' nearest rows, in a bank that has been asked before."""
    bank = MemoryBank(rows)
    bank.nearest(queries[:1])  # lays out its codes
    return lambda: bank.nearest(queries)


def projected(patches: Tensor, dimensions: int) -> Tensor:
    """Patches in so many random dimensions; as they are if they have no more."""
    matrix = projection_matrix(patches.shape[1], dimensions, SEED)
    return patches if matrix is None else patches @ matrix


def by_images(patches: Tensor, queries: Tensor, images: Sequence[int]) -> list[Series]:
    """Order and search for growing sets of images."""
    points = projected(patches, DIMENSIONS)
    ends = {count: count * len(queries) for count in images}
    orders, found = measured("greedy order", "images", images, lambda n: ordering(points[: ends[n]], FRACTION))
    searches, _ = measured("search", "images", images, lambda n: searching(patches[found[n]], queries))
    return [orders, searches]


def by_settings(patches: Tensor, queries: Tensor, doublings: int) -> list[Series]:
    """Order and search of the same patches for growing fractions and dimensions."""
    points, fractions = projected(patches, DIMENSIONS), doubled(LARGEST_FRACTION, doublings)
    orders, found = measured("greedy order", "fraction", fractions, lambda part: ordering(points, part))
    searches, _ = measured("search", "fraction", fractions, lambda part: searching(patches[found[part]], queries))
    bank, dimensions = patches[found[LARGEST_FRACTION]], whole(patches.shape[1], doublings)
    longer, _ = measured("greedy order", "dimensions", dimensions, lambda d: ordering(projected(patches, d), FRACTION))
    wider, _ = measured(
        "search", "dimensions", dimensions, lambda d: searching(projected(bank, d), projected(queries, d))
    )
    return [orders, searches, longer, wider]


def by_trials(weights: str, trials: Sequence[int]) -> Series:
    """Seconds until so many trials of one study on the demo data had finished, counted from the first one's start."""
    with tempfile.TemporaryDirectory() as scratch:
        storage = f"sqlite:///{scratch}/optuna.db"
        surroundings = {"ADTRACK_CACHE": f"{scratch}/cache", "MLFLOW_TRACKING_URI": f"sqlite:///{scratch}/mlflow.db"}
        view = ["--class", "zipper", "--backbone", "resnet18", "--weights", _absolute(weights), "--device", "cpu"]
        command = [sys.executable, "-m", "adtrack", "tune", *view, "--trials", str(trials[-1]), "--storage", storage]
        subprocess.run(command, cwd=scratch, env=os.environ | surroundings, check=True, stdout=subprocess.DEVNULL)
        [name] = optuna.get_all_study_names(storage)
        done = optuna.load_study(study_name=name, storage=storage).get_trials(states=[TrialState.COMPLETE])
    began = min(trial.datetime_start for trial in done)
    ended = sorted((trial.datetime_complete - began).total_seconds() for trial in done)
    times = [ended[count - 1] for count in trials]
    return shown(Series("study", "trials", tuple(trials), tuple(Estimate(took, took, took) for took in times)))


def _absolute(weights: str) -> str:
    return str(Path(weights).resolve()) if Path(weights).exists() else weights


@click.command(help=__doc__)
@data_options
@click.option("--images", default=2000, show_default=True, help="The largest set.")
@click.option("--doublings", default=4, show_default=True, help="How often every size is doubled.")
@click.option("--trials", default=32, show_default=True, help="Of the longest study; 0 = no study.")
@click.option("--out", default=EXPERIMENTS, type=click.Path(path_type=Path), help="Folder for results/ and figures/.")
def main(data: str, class_name: str, weights: str, images: int, doublings: int, trials: int, out: Path) -> None:
    bench, counts = open_bench(data, class_name, weights), whole(images, doublings)
    found, patches, queries = by_pass(bench, counts)
    found += by_images(patches, queries, counts)
    fewer = patches[: max(1, images // 8) * len(queries)]
    found += by_settings(fewer, queries, doublings)
    if trials:
        found.append(by_trials(weights, whole(trials, doublings)))
    append(out / "results" / "growth.csv", [row for series in found for row in series.rows])
    note = (
        f"{counts[0]} to {counts[-1]:,} images and {100 * FRACTION:g} % of their patches, in {DIMENSIONS} dimensions; "
        f"fractions up to {100 * LARGEST_FRACTION:g} % and dimensions up to {patches.shape[1]}, with {len(fewer):,} "
        "patches. The number is the slope, ± its standard error: at 1, twice the size takes twice the time."
    )
    click.echo(write_png(chart(found, note), out / "figures", "growth"))


if __name__ == "__main__":
    main()
