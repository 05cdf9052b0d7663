"""What the experiments on drift have left in experiments/results/, as sentences for the README and as tables."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from adtrack.evaluation.intervals import Estimate
from adtrack.reporting.table import Column, Table, difference_text, estimate_text, number_text
from adtrack.reporting.tables import markdown_table

Cells = Callable[[pd.Series], Sequence[str]]
_PLAIN, _BUILT = "plain", "built for drift"
_PHOTOS, _DEFECTS = 16, 2
_OTHER = "another kind"


def more_on_drift(folder: Path) -> str:
    """The tables of those further experiments on drift that have left results, each under a heading."""
    made = {
        "severity": ("From no shift to twice the protocol's", severity_table),
        "unseen_shifts": ("Shifts that the draws do not hold", unseen_table),
        "adaptation": (f"A threshold that goes with {_PHOTOS} photos, {_DEFECTS} of them defects", adaptation_table),
    }
    found = [(heading, table) for name, (heading, table) in made.items() if (folder / name).is_dir()]
    return "\n".join(f"### {heading}\n\n{table(folder)}" for heading, table in found)


def drift_lines(folder: Path) -> str:
    """The README's lines on drift, from those experiments that have left results."""
    return regimes_lines(folder) + (unseen_lines(folder) if (folder / "unseen_shifts").is_dir() else "")


def how(about: Mapping[str, Any]) -> str:
    """The command that made a result, and where it ran."""
    versions = ", ".join(f"{library} {version}" for library, version in about["versions"].items())
    return f"`{about['command']}` (seed {about['seed']}, {about['device']}; {versions})."


def regimes_table(folder: Path) -> str:
    """The regimes of one data set."""
    columns = ("class", "method", "regime", "image AUROC", "difference", "F1", "false alarms", "recall")

    def cells(row: pd.Series) -> Sequence[str]:
        return (
            *(row["class"], row["method"], row["regime"]),
            _text(row, "image_auroc"),
            difference_text(estimate(row, "image_auroc_diff")),
            *(_text(row, metric) for metric in ("f1", "false_alarm_rate", "recall")),
        )

    return kept_table(folder, "shift_regimes", columns, 3, cells)


def severity_table(folder: Path) -> str:
    """Both models from no shift to twice the protocol's."""
    columns = ("class", "method", "model", "severity", "image AUROC", "F1", "false alarms", "recall")

    def cells(row: pd.Series) -> Sequence[str]:
        names = (row["class"], row["method"], row["model"], f"{row['severity']:g}")
        return *names, *(_text(row, metric) for metric in ("image_auroc", "f1", "false_alarm_rate", "recall"))

    return kept_table(folder, "severity", columns, 3, cells)


def unseen_table(folder: Path) -> str:
    """What is lost, and what is won back, under shifts that the draws do not hold."""
    columns = (
        *("class", "method", "shift", "drop", "gain", "of the drop won back", "of the gain on Test-shift"),
        *(f"{what}, {side}" for what in ("false alarms", "recall") for side in (_PLAIN, _BUILT)),
    )

    def cells(row: pd.Series) -> Sequence[str]:
        return (
            *(row["class"], row["method"], f"{row['group']}: {row['shift']}"),
            *(difference_text(estimate(row, name)) for name in ("drop", "gain")),
            *(estimate_text(estimate(row, name), 2) for name in ("won_back", "kept")),
            *(
                number_text(row[f"{side}_{metric}"])
                for metric in ("false_alarm_rate", "recall")
                for side in ("plain", "built")
            ),
        )

    return kept_table(folder, "unseen_shifts", columns, 3, cells)


def adaptation_table(folder: Path) -> str:
    """What a threshold does that goes with a handful of photos, under each shift."""
    columns = (
        *("class", "method", "model", "shift", "image AUROC", "promised"),
        *(f"{what}, {when}" for what in ("false alarms", "recall") for when in ("before", f"{_PHOTOS} photos")),
        "refused",
    )

    def cells(row: pd.Series) -> Sequence[str]:
        before_after = (f"{metric}{end}" for metric in ("false_alarm_rate", "recall") for end in ("_before", ""))
        numbers = (row[name] for name in ("image_auroc", "promised", *before_after, "refused"))
        return *(row["class"], row["method"], row["model"], row["shift"]), *map(number_text, numbers)

    return kept_table(folder, "adaptation", columns, 4, cells, _handful)


def regimes_lines(folder: Path) -> str:
    """The README's lines on what drift costs, and what wins it back."""
    rows = pd.read_csv(folder / "shift_regimes" / "shift_regimes.csv").set_index(["method", "regime"])

    def auroc(method: str, regime: str) -> str:
        return _text(rows.loc[(method, regime)], "image_auroc")

    def alarms(method: str, regime: str) -> str:
        return _percent(rows.loc[(method, regime), "false_alarm_rate"])

    def recall(method: str, regime: str) -> str:
        return _percent(rows.loc[(method, regime), "recall"])

    built, built_clean, adapted = "built for drift", "built for drift, clean images", "adapted without labels"
    return (
        f"- **Drift costs a lot.** PatchCore's image AUROC falls from {auroc('patchcore', 'clean reference')} to "
        f"{auroc('patchcore', 'none')},\n  PaDiM's from {auroc('padim', 'clean reference')} to "
        f"{auroc('padim', 'none')}.\n"
        "- **A threshold from shifted images cannot mend a ranking.** The AUROC stays. PatchCore's false alarms go "
        f"from\n  {alarms('patchcore', 'none')} of the good images to {alarms('patchcore', 'threshold-only')}, PaDiM's "
        f"from {alarms('padim', 'none')} to {alarms('padim', 'threshold-only')}; on clean images PatchCore has\n"
        f"  {alarms('patchcore', 'clean reference')}, PaDiM {alarms('padim', 'clean reference')}.\n"
        "- **A bank from shifted images wins a part back.** PatchCore comes to an AUROC of "
        f"{auroc('patchcore', 'full adaptation')}\n  and to {alarms('patchcore', 'full adaptation')} false alarms.\n"
        f"- **A bank built for drift keeps working.** It has an AUROC of {auroc('patchcore', built)} on shifted\n"
        f"  images and {auroc('patchcore', built_clean)} on clean ones. At one threshold for both, "
        f"{alarms('patchcore', built)} and\n  {alarms('patchcore', built_clean)} of the good images are false alarms, "
        f"and {recall('patchcore', built)} and {recall('patchcore', built_clean)} of the defects are found. PaDiM\n"
        f"  comes to {auroc('padim', built)} and {auroc('padim', built_clean)}.\n"
        f"- **A handful of photos moves the threshold where it must** (`adtrack adapt`). With {_PHOTOS} shifted ones, "
        f"two of them with\n  defects, this bank has {alarms('patchcore', adapted)} false alarms on the others, and "
        f"finds {recall('patchcore', adapted)} of the defects:\n  its threshold was chosen for both domains.\n"
    )


def unseen_lines(folder: Path) -> str:
    """The README's lines on drift that no draw held: what is won back, what is not, and what photos do there."""
    rows = pd.read_csv(folder / "unseen_shifts" / "unseen_shifts.csv")
    rows = rows[rows["method"] == "patchcore"]
    kinds, mean = (
        rows[(rows["group"] == _OTHER) & (rows["shift"].str.startswith("mean of") == is_mean)]
        for is_mean in (False, True)
    )
    drawn, over = rows[rows["shift"] == "as drawn"].iloc[0], mean.iloc[0]
    lossy = kinds[kinds["lossy"] > 0]
    if lossy.empty:
        return f"- **Drift that no draw held** costs the plain bank nothing under {len(kinds)} other kinds.\n"
    won, vanished = lossy[lossy["gain_low"] > 0], lossy[lossy["gain_low"] <= 0]
    least = lossy.sort_values("won_back").iloc[:1]
    gained = f"A gain is seen under {_listed(won) or 'none'}; it vanishes under {_listed(vanished)}."
    return (
        f"- **Drift that no draw held is won back in part.** Of {len(kinds)} other kinds of drift, {len(lossy)} cost "
        f"the plain bank something:\n  {_listed(lossy)}. Of that drop the bank built for drift\n  wins back "
        f"{estimate_text(estimate(over, 'won_back'), 2)}, and of that on MVTec-Shift "
        f"{estimate_text(estimate(drawn, 'won_back'), 2)}.\n"
        f"  {gained if len(vanished) else 'Each of them gains.'} Least is won back under {_listed(least)}: "
        f"{estimate_text(estimate(least.iloc[0], 'won_back'), 2)}.\n"
    )


def _handful(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[(rows["photos"] == _PHOTOS) & (rows["defects"] == _DEFECTS)]


def kept_table(
    folder: Path,
    name: str,
    headings: Sequence[str],
    names: int,
    cells: Cells,
    chosen: Callable[[pd.DataFrame], pd.DataFrame] = lambda rows: rows,
) -> str:
    """The rows of a result as Markdown, and the command that measured them. The first ``names`` columns are words."""
    rows = chosen(pd.read_csv(folder / name / f"{name}.csv"))
    about = json.loads((folder / name / "about.json").read_text(encoding="utf-8"))
    columns = tuple(Column(heading, number=at >= names) for at, heading in enumerate(headings))
    table = Table("", columns, tuple(tuple(cells(row)) for _, row in rows.iterrows()), "")
    return f"{markdown_table(table)}\n\n{how(about)}\n"


def _listed(kinds: pd.DataFrame) -> str:
    """The kinds of drift, each by the first of its words."""
    return ", ".join(shift.partition(",")[0].partition(" ×")[0] for shift in kinds["shift"])


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def estimate(row: pd.Series, name: str) -> Estimate:
    """A metric of a result with its interval."""
    return Estimate(row[name], row[f"{name}_low"], row[f"{name}_high"])


def _text(row: pd.Series, name: str) -> str:
    return estimate_text(estimate(row, name))
