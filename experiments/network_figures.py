"""The figures of few images and of several networks, as the pages quote them."""

import json
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from adtrack.data.imageset import TEST_SETS
from adtrack.lab.few_shot import METRIC, FewShotModel, few_shot_lines
from adtrack.reporting.table import difference_text, estimate_text, number_text
from adtrack.reporting.tables import markdown_table
from adtrack.verbs.experiments import few_shot
from experiments.drift_figures import estimate, how, kept_table

CLEAN, SHIFTED = "Test-clean", "Test-shift"


def few_shot_models(folder: Path) -> list[FewShotModel]:
    """The models of few images that were measured."""
    return [
        FewShotModel(*row[:6], {name: row[f"{name}_{METRIC}"] for name in TEST_SETS})
        for _, row in pd.read_csv(folder / "few_shot" / "few_shot.csv").iterrows()
    ]


def few_shot_table(folder: Path) -> str:
    """What models of few images do."""
    about = json.loads((folder / "few_shot" / "about.json").read_text(encoding="utf-8"))
    return f"{markdown_table(few_shot.table(few_shot_lines(few_shot_models(folder))))}\n\n{how(about)}\n"


def networks_table(folder: Path) -> str:
    """What PatchCore does behind several networks."""
    columns = ("network", "images", "image AUROC", "difference", "dimensions", "model, MB", "ms a pass")

    def cells(row: pd.Series) -> Sequence[str]:
        return (
            *(row["network"], row["set"]),
            *(estimate_text(estimate(row, METRIC)), difference_text(estimate(row, f"{METRIC}_diff"))),
            *(number_text(row["dimensions"], 0), number_text(row["megabytes"], 2), number_text(row["pass_ms"], 1)),
        )

    return kept_table(folder, "backbones", columns, 2, cells)


def networks_lines(folder: Path) -> str:
    """The README's lines on networks, on clean and on shifted images, and on few images."""
    rows = pd.read_csv(folder / "backbones" / "backbones.csv")
    lines = []
    for network, some in rows.groupby("network", sort=False):
        by_set = some.set_index("set")
        clean, shifted = (estimate_text(estimate(by_set.loc[name], METRIC)) for name in (CLEAN, SHIFTED))
        first = by_set.loc[CLEAN]
        costs = f"{first['dimensions']:.0f} dimensions, a bank of {first['megabytes']:.1f} MB"
        lines.append(
            f"- `{network}`: image AUROC {clean} on clean images\n"
            f"  and {shifted} on shifted ones; {costs}, {first['pass_ms']:.0f} ms a pass.\n"
        )
    few = {line.words: line.auroc[TEST_SETS[0]].value for line in few_shot_lines(few_shot_models(folder))}
    told = ", ".join(f"{number_text(auroc)} from {words}" for words, auroc in few.items())
    lines.append(f"- Fewer images, behind the first of these networks, on clean images:\n  {told}.\n")
    return "".join(lines)
