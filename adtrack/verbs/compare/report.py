"""What compare shows in the terminal, and the files it writes."""

from collections.abc import Callable, Sequence
from pathlib import Path
from string import ascii_uppercase

from adtrack.errors import UserError
from adtrack.evaluation.pictures.side_by_side import LEGEND, comparison_sheet
from adtrack.reporting.document import Section
from adtrack.reporting.files import write_text
from adtrack.reporting.parts import Paragraph, Picture, PictureRow
from adtrack.reporting.table import Table
from adtrack.reporting.tables import csv_text, plain_table, write_report
from adtrack.verbs.compare.pictures import Pictures
from adtrack.verbs.compare.tables import (
    disagreement_rows,
    disagreements_frame,
    disagreements_table,
    explanations,
    metrics_frame,
    runs_table,
    set_tables,
)
from adtrack.verbs.compare.verb import Comparison

SHOWN = 5  # disagreements of a set in the terminal
SEEN = (
    "Rows are in the order of the table above. Each shows an image, with a line around its defect where that is known, "
    "then what the model of each run makes of it."
)


def print_comparison(found: Comparison, pictures: Pictures, files: Sequence[Path], say: Callable[[str], None]) -> None:
    """Print the tables, the clearest disagreements, where the rest is, and why some have no picture."""
    _say_table(runs_table(found), say)
    for one in found.sets:
        for table in set_tables(found, one):
            say("")
            say(f"{table.title}{'. ' * bool(table.notes)}{table.notes}")
            _say_table(table, say)
        rows = disagreement_rows(found, one)
        say(f"  {len(rows)} image{'' if len(rows) == 1 else 's'} called differently{':' if rows else ''}")
        for row in rows[:SHOWN]:
            told = (f"{letter} {cell}" for letter, cell in zip(ascii_uppercase, row[4:], strict=False))
            say(f"    {row[1]}: {', '.join(told)}")
        if len(rows) > SHOWN:
            say(f"    … and {len(rows) - SHOWN} more" + ("" if files else ": --out FOLDER lists all"))
    say("")
    for line in (*found.skipped, *explanations(found), *pictures.missing):
        say(line)
    if files:
        say(f"Page: {files[0].with_suffix('.html')}   Tables: {', '.join(file.name for file in files)} beside it")


def _say_table(table: Table, say: Callable[[str], None]) -> None:
    for line in plain_table(table).split("\n"):
        say(line)


def write_comparison(found: Comparison, pictures: Pictures, out: Path) -> list[Path]:
    """Write compare.csv, .md, .tex and .html with the tables, and disagreements.csv with every image that is called
    differently. The HTML page has the pictures too."""
    tables = [runs_table(found), *(table for one in found.sets for table in set_tables(found, one))]
    tables.append(disagreements_table(found))
    title = f"{found.runs[0].class_name}: {len(found.runs)} runs compared"
    try:
        files = write_report("compare", metrics_frame(found), tables, out, title=title, below=_below(pictures))
        return [*files, write_text(out / "disagreements.csv", csv_text(disagreements_frame(found)))]
    except OSError as error:
        raise UserError(f"out must be a folder that can be written to, but {out} is not ({error.strerror}).") from error


def _below(pictures: Pictures) -> list[Section]:
    """The section with the pictures, or with why there are none. There is no section if the runs agree."""
    if not pictures.sheets and not pictures.missing:
        return []
    shown = [
        (sheet.caption, Picture(comparison_sheet(sheet.rows, sheet.models), f"Pictures: {sheet.caption}"))
        for sheet in pictures.sheets
    ]
    words = [*([f"{SEEN} {LEGEND}"] if shown else []), *pictures.missing]
    return [Section("The same images as the models see them", [*map(Paragraph, words), PictureRow(shown)])]
