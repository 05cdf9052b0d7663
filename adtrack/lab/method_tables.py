"""What all methods do, as tables, data frames and charts."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from adtrack.data.imageset import TEST_SETS
from adtrack.evaluation.alarms import set_name
from adtrack.evaluation.ranking import Ranked, ranking
from adtrack.lab.charts import points_chart, scatter_chart
from adtrack.lab.efficiency import Cost, costs_table
from adtrack.lab.methods import MethodScores
from adtrack.lab.rows import MACRO, Line, Row, estimate_columns, frame, lines
from adtrack.lab.tables import HEADINGS, lines_table, maps_note
from adtrack.reporting.charts import Chart, Spot
from adtrack.reporting.table import MISSING, Column, Table, difference_text, estimate_text

REFERENCE = "patchcore"
METRICS = ("image_auroc", "image_auprc", "f1")
PIXEL = ("pixel_auroc", "pixel_aupro_030")
RANKED_BY = METRICS[0]
RANKING_NOTES = (
    "Each method stands by its image AUROC, and its place is the range of places that these images leave open: those "
    "that are clearly better stand before it, those that are clearly worse behind it, as the interval of the paired "
    "difference of the two does not hold 0. “Not told from” names all others. Every method is compared with every "
    "other, so the intervals in “behind the first” are wider than those of single differences: 95 % of 1000 resamples "
    "lie within the intervals of all pairs at once."
)


@dataclass(frozen=True)
class Standing:
    """The ranking of the methods on one of ``TEST_SETS``, of one class or of the mean over classes."""

    class_name: str
    test: str
    ranked: Sequence[Ranked]


def measured(found: Sequence[MethodScores]) -> list[MethodScores]:
    """The methods that could be measured."""
    return [one for one in found if not one.failure]


def reference_of(found: Sequence[MethodScores]) -> str:
    """The method that the others are compared with: PatchCore if it could be measured, else the first that could."""
    names = [one.method for one in measured(found)]
    return REFERENCE if REFERENCE in names else names[0]


def method_lines(found: Sequence[MethodScores], test: str) -> list[Line]:
    """The metrics of every method on a set, with differences to the reference; none if no method could be measured."""
    some = measured(found)
    reference = {one.method: one.samples[test] for one in some}.get(reference_of(found)) if some else None
    rows = [
        Row(
            {"method": one.method},
            one.samples[test],
            None if one.method == reference_of(found) else reference,
            one.pixel[test],
        )
        for one in some
    ]
    return lines(rows, METRICS) if rows else []


def scores_table(found: Sequence[MethodScores], test: str) -> Table:
    """All methods on one set; a method that could not be measured has a row that says so."""
    title, some = f"All methods on {set_name(test)}", method_lines(found, test)
    failed = [one for one in found if one.failure]
    whys = [f"{one.method} could not be measured: {one.failure}" for one in failed]
    if not some:
        columns = tuple(Column(name, number=False) for name in ("class", "method"))
        return Table(title, columns, tuple((MISSING, one.method) for one in failed), " ".join(whys))
    methods = [one.method for one in measured(found)]
    notes = f"Differences are to {reference_of(found)}. {maps_note(methods)}".strip()
    table = lines_table(title, some, METRICS, METRICS, PIXEL, " ".join([*whys, notes]))
    rows = [(MISSING, one.method, *[MISSING] * (len(table.columns) - 2)) for one in failed]
    return replace(table, rows=(*table.rows, *rows))


def standings(found: Sequence[MethodScores]) -> list[Standing]:
    """The rankings of the methods on each set, of the only class or of the mean over classes."""
    some = measured(found)
    if not some:
        return []
    classes = list(some[0].samples[TEST_SETS[0]])
    name = classes[0] if len(classes) == 1 else MACRO
    return [
        Standing(name, test, ranking({one.method: one.samples[test] for one in some}, RANKED_BY)) for test in TEST_SETS
    ]


def ranking_table(found: Sequence[Standing]) -> Table:
    """The rankings for people."""
    columns = (
        *(Column(name, number=False) for name in ("class", "images", "place", "method")),
        *map(Column, (HEADINGS[RANKED_BY], "behind\nthe first")),
        Column("not told from", number=False),
    )
    rows = tuple(
        (
            *(standing.class_name, set_name(standing.test), one.places, one.name),
            estimate_text(one.value),
            difference_text(one.behind) if place else "",
            ", ".join(one.undecided) or MISSING,
        )
        for standing in found
        for place, one in enumerate(standing.ranked)
    )
    return Table("Which method is best, and what these images leave open", columns, rows, RANKING_NOTES)


def ranking_frame(found: Sequence[Standing]) -> pd.DataFrame:
    """The rankings in full precision."""
    return pd.DataFrame(
        {
            "class": standing.class_name,
            "set": standing.test,
            "method": one.name,
            "best": one.best,
            "worst": one.worst,
            **estimate_columns(RANKED_BY, one.value),
            **estimate_columns("behind", one.behind),
            "undecided": " ".join(one.undecided),
        }
        for standing in found
        for one in standing.ranked
    )


def methods_frame(found: Sequence[MethodScores]) -> pd.DataFrame:
    """Every line of every set in full precision with its costs; methods that could not be measured come last, with the
    reason."""
    parts = []
    for test in TEST_SETS:
        some = method_lines(found, test)
        costs = [mean_cost(found, line.class_name, line.names["method"]).numbers() for line in some]
        numbers = pd.concat([frame(some), pd.DataFrame(costs)], axis=1)
        numbers.insert(min(2, numbers.shape[1]), "set", test)
        parts.append(numbers)
    failed = [{"method": one.method, "failure": one.failure} for one in found if one.failure]
    return pd.concat([*parts, pd.DataFrame(failed)], ignore_index=True)


def mean_cost(found: Sequence[MethodScores], class_name: str, method: str) -> Cost:
    """The costs of a method on one class, or their means over classes."""
    costs = next(one.costs for one in measured(found) if one.method == method)
    some = list(costs.values()) if class_name == MACRO else [costs[class_name]]
    keys = some[0].numbers()
    return Cost.of(class_name, method, {key: float(np.mean([one.numbers()[key] for one in some])) for key in keys})


def method_costs(found: Sequence[MethodScores]) -> Table:
    """The costs of every method on every class, and their means."""
    told = [(line.class_name, line.names["method"]) for line in method_lines(found, TEST_SETS[0])]
    return costs_table([mean_cost(found, *one) for one in told])


def auroc_chart(found: Sequence[MethodScores], title: str) -> Chart:
    """The image AUROC of every method, on each set."""
    both = [
        replace(line, names={**line.names, "set": set_name(test)})
        for test in TEST_SETS
        for line in method_lines(found, test)
    ]
    return points_chart(both, RANKED_BY, "method", "set", title)


def cost_chart(found: Sequence[MethodScores], title: str) -> Chart:
    """The image AUROC of every method on each set against the time of an image."""
    spots: dict[str, list[Spot]] = {}
    name = ""
    for test in TEST_SETS:
        some = method_lines(found, test)
        name = some[-1].class_name
        for line in some:
            if line.class_name == name:
                method = line.names["method"]
                cost = mean_cost(found, name, method)
                spots.setdefault(set_name(test), []).append(Spot(cost.median_ms, line.metrics[RANKED_BY].value, method))
    return scatter_chart(f"{title} ({name})", "ms per image", HEADINGS[RANKED_BY], spots, log_x=True)
