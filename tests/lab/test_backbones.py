"""Networks beside each other: scores and costs of each, differences to the first, and a row for one that fails."""

from dataclasses import replace

import numpy as np
import pandas as pd

from adtrack.evaluation.intervals import difference
from adtrack.lab.backbones import behind, measure_networks, pass_milliseconds
from adtrack.lab.cells import Cells
from adtrack.lab.network_tables import METRIC, network_lines, networks_chart, networks_frame, networks_table
from adtrack.lab.networks import parse_networks
from adtrack.lab.rows import MACRO
from adtrack.lab.setup import Setup

NETWORKS = parse_networks("nowhere,resnet18:layer2,resnet34:layer2,resnet18:layer3=/no/file.pth", "random", 1)


def test_networks_are_compared_with_the_first_that_can_be_had(cells: Cells, setup: Setup) -> None:
    found = measure_networks(cells, replace(setup, detectors=setup.detectors[:1]), NETWORKS)
    assert [bool(one.failure) for one in found] == [True, False, False, True] and len(cells.failed) == 2
    assert "nowhere" in cells.failed[0] and "/no/file.pth" in found[3].failure
    names = [one.network for one in found]
    assert names[1] == "resnet18 layer2 random" and names[2] == "resnet34"
    cost = found[1].costs["part"]
    assert (cost.dimensions, cost.rows) == (128, round(0.1 * 8 * 64)) and cost.pass_ms > 0
    assert cost.megabytes == cost.rows * 128 * 4 / 1e6

    lines = network_lines(found)
    assert [(line.names["network"], line.names["set"]) for line in lines] == [
        (name, test) for name in names[1:3] for test in ("Test-clean", "Test-shift")
    ]
    assert [bool(line.differences) for line in lines] == [False, False, True, True]
    paired = difference(found[2].samples["test_shift"], found[1].samples["test_shift"], METRIC)
    assert lines[3].differences[METRIC] == paired

    table = networks_table("Networks", found)
    assert [row[2] for row in table.rows] == [*names[1:3], names[0], names[3]]
    assert table.rows[0][3] == "128" and set(table.rows[2][3:]) == {"–"}
    assert found[0].failure in table.notes and found[3].failure in table.notes
    numbers = networks_frame(found)
    assert list(numbers["failure"].notna()) == [False] * 4 + [True] * 2
    assert list(numbers["megabytes"][:2]) == [cost.megabytes] * 2
    chart = networks_chart("Networks", [one for one in found if not one.failure])
    assert chart.kind.categories == names[1:3] and set(chart.kind.series) == {"Test-clean", "Test-shift"}


def test_all_networks_may_fail(cells: Cells, setup: Setup) -> None:
    found = measure_networks(cells, setup, NETWORKS[:1])
    assert [one.method for one in found] == ["patchcore", "padim"] and all(one.failure for one in found)
    assert len(networks_table("Networks", found).rows) == len(networks_frame(found)) == 2
    assert isinstance(networks_frame(found), pd.DataFrame)


def test_costs_of_the_mean_are_means(cells: Cells, setup: Setup) -> None:
    (one,) = measure_networks(cells, replace(setup, detectors=setup.detectors[:1]), NETWORKS[1:2])
    costs = {"part": one.costs["part"], "other": replace(one.costs["part"], megabytes=3.0)}
    both = replace(one, samples={test: some | {"other": some["part"]} for test, some in one.samples.items()})
    table = networks_table("Networks", [replace(both, costs=costs)])
    assert [row[0] for row in table.rows] == ["part", "other", MACRO]
    assert float(table.rows[2][-2]) == np.round((one.costs["part"].megabytes + 3) / 2, 2)


def test_layers_are_the_networks_own_where_it_names_some(setup: Setup) -> None:
    spec = setup.detectors[0]
    assert behind(setup, NETWORKS[3], spec).detectors[0].layers == ("layer3",)
    assert behind(setup, NETWORKS[0], spec).detectors == (spec,)
    assert pass_milliseconds(setup.bench("part")) > 0


def test_a_network_that_was_trained_for_a_class_serves_that_class(cells: Cells, setup: Setup) -> None:
    own, other = (replace(network, name="tuned") for network in NETWORKS[1:3])
    networks = [replace(other, class_name="other"), replace(own, class_name="part")]
    (one,) = measure_networks(cells, replace(setup, detectors=setup.detectors[:1]), networks)
    assert (one.network, one.failure) == ("tuned", "")
    (named,) = measure_networks(cells, replace(setup, detectors=setup.detectors[:1]), [own])
    assert one.samples["test_clean"]["part"].scores.tolist() == named.samples["test_clean"]["part"].scores.tolist()
