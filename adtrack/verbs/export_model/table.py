"""The table of differences between an export and its model, as it is printed and as the export's files show it."""

from adtrack.edge.agreement import TOLERANCE, Agreement, Differences
from adtrack.evaluation.alarms import set_name
from adtrack.reporting.table import MISSING, Column, Table

_COLUMNS = (
    Column("Images", number=False),
    Column("Number"),
    *(Column("Score, median"), Column("Score, greatest")),
    *(Column("Map, median"), Column("Map, greatest")),
    Column("Labels changed"),
)


def table_of(agreement: Agreement) -> Table:
    """How far an export differs from its model on each image set."""
    rows = tuple(_row(set_name(name), agreement.differences(name)) for name in agreement.sets)
    return Table("Differences from the registered model", _COLUMNS, rows, tolerated(agreement))


def tolerated(agreement: Agreement) -> str:
    """What the numbers of the table are shares of, and how large they may be."""
    maps = "" if agreement.colours is None else ", those of a map's pixels as shares of the range of its colours"
    return (
        f"Differences of scores are shares of the standard deviation of the scores ({agreement.spread:.4g}){maps}. "
        f"At most {TOLERANCE:g} is tolerated; a label may change only that close to the threshold."
    )


def _row(name: str, found: Differences) -> tuple[str, ...]:
    maps = (MISSING, MISSING) if found.maps is None else tuple(map(_share, found.maps))
    return (name, str(found.images), *map(_share, found.scores), *maps, str(found.changed))


def _share(value: float) -> str:
    return "0" if value == 0 else f"{value:.1e}"
