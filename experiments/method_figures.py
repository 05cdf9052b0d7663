"""What the experiment methods has left in experiments/results/, as sentences for the README and as tables."""

import json
import textwrap
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from adtrack.data.imageset import TEST_SETS
from adtrack.evaluation.alarms import set_name
from adtrack.evaluation.ranking import Ranked
from adtrack.lab.efficiency import Cost, costs_table
from adtrack.lab.method_tables import METRICS, PIXEL, RANKED_BY, Standing, ranking_table
from adtrack.lab.rows import Line
from adtrack.lab.tables import lines_table, maps_note
from adtrack.reporting.table import estimate_text, number_text
from adtrack.reporting.tables import markdown_table
from experiments.drift_figures import estimate, how

FIGURES = Path(__file__).resolve().parent / "figures"
PICTURES = {
    "methods_auroc.png": "Image AUROC of every method on clean and on shifted images",
    "methods_cost.png": "Image AUROC of every method against the time that an image takes",
    "methods_magnetic_tile.png": "A few Test images, clean and shifted, as every method sees them",
}
_WORDS = {"test_clean": "clean", "test_shift": "shifted"}


def methods_lines(folder: Path) -> str:
    """The README's lines on methods: which comes first, what these images leave open, what it costs, what failed.

    "" if the experiment has left no results.
    """
    if not (folder / "methods").is_dir():
        return ""
    rows = _kept(folder)
    told = [*map(_order, kept_standings(folder)), *_marks(rows), *_spans(rows), *_failures(rows)]
    return "On magnetic tiles (95 % intervals in brackets):\n\n" + "".join(f"{_filled(words)}\n" for words in told)


def methods_section(folder: Path) -> str:
    """The tables of the experiment, its pictures, and the command that measured them; "" without results."""
    if not (folder / "methods").is_dir():
        return ""
    rows, ranking = _kept(folder), ranking_table(kept_standings(folder))
    measured = rows[rows["set"].notna()]
    notes = [ranking.notes, maps_note(list(dict.fromkeys(measured["method"])))]
    parts = [f"![{words}](figures/{name})" for name, words in PICTURES.items() if (FIGURES / name).is_file()]
    parts += [markdown_table(ranking), " ".join(filter(None, notes))]
    for test in TEST_SETS:
        some = [_line(row) for _, row in measured[measured["set"] == test].iterrows()]
        title = set_name(test)
        parts += [f"### All methods on {title}", markdown_table(lines_table(title, some, METRICS, METRICS, PIXEL))]
    costs = [
        Cost.of(row["class"], row["method"], row) for _, row in measured[measured["set"] == TEST_SETS[0]].iterrows()
    ]
    about = json.loads((folder / "methods" / "about.json").read_text(encoding="utf-8"))
    failed = [_filled(words) for words in _failures(rows)]
    parts += ["### What the methods cost", markdown_table(costs_table(costs)), *failed, how(about)]
    return "\n\n".join(parts) + "\n"


def kept_standings(folder: Path) -> list[Standing]:
    """The rankings that were kept."""
    rows = pd.read_csv(folder / "methods" / "methods_ranking.csv", keep_default_na=False)
    return [
        Standing(name, test, [_ranked(row) for _, row in some.iterrows()])
        for (name, test), some in rows.groupby(["class", "set"], sort=False)
    ]


def _ranked(row: pd.Series) -> Ranked:
    undecided = tuple(row["undecided"].split())
    return Ranked(
        row["method"], estimate(row, RANKED_BY), estimate(row, "behind"), row["best"], row["worst"], undecided
    )


def _kept(folder: Path) -> pd.DataFrame:
    """The numbers of every method and set; a method that could not be measured has a row without a set."""
    rows = pd.read_csv(folder / "methods" / "methods.csv")
    return rows if "failure" in rows else rows.assign(failure=float("nan"))


def _line(row: pd.Series) -> Line:
    compared = pd.notna(row.get(f"{RANKED_BY}_diff"))  # the reference has no differences
    return Line(
        row["class"],
        {"method": row["method"]},
        {metric: estimate(row, metric) for metric in METRICS},
        {metric: estimate(row, f"{metric}_diff") for metric in METRICS} if compared else {},
        {metric: row[metric] for metric in PIXEL},
    )


def _order(standing: Standing) -> str:
    """Which method comes first on a set, and how sure that is."""
    first, *others = standing.ranked
    open_, behind = ([one for one in others if (one.name in first.undecided) == is_open] for is_open in (True, False))
    told = (
        f"- **On {_WORDS[standing.test]} images** `{first.name}` comes first, with an image AUROC of "
        f"{estimate_text(first.value)}."
    )
    if open_:
        told += f" These images cannot tell it from {_listed(open_)}."
    if behind:
        told += f" Clearly behind it {'is' if len(behind) == 1 else 'are'} {_listed(behind)}."
    return told


def _listed(ranked: Sequence[Ranked]) -> str:
    return _and([f"`{one.name}` ({number_text(one.value.value)})" for one in ranked])


def _and(words: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def _shown(rows: pd.DataFrame, test: str) -> pd.DataFrame:
    """The rows of a set that stand for all classes: those of the macro mean, or of the only class."""
    some = rows[rows["set"] == test]
    return some[some["class"] == some["class"].iloc[-1]]


def _marks(rows: pd.DataFrame) -> list[str]:
    """Which method marks the defects best; nothing where no method has pixel metrics."""
    best = []
    for test in TEST_SETS:
        some = _shown(rows, test).dropna(subset=[PIXEL[1]])
        if len(some):
            row = some.loc[some[PIXEL[1]].idxmax()]
            best.append(f"by `{row['method']}` on {_WORDS[test]} images (AU-PRO {number_text(row[PIXEL[1]])})")
    return [f"- **Defects are marked best** {_and(best)}. Pixel metrics have no interval."] if best else []


def _spans(rows: pd.DataFrame) -> list[str]:
    """From which to which method costs go."""

    def span(key: str, unit: str) -> str:
        some = _shown(rows, TEST_SETS[0]).set_index("method")[key]
        least, most = some.idxmin(), some.idxmax()
        return f"{_brief(some[least])} {unit} (`{least}`) to {_brief(some[most])} {unit} (`{most}`)"

    return [
        f"- **Cost.** An image takes {span('median_ms', 'ms')}, a fit to features that are in the cache "
        f"{span('build_s', 's')}; models have {span('size_mb', 'MB')}, and processes need "
        f"{span('peak_mb', 'MB')}."
    ]


def _brief(value: float) -> str:
    """A cost with two digits that count, or without decimals."""
    return f"{value:.2g}" if value < 10 else f"{value:.0f}"


def _failures(rows: pd.DataFrame) -> list[str]:
    failed = rows[rows["failure"].notna()]
    return [f"- `{row['method']}` could not be measured: {row['failure']}" for _, row in failed.iterrows()]


def _filled(words: str) -> str:
    return textwrap.fill(words, 120, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
