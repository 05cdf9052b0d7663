"""How much faster is the greedy order than a plain loop, with the same indices?

adtrack's greedy_order against plain torch loops in float32 (a matrix–vector product a step, or differences) and
anomalib's KCenterGreedy (its own loop, without its projection), on the projected patches of the first images: 188,160 ×
128 of 240 images, 1 % and 10 %, unless other layers, fractions or numbers of images are asked for.
The loops' steps all cost the same, so some are timed and multiplied; the indices are compared on those.

\b
Command:  python -m experiments.benchmarks.coreset --data DIR [--class NAME] [--weights FILE]
          [--images 240] [--layers layer1+layer2+layer3] [--fractions 0.05]
Cost:     about a minute on 2 CPU cores once the features are cached.
Result:   experiments/results/benchmarks.csv
"""

from collections.abc import Iterator

import click
import torch
from torch import Tensor

from adtrack.detectors.coreset import greedy_order, projection_matrix
from adtrack.settings import parse_layers
from experiments.benchmarks.common import data_options, one_by_one, open_bench, report, seconds, values

_STEPS, _USUAL = 300, 188_160  # so many steps for so many patches, fewer for more


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


def projected(patches: Iterator[Tensor]) -> Tensor:
    """The images' patches as the greedy order sees them: float32 (patches, 128)."""
    first = next(patches)
    matrix = projection_matrix(first.shape[1], 128, 42)
    return torch.cat([part if matrix is None else part @ matrix for part in (first, *patches)])


@click.command(help=__doc__)
@click.option("--images", default=240, show_default=True)
@click.option("--layers", default="layer2+layer3", show_default=True)
@click.option("--fractions", default="0.01,0.1", show_default=True)
@data_options
def main(data: str, class_name: str, weights: str, images: int, layers: str, fractions: str) -> None:
    used = parse_layers(layers)
    features = open_bench(data, class_name, weights, layers=used).features("train_clean")
    points = projected(one_by_one(features, images, used))
    steps = max(_STEPS * _USUAL // len(points), 30)
    loops = {
        "plain loop, products": plain_loop,
        "plain loop, differences": difference_loop,
        "anomalib KCenterGreedy": anomalib_loop,
    }
    a_step = {name: seconds(lambda loop=loop: loop(points, steps, 0)) / steps for name, loop in loops.items()}
    for share in values(fractions, float, "fractions"):
        count = round(share * len(points))
        found: list[Tensor] = []
        ours = seconds(lambda: found.append(greedy_order(points, count, start=0, projection=None)))  # noqa: B023
        both = min(steps, count)
        assert found[0][:both].equal(difference_loop(points, both, 0)), "the orders differ"
        times = {"adtrack": ours, **{name: taken * count for name, taken in a_step.items()}}
        report("greedy k-centre", f"{len(points)} × {points.shape[1]}, {share:.0%}; {layers}", times, "adtrack")


if __name__ == "__main__":
    main()
