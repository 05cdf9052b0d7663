"""What benchmark-model tells at its end."""

from collections.abc import Callable, Sequence

from adtrack.edge.timing import PARTS
from adtrack.findings import counted
from adtrack.reporting.table import Column, Table, number_text
from adtrack.reporting.tables import plain_table
from adtrack.verbs.benchmark_model.verb import FILE, Benchmark, EngineCost
from adtrack.verbs.int8_words import loss_sentences

Say = Callable[[str], None]


def print_benchmark(found: Benchmark, say: Say, width: int | None) -> None:
    """The table, what 8 bits have cost, and where it is kept."""
    say("")
    for line in plain_table(costs_table(found.engines), width).splitlines():
        say(line)
    say("")
    say(f"  Milliseconds from file to score, of {counted(found.images, 'image')} in {counted(found.photos, 'file')}.")
    for cost in found.engines:
        for words in loss_sentences(cost.losses):
            say(f"  {cost.name}: {words}")
    say("")
    say(f"Run:   {found.page or f'{found.run_id}   (mlflow ui shows it)'}, with {FILE}")


def costs_table(costs: Sequence[EngineCost]) -> Table:
    """A row for each engine and number of threads. The shares are those of the first engine's median with as many
    threads."""
    parts = [f"{part} ms" for part in PARTS]
    headings = ("threads", "median ms", "p95 ms", f"of {costs[0].name}", *parts, "peak MB", "files MB")
    rows = tuple(
        (
            cost.name,
            str(times.threads),
            *(number_text(value, 1) for value in (times.median, times.p95)),
            f"{100 * times.median / first.median:.0f} %",
            *(number_text(times.part(part), 1) for part in PARTS),
            number_text(cost.peak_mb, 0),
            number_text(cost.size_mb, 1),
        )
        for cost in costs
        for times, first in zip(cost.times, costs[0].times, strict=True)
    )
    return Table("Engines", (Column("engine", number=False), *map(Column, headings)), rows, "")
