"""What does pruning cost in quality, and what does it spare?

Every cell of a study's space is built and scored once. Then studies with these exact values are run in memory, ten
seeds with each pruner: the sampler, the pruner and the ladder are those of tune. Reported are how far the winner's
objective lies below that of the study of the same seed that prunes nothing, and the share of the patches that trials
have added to their banks.

\b
Command:  python -m experiments.benchmarks.pruning --data DIR|demo [--class NAME] [--weights FILE]
          [--space "layers=layer2,layer3;patch_size=1,3"] [--trials 20] [--seeds 10]
Cost:     that of the space's largest banks: a minute on a class of the demo, more on large classes.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import click
import numpy as np
import optuna
from optuna.trial import TrialState

from adtrack.data.imageset import VAL_SETS
from adtrack.detectors.patchcore_spec import PatchCoreSpec
from adtrack.evaluation.building import climb
from adtrack.evaluation.measuring import score_set
from adtrack.evaluation.workbench import Workbench
from adtrack.settings import parse_pairs
from adtrack.threshold_spec import ThresholdSpec
from adtrack.tuning.ladder import image_values, paired, rungs
from adtrack.tuning.pruning import PRUNERS, Rung, make_pruner, prunes
from adtrack.tuning.sampling import WithoutRepeats
from adtrack.tuning.space import Space
from adtrack.tuning.spec import Objective
from experiments.benchmarks.common import data_options, open_bench

GOAL = Objective()
Ways = Mapping[PatchCoreSpec, Rung]  # what every detector of the space is worth


@dataclass(frozen=True)
class Outcome:
    """The best objective of a study, the share of its trials that were pruned, and the patches that its trials have
    added to banks, each arm once."""

    best: float
    pruned: float
    rows: int


def all_rungs(bench: Workbench, space: Space) -> Ways:
    """The value of every detector of the space, and of all on the way to it."""
    found: dict[PatchCoreSpec, Rung] = {}
    top = max(space.ladder)
    for cell in space.cells():
        spec = space.spec(cell, PatchCoreSpec())
        if spec.coreset_fraction != top:
            continue
        ladder = rungs(spec, space.ladder)
        for place, (one, fitted) in enumerate(zip(ladder, climb(bench, ladder), strict=True), start=1):
            scored = {name: score_set(bench, fitted.detector, name, patches=False) for name in VAL_SETS}
            (value,) = image_values(scored, GOAL, ThresholdSpec().resolved(has_anomalies=True))
            found[one] = Rung(place, fitted.detector.rows, value, paired(scored, GOAL))
    return found


def study(space: Space, ways: Ways, pruner: str, trials: int, seed: int) -> Outcome:
    """A study in memory, whose trials are worth what ``ways`` says."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    name = f"{pruner}-{seed}"  # Hyperband deals its brackets out by it
    sampler, chosen = WithoutRepeats(space, "tpe", seed), make_pruner(pruner, len(space.ladder))
    made = optuna.create_study(study_name=name, direction="maximize", sampler=sampler, pruner=chosen)
    values, reached = [], {}
    for _ in range(min(trials, len(space.cells()))):
        trial = made.ask()
        spec = space.spec(space.suggest(trial), PatchCoreSpec())
        ladder = rungs(spec, space.ladder)
        for one in ladder:
            rung = ways[one]
            if prunes(trial, rung) and one is not ladder[-1]:
                made.tell(trial, state=TrialState.PRUNED)
                break
        else:
            made.tell(trial, rung.value)
        values.append(rung.value)
        arm = (spec.layers, spec.patch_size)
        reached[arm] = max(reached.get(arm, 0), rung.rows)
    pruned = [trial.state == TrialState.PRUNED for trial in made.trials]
    return Outcome(max(values), float(np.mean(pruned)), sum(reached.values()))


@click.command(help=__doc__)
@click.option("--trials", default=20, show_default=True)
@click.option("--seeds", default=10, show_default=True)
@click.option("--space", default="", help="Values to try, as tune has them; those left out are tune's own.")
@data_options
def main(data: str, class_name: str, weights: str, trials: int, seeds: int, space: str) -> None:
    tried = Space.of(PatchCoreSpec, parse_pairs(space, "space", ";", "patch_size=1,3;layers=layer2"))
    bench = open_bench(data, class_name, weights, layers=tried.all_inputs(PatchCoreSpec()))
    ways = all_rungs(bench, tried)
    found = {name: [study(tried, ways, name, trials, seed) for seed in range(seeds)] for name in PRUNERS}
    best = max(rung.value for rung in ways.values())
    click.echo(
        f"{class_name}: {len(tried.cells())} cells, {trials} trials, {seeds} seeds; the best cell has {best:.4f}"
    )
    click.echo(f"{'pruner':10} {'lost, mean':>11} {'lost, most':>11} {'pruned':>7} {'patches':>8}")
    whole = found["none"]
    for name, outcomes in found.items():
        lost = [one.best - other.best for one, other in zip(whole, outcomes, strict=True)]
        rows = [other.rows / one.rows for one, other in zip(whole, outcomes, strict=True)]
        pruned = np.mean([one.pruned for one in outcomes])
        click.echo(f"{name:10} {np.mean(lost):11.4f} {max(lost):11.4f} {pruned:7.0%} {np.mean(rows):8.0%}")


if __name__ == "__main__":
    main()
