"""How long do others take for the same work?

The README's three lines and its chart, from the latest runs in experiments/results/benchmarks.csv. Each work stands
there for two kinds of processor: those that multiply bytes several times as fast as float32 numbers, and the others.

\b
Command:  python -m experiments.benchmarks.overview        draws the chart; experiments.what_we_found writes the lines
Cost:     none
Result:   experiments/figures/speed.png
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import pandas as pd
from matplotlib.figure import Figure

from adtrack.palette import LIGHT, colour
from experiments.benchmarks.log import RESULTS, latest_runs

FIGURE = RESULTS.parent / "figures" / "speed.png"
PROCESSORS = ("processor with fast byte products (AVX-512 VNNI)", "processor without (AVX2)")
_SLOW_BYTES = "without fast bytes"  # what the log calls the second kind


@dataclass(frozen=True)
class Contest:
    """One work that adtrack and another program do, as the chart names it and as the log names it."""

    label: str
    benchmark: str
    work: str  # how the log's name begins
    other: str  # what the log calls the other program


@dataclass(frozen=True)
class Comparison:
    """adtrack's seconds for a work, and how many times as long the other took, on each kind of processor."""

    label: str
    seconds: tuple[float, float]
    ratios: tuple[float, float]

    def text(self) -> tuple[str, str]:
        """``25.3 s and 48.8 s`` and ``82.1 and 57.1 times``; milliseconds below a second."""
        took = " and ".join(f"{s:.3g} s" if s >= 1 else f"{1000 * s:.3g} ms" for s in self.seconds)
        return took, " and ".join(f"{ratio:.3g}" for ratio in self.ratios) + " times"


CONTESTS = {
    "bank": Contest(
        "Build and evaluate a bank\n(anomalib)", "build + evaluate", "200 Train, 100 Test images", "anomalib"
    ),
    "order": Contest(
        "Choose 10 % of 188,160 patches\n(anomalib)", "greedy k-centre", "188160 × 128, 10%", "anomalib KCenterGreedy"
    ),
    "pixels": Contest(
        "Pixel AUROC, AU-PRO of 150 maps\n(anomalib, scikit-learn)",
        *("pixel AUROC + AU-PRO", "150 × 224²", "anomalib AUPRO, scikit-learn AUROC"),
    ),
    "large": Contest(
        "Search a bank of 47,040 patches\n(faiss)",
        *("nearest neighbour", "784 of val_clean × 47040 × 384", "faiss IndexFlatL2"),
    ),
    "small": Contest(
        "Search a bank of 1,882 patches\n(faiss)",
        *("nearest neighbour", "784 of val_clean × 1882 × 384", "faiss IndexFlatL2"),
    ),
}


def comparisons(log: Path = RESULTS / "benchmarks.csv") -> dict[str, Comparison]:
    """The latest run of every contest."""
    rows = pd.read_csv(log)
    slow = rows["machine"].str.contains(_SLOW_BYTES)
    runs = (latest_runs(rows[~slow]), latest_runs(rows[slow]))
    return {name: _compared(contest, runs) for name, contest in CONTESTS.items()}


def _compared(contest: Contest, runs: Sequence[Sequence[pd.DataFrame]]) -> Comparison:
    first, second = (_measured(contest, of_processor) for of_processor in runs)
    return Comparison(contest.label, (first[0], second[0]), (first[1], second[1]))


def _measured(contest: Contest, runs: Sequence[pd.DataFrame]) -> tuple[float, float]:
    """adtrack's seconds, and the other's time as a multiple of them."""
    found = [
        run
        for run in runs
        if run["benchmark"].iloc[0] == contest.benchmark and run["work"].iloc[0].startswith(contest.work)
    ]
    latest = found[-1]
    ours = latest[latest["times ours"] == 1].iloc[0]
    other = latest[latest["what"].str.split(";").str[0] == contest.other].iloc[0]
    return ours["seconds"], other["times ours"]


def speed_lines(found: dict[str, Comparison]) -> str:
    """The README's three lines."""
    (bank, bank_other), (pixels, pixels_other) = found["bank"].text(), found["pixels"].text()
    (large, large_other), (_, small_other) = found["large"].text(), found["small"].text()
    return (
        f"- **A bank** of 10 % of the patches of 200 images is built and measured on 100 others in {bank}.\n"
        f"  anomalib takes {bank_other} as long, nearly all of it for the coreset.\n"
        f"- **The search** for the 784 patches of an image in a bank of 47,040 takes {large}. faiss takes\n"
        f"  {large_other} as long, and in a small bank of 1,882 patches {small_other} as long.\n"
        f"- **Pixel AUROC and AU-PRO** of 150 heatmaps take {pixels}. anomalib and scikit-learn take\n"
        f"  {pixels_other} as long.\n"
    )


def draw(found: Sequence[Comparison]) -> Figure:
    """A row for each work, a mark for each kind of processor, on a logarithmic axis."""
    figure = Figure(figsize=(8, 3.6), layout="constrained")
    axes = figure.add_subplot()
    places = range(len(found))
    for kind, (name, marker) in enumerate(zip(PROCESSORS, "os", strict=True)):
        ratios = [one.ratios[kind] for one in found]
        axes.scatter(ratios, places, s=60, marker=marker, color=colour(kind), label=name, zorder=3)
    for place, one in zip(places, found, strict=True):
        axes.plot(one.ratios, (place, place), color=LIGHT.line, linewidth=3, zorder=2)
        for ratio, side, across in zip(sorted(one.ratios), (-8, 8), ("right", "left"), strict=True):
            beside = {"xytext": (side, 0), "textcoords": "offset points", "ha": across, "va": "center"}
            ground = {"facecolor": LIGHT.ground, "edgecolor": "none", "pad": 1}
            axes.annotate(_short(ratio), (ratio, place), **beside, bbox=ground)
    axes.axvline(1, color=LIGHT.soft, linewidth=1)
    axes.set_xscale("log")
    axes.set_xlim(0.4, 500)
    ticks = (0.5, 1, 2, 5, 10, 20, 50, 100, 200)
    axes.set_xticks(ticks, [f"{tick:g} ×" for tick in ticks])
    axes.minorticks_off()
    axes.set_yticks(places, [one.label for one in found])
    axes.invert_yaxis()
    axes.margins(y=0.12)
    axes.tick_params(length=0, labelcolor=LIGHT.ink)
    axes.grid(axis="x", color=LIGHT.line)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.set_xlabel("time, as a multiple of adtrack's: right of the line, adtrack is faster", color=LIGHT.ink)
    figure.legend(loc="outside upper left", ncols=2, frameon=False)
    return figure


def _short(ratio: float) -> str:
    return f"{ratio:.0f}" if ratio >= 10 else f"{ratio:.2g}"


def main(file: Path = FIGURE) -> None:
    with matplotlib.rc_context({**matplotlib.rcParamsDefault, "backend": "agg", "text.color": LIGHT.ink}):
        draw(list(comparisons().values())).savefig(file, dpi=200, metadata={"Software": None})


if __name__ == "__main__":
    main()
