"""Which figures do the README and the page of the experiments quote?

Those that experiments and benchmarks have left in experiments/results/. This script writes them between the marks of
both pages, so that no figure there is typed by hand: sentences into the README, the whole tables into
experiments/README.md.

Command:  python -m experiments.what_we_found
Cost:     none
Result:   README.md, experiments/README.md
"""

import re
from pathlib import Path

from experiments.benchmarks.log import RESULTS, benchmarks_table, memory_sentence
from experiments.benchmarks.overview import comparisons, speed_lines
from experiments.drift_figures import drift_lines, more_on_drift, regimes_table
from experiments.edge_figures import edge_lines
from experiments.method_figures import methods_lines, methods_section
from experiments.network_figures import few_shot_table, networks_lines, networks_table
from experiments.scale_figures import plan_table, scale_lines

ROOT = Path(__file__).resolve().parents[1]
TILES = RESULTS / "magnetic_tile"
MARKS = r"(<!-- {0} -->\n).*?(<!-- end of {0} -->)"


def blocks() -> dict[str, dict[str, str]]:
    """What stands between the marks: by page, by the name of the mark."""
    return {
        "README.md": {
            "drift": drift_lines(TILES),
            "methods": methods_lines(TILES),
            "networks": networks_lines(TILES),
            "speed": speed_lines(comparisons()),
            "edge": edge_lines(),
            "scale": scale_lines(),
        },
        "experiments/README.md": {
            "figures": regimes_table(TILES),
            "more on drift": more_on_drift(TILES),
            "methods": methods_section(TILES),
            "few images": few_shot_table(TILES),
            "networks": networks_table(TILES),
            "plan": plan_table(),
            "benchmarks": f"{benchmarks_table()}\n{memory_sentence()}",
        },
    }


def write(root: Path = ROOT) -> None:
    """Bring the figures of both pages below ``root`` up to date."""
    for page, figures in blocks().items():
        text = (root / page).read_text(encoding="utf-8")
        for name, found in figures.items():
            marks = MARKS.format(name)
            text, count = re.subn(marks, lambda ends, new=found: f"{ends[1]}\n{new}\n{ends[2]}", text, flags=re.DOTALL)
            if count != 1:
                raise ValueError(f"{page} must have the marks of {name} once, but has them {count} times.")
        (root / page).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write()
