"""How much faster is the greedy order than a plain loop, with the same indices?

adtrack's greedy_order against plain torch loops in float32 (a matrix–vector product a step, or differences) and
anomalib's KCenterGreedy (its own loop, without its projection), on 188,160 × 128 projected patches of 240 images, 1 %
and 10 %.
The loops' steps all cost the same, so a few hundred are timed and multiplied; the indices are compared on those.

Command:  python -m experiments.benchmarks.coreset --data DIR [--class NAME] [--weights FILE]
Cost:     about a minute on 2 CPU cores once the features are cached.
Result:   experiments/results/benchmarks.csv
"""

import click
import torch
from torch import Tensor

from adtrack.detectors.coreset import greedy_order, projection_matrix
from experiments.benchmarks.common import data_options, patch_features, report, seconds

_STEPS = 300


def plain_loop(points: Tensor, count: int, start: int) -> Tensor:
    """Algorithm 1 of PatchCore, a step a centre, in float32."""
    squares = points.square().sum(dim=1)
    distance = torch.full((len(points),), torch.inf)
    order = torch.empty(count, dtype=torch.int64)
    chosen = start
    for step in range(count):
        order[step] = chosen
        distance = torch.minimum(distance, squares - 2 * (points @ points[chosen]) + squares[chosen])
        distance[chosen] = -torch.inf
        chosen = int(distance.argmax())
    return order


def difference_loop(points: Tensor, count: int, start: int) -> Tensor:
    """The same with differences, as most implementations have it."""
    distance = torch.full((len(points),), torch.inf)
    order = torch.empty(count, dtype=torch.int64)
    chosen = start
    for step in range(count):
        order[step] = chosen
        distance = torch.minimum(distance, (points - points[chosen]).square().sum(dim=1))
        distance[chosen] = -torch.inf
        chosen = int(distance.argmax())
    return order


def anomalib_loop(points: Tensor, count: int, start: int) -> Tensor:
    """anomalib's KCenterGreedy on points that are projected already."""
    from anomalib.models.components.sampling import KCenterGreedy

    sampler = KCenterGreedy(points, count / len(points))
    sampler.features = points
    sampler.reset_distances()
    chosen, order = torch.tensor(start), []
    for _ in range(count):
        order.append(chosen)
        sampler.update_distances(chosen)
        sampler.min_distances[chosen] = 0.0
        chosen = sampler.get_new_idx()
    return torch.stack(order)


@click.command(help=__doc__)
@data_options
def main(data: str, class_name: str, weights: str) -> None:
    patches = patch_features(data, class_name, weights, 240)
    points = patches @ projection_matrix(patches.shape[1], 128, 42)
    loops = {
        "plain loop, products": plain_loop,
        "plain loop, differences": difference_loop,
        "anomalib KCenterGreedy": anomalib_loop,
    }
    steps = {name: seconds(lambda loop=loop: loop(points, _STEPS, 0)) / _STEPS for name, loop in loops.items()}
    for share in (0.01, 0.1):
        count = round(share * len(points))
        found: list[Tensor] = []
        ours = seconds(lambda: found.append(greedy_order(points, count, start=0, projection=None)))  # noqa: B023
        assert found[0][:_STEPS].equal(difference_loop(points, _STEPS, 0)), "the orders differ"
        times = {"adtrack": ours, **{name: step * count for name, step in steps.items()}}
        report("greedy k-centre", f"{len(points)} × {points.shape[1]}, {share:.0%}", times, "adtrack")


if __name__ == "__main__":
    main()
