"""What compare shows in the terminal, and the files it writes."""

from collections.abc import Callable, Sequence
from pathlib import Path
from string import ascii_uppercase

from adtrack.errors import UserError
from adtrack.reporting.render import write_text
from adtrack.reporting.tables import plain_table, write_report
from adtrack.verbs.compare import Comparison
from adtrack.verbs.compare_tables import (
    disagreement_rows,
    disagreements_frame,
    disagreements_table,
    explanations,
    metrics_frame,
    runs_table,
    set_tables,
)

SHOWN = 5  # disagreements of a set in the terminal


def print_comparison(found: Comparison, files: Sequence[Path], say: Callable[[str], None]) -> None:
    """The tables, the first images of disagreement, and where the rest is."""
    say(plain_table(runs_table(found)))
    for one in found.sets:
        for table in set_tables(found, one):
            say(f"\n{table.title}{'. ' * bool(table.notes)}{table.notes}\n{plain_table(table)}")
        rows = disagreement_rows(found, one)
        say(f"  {len(rows)} image{'' if len(rows) == 1 else 's'} called differently{':' if rows else ''}")
        for row in rows[:SHOWN]:
            told = (f"{letter} {cell}" for letter, cell in zip(ascii_uppercase, row[4:], strict=False))
            say(f"    {row[1]}: {', '.join(told)}")
        if len(rows) > SHOWN:
            say(f"    … and {len(rows) - SHOWN} more" + ("" if files else ": --out FOLDER lists all"))
    say("")
    for line in (*found.skipped, *explanations(found)):
        say(line)
    if files:
        say(f"Page: {files[0].with_suffix('.html')}   Tables: {', '.join(file.name for file in files)} beside it")


def write_comparison(found: Comparison, out: Path) -> list[Path]:
    """compare.csv, .md, .tex and .html with the tables, disagreements.csv with every such image."""
    tables = [runs_table(found), *(table for one in found.sets for table in set_tables(found, one))]
    tables.append(disagreements_table(found))
    title = f"{found.runs[0].class_name}: {len(found.runs)} runs compared"
    try:
        files = write_report("compare", metrics_frame(found), tables, out, title=title)
        text = disagreements_frame(found).to_csv(index=False, lineterminator="\n")
        return [*files, write_text(out / "disagreements.csv", text)]
    except OSError as error:
        raise UserError(f"out must be a writable folder, but {out} is not ({error.strerror}).") from error
