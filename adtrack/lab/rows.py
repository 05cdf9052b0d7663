"""Rows of an experiment's tables: metrics of each class and of their mean, with intervals and differences."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from adtrack.evaluation.evaluate import PIXEL_METRICS
from adtrack.evaluation.intervals import Estimate, difference, interval
from adtrack.evaluation.resampling import Sample

MACRO = "macro mean"


@dataclass(frozen=True)
class Row:
    """A row before it is split by class.

    ``names`` are the texts of its first columns, by heading. ``samples`` and ``pixel`` hold the Test scores and the
    pixel metrics of each class. ``reference`` holds the scores of the row that this one is compared with, on the same
    images.
    """

    names: Mapping[str, str]
    samples: Mapping[str, Sample]
    reference: Mapping[str, Sample] | None = None
    pixel: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Line:
    """A row of the table: the metrics of one class, or their unweighted mean over classes."""

    class_name: str
    names: Mapping[str, str]
    metrics: Mapping[str, Estimate]
    differences: Mapping[str, Estimate]
    pixel: Mapping[str, float]


def compared(rows: Sequence[Row], column: str, reference: str) -> list[Row]:
    """The rows, each with its reference: the row that has the text ``reference`` in ``column`` and is else called the
    same.

    The references themselves have none.
    """

    def others(row: Row) -> tuple[str, ...]:
        return tuple(text for name, text in row.names.items() if name != column)

    references = {others(row): row.samples for row in rows if row.names[column] == reference}
    return [row if row.names[column] == reference else replace(row, reference=references[others(row)]) for row in rows]


def lines(rows: Sequence[Row], metrics: Sequence[str]) -> list[Line]:
    """Every row for every class and, if there are several classes, for their macro mean."""
    classes = list(rows[0].samples)
    groups = [(name, (name,)) for name in classes] + ([(MACRO, tuple(classes))] if len(classes) > 1 else [])
    return [_line(row, name, members, metrics) for name, members in groups for row in rows]


def _line(row: Row, name: str, members: Sequence[str], metrics: Sequence[str]) -> Line:
    samples = {member: row.samples[member] for member in members}
    compared = {} if row.reference is None else {member: row.reference[member] for member in members}
    return Line(
        name,
        row.names,
        {metric: interval(samples, metric) for metric in metrics},
        {metric: difference(samples, compared, metric) for metric in metrics} if compared else {},
        {
            metric: float(np.mean([row.pixel.get(member, {}).get(metric, np.nan) for member in members]))
            for metric in PIXEL_METRICS
        },
    )


def frame(found: Sequence[Line]) -> pd.DataFrame:
    """The lines in full precision.

    The ends of the interval of ``f1`` are ``f1_low`` and ``f1_high``; its difference to the reference is ``f1_diff``.
    """
    records = []
    for line in found:
        record: dict[str, object] = {"class": line.class_name, **line.names}
        for metric, estimate in line.metrics.items():
            record |= estimate_columns(metric, estimate)
        for metric, estimate in line.differences.items():
            record |= estimate_columns(f"{metric}_diff", estimate)
        records.append(record | dict(line.pixel))
    return pd.DataFrame(records)


def estimate_columns(name: str, estimate: Estimate) -> dict[str, float]:
    """An estimate as columns of a frame: its value and the ends of its interval."""
    return {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}
