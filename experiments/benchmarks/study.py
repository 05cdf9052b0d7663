"""How much longer does a study take than one bank?

The command tune with 30 trials of the default space, against build-bank and evaluate on the bank that they leave; each
in a process, a tracking store and a cache of its own, with all that they log and draw. Beside the seconds: how often
each image set went through the backbone (once for each view is all that is needed) and how long that took, unless
--workers share the trials. Which cells these try depends on which of them is first.

\b
Command:  python -m experiments.benchmarks.study --data DIR [--class NAME] [--weights FILE] [--share P]
          [--trials 30] [--space "layers=layer2+layer3;patch_size=1,3;coreset_fraction=0.01,0.1"] [--workers 4]
Cost:     half an hour on 2 CPU cores for 600 Train images, with --share 0.3 a third of it. The result names share and
          space. With fewer images both commands take less, the study's greedy orders most.
Result:   experiments/results/benchmarks.csv
"""

import multiprocessing
import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import click
from torch import Tensor

from adtrack.config import BackboneSpec, BuildSpec, DataSpec
from adtrack.data.demo import data_root
from adtrack.data.imageset import ImageSet
from adtrack.detectors.patchcore_spec import PatchCoreSpec
from adtrack.features import store
from adtrack.scale.workers import Workers
from adtrack.settings import parse_pairs
from adtrack.tuning.space import Space
from adtrack.tuning.spec import StudySpec
from experiments.benchmarks.common import data_options, report
from experiments.benchmarks.end_to_end import share_of


@dataclass(frozen=True)
class Cost:
    """The cost of a command: all of its seconds, the passes over each image set, and the seconds of the passes."""

    seconds: float
    passes: Counter[str]
    passes_s: float

    @property
    def words(self) -> str:
        """The passes in words."""
        most = max(self.passes.values(), default=0)
        return f"{len(self.passes)} image sets through the backbone at most {most} ×, {self.passes_s:.1f} s"


class CountedPasses:
    """Stands in for the feature store's ``network_pass`` and counts what goes through it."""

    def __init__(self, network_pass: Callable[..., Iterator[Mapping[str, Tensor]]]) -> None:
        self._pass = network_pass
        self.passes: Counter[str] = Counter()
        self.seconds = 0.0

    def __call__(self, images: ImageSet, *arguments: object) -> Iterator[Mapping[str, Tensor]]:
        self.passes[images.name] += 1
        outputs = self._pass(images, *arguments)
        while True:
            started = time.perf_counter()
            found = next(outputs, None)
            self.seconds += time.perf_counter() - started
            if found is None:
                return
            yield found


def build_and_evaluate(spec: BuildSpec) -> None:
    """The commands build-bank and evaluate."""
    from adtrack.verbs.build import build_model, evaluate_model

    built = build_model(spec, "cpu", False, click.echo)
    evaluate_model(spec, "cpu", built.model, click.echo)


def tune_study(spec: BuildSpec, study: StudySpec, workers: Workers) -> None:
    """The command tune."""
    from adtrack.verbs.tune.verb import tune

    tune(spec, study, None, None, "cpu", click.echo, click.echo, workers)


def from_nothing(command: Callable[..., None], *arguments: object) -> Cost:
    """The cost of a command in a new process, where nothing has been computed before."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_from_nothing, command, arguments).result()


def _from_nothing(command: Callable[..., None], arguments: tuple) -> Cost:
    import adtrack.verbs.build
    import adtrack.verbs.tune.verb  # noqa: F401 - loaded before the clock starts

    counted = store.network_pass = CountedPasses(store.network_pass)
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        os.environ |= {"ADTRACK_CACHE": f"{folder}/cache", "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db"}
        started = time.perf_counter()
        command(*arguments)
        taken = time.perf_counter() - started
        os.chdir("/")
    return Cost(taken, counted.passes, counted.seconds)


def costs(data: Path, class_name: str, weights: str, asked: StudySpec, workers: Workers) -> tuple[Cost, Cost]:
    """What one bank costs that is built and evaluated, and what a study does."""
    weights = str(Path(weights).resolve()) if Path(weights).exists() else weights
    place = DataSpec(class_name, str(data.resolve()))
    spec = BuildSpec(place, PatchCoreSpec(), backbone=BackboneSpec("resnet18", weights))
    return from_nothing(build_and_evaluate, spec), from_nothing(tune_study, spec, asked, workers)


@click.command(help=__doc__)
@click.option("--trials", default=30, show_default=True)
@click.option("--space", default="", help="Values to try, as tune has them; those left out are tune's own.")
@click.option("--share", type=click.FloatRange(0, 1, min_open=True), default=1.0, help="Of the images, to try it.")
@click.option("--workers", default="1", show_default=True, help="How many processes share the trials.")
@data_options
def main(data: str, class_name: str, weights: str, trials: int, space: str, share: float, workers: str) -> None:
    team = Workers.parse(workers)
    tried = Space.of(PatchCoreSpec, parse_pairs(space, "space", ";", "patch_size=1,3;layers=layer2"))
    with tempfile.TemporaryDirectory() as scratch:
        share_of(data_root(data, class_name), class_name, Path(scratch), share)
        one, study = costs(Path(scratch), class_name, weights, StudySpec(tried, trials), team)
    where = f"space {space}" if space else "the default space"
    told = study.words if team.alone else f"{workers} workers"
    names = {f"build-bank + evaluate; {one.words}": one.seconds, f"tune; {told}": study.seconds}
    of_it = "" if share == 1 else f"{share:g} of "
    work = f"{of_it}{class_name}, {trials} trials of {where}, {len(tried.cells())} cells"
    report("study", work, names, next(iter(names)))


if __name__ == "__main__":
    main()
