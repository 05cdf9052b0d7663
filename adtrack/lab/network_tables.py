"""What methods do behind several networks, as a table, a data frame and a chart."""

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pandas as pd

from adtrack.data.imageset import TEST_SETS
from adtrack.evaluation.alarms import set_name
from adtrack.evaluation.evaluate import PIXEL_METRICS
from adtrack.lab.backbones import NetworkCost, NetworkScores
from adtrack.lab.charts import points_chart
from adtrack.lab.rows import MACRO, Line, Row, frame, lines
from adtrack.lab.tables import HEADINGS, INTERVALS
from adtrack.reporting.charts import Chart, write_chart
from adtrack.reporting.table import MISSING, Column, Table, difference_text, estimate_text, number_text
from adtrack.reporting.tables import write_report

METRIC = "image_auroc"
NOTES = (
    "Differences are to the first network that could be measured. MB is the size of what the model remembers, and ms "
    "the fastest of several passes of the network alone over one view on this machine, with one thread."
)


def network_lines(found: Sequence[NetworkScores]) -> list[Line]:
    """Image AUROC of every class and set, and of the macro mean, with differences to the method's first network."""
    measured = [one for one in found if not one.failure]
    first = {one.method: one for one in reversed(measured)}
    rows = [
        Row(
            {"method": one.method, "network": one.network, "set": set_name(test)},
            one.samples[test],
            None if one is first[one.method] else first[one.method].samples[test],
        )
        for one in measured
        for test in TEST_SETS
    ]
    return lines(rows, (METRIC,)) if rows else []


def networks_table(title: str, found: Sequence[NetworkScores]) -> Table:
    """A row for every class, method and network; a network that could not be measured has one that says so."""
    columns = (
        *(Column(name, number=False) for name in ("class", "method", "network")),
        Column("dimensions"),
        *(Column(f"{text}\n{set_name(test)}") for test in TEST_SETS for text in (HEADINGS[METRIC], "difference")),
        *map(Column, ("model\nMB", "ms a pass")),
    )
    groups: dict[tuple[str, str, str], list[Line]] = {}
    for line in network_lines(found):
        groups.setdefault((line.class_name, line.names["method"], line.names["network"]), []).append(line)
    rows = [_row(key, some, _cost(found, *key)) for key, some in groups.items()]
    failed = [one for one in found if one.failure]
    rows += [(MISSING, one.method, one.network, *[MISSING] * (len(columns) - 3)) for one in failed]
    whys = [f"{one.method}, network {one.network}, could not be measured: {one.failure}" for one in failed]
    return Table(title, columns, tuple(rows), " ".join([*whys, NOTES, INTERVALS]))


def _row(key: tuple[str, str, str], by_set: Sequence[Line], cost: Mapping[str, float]) -> tuple[str, ...]:
    estimates = [
        text
        for line in by_set
        for text in (
            estimate_text(line.metrics[METRIC]),
            difference_text(line.differences[METRIC]) if line.differences else "",
        )
    ]
    costs = (number_text(cost["megabytes"], 2), number_text(cost["pass_ms"], 1))
    return (*key, number_text(cost["dimensions"], 0), *estimates, *costs)


def _cost(found: Sequence[NetworkScores], class_name: str, method: str, network: str) -> dict[str, float]:
    """The costs of one class, or their means over classes."""
    (one,) = (one for one in found if (one.method, one.network) == (method, network))
    costs = list(one.costs.values()) if class_name == MACRO else [one.costs[class_name]]
    return {field.name: float(np.mean([getattr(cost, field.name) for cost in costs])) for field in fields(NetworkCost)}


def networks_frame(found: Sequence[NetworkScores]) -> pd.DataFrame:
    """Every line in full precision with its costs; networks that could not be measured come last, with the reason."""
    measured = network_lines(found)
    costs = [_cost(found, line.class_name, line.names["method"], line.names["network"]) for line in measured]
    numbers = frame(measured).drop(columns=list(PIXEL_METRICS), errors="ignore")
    failed = [{"method": one.method, "network": one.network, "failure": one.failure} for one in found if one.failure]
    return pd.concat([pd.concat([numbers, pd.DataFrame(costs)], axis=1), pd.DataFrame(failed)], ignore_index=True)


def write_networks(name: str, title: str, found: Sequence[NetworkScores], folder: Path) -> list[Table]:
    """Write the table of an experiment of this name, and a chart for each method; the table is returned."""
    tables = [networks_table(title, found)]
    write_report(name, networks_frame(found), tables, folder)
    for method in dict.fromkeys(one.method for one in found if not one.failure):
        some = [one for one in found if one.method == method and not one.failure]
        write_chart(networks_chart(f"{title}, {method}", some), folder, f"{name}_{method}")
    return tables


def networks_chart(title: str, found: Sequence[NetworkScores]) -> Chart:
    """The image AUROC behind each network, on each set. A long name has a place where its line may break."""
    named = [replace(one, network=one.network.replace("/", "/ ")) for one in found]
    return points_chart(network_lines(named), METRIC, "network", "set", title)
