"""What the user reads at the end of a verb: numbers that do not exist are no numbers, and it is said why."""

import math
from pathlib import Path

import pytest

from adtrack.verbs.metric_rows import print_metrics
from adtrack.verbs.report import print_scores
from adtrack.verbs.score.verb import ScoreReport

ALARMS = {"false_alarm_rate": 0.25, "false_alarm_rate_low": 0.125, "false_alarm_rate_high": 0.5, "recall": 0.875}

IMAGES = {"image_auroc": 1.0, "image_auroc_low": 0.5, "image_auroc_high": 1.0, "image_auprc": 1.0, "f1": 1.0}
PIXELS = {"pixel_auroc": 0.9, "pixel_aupro_030": 0.8}
UNDEFINED = dict.fromkeys(PIXELS, math.nan)


@pytest.mark.parametrize(
    ("sets", "no_pixels", "said"),
    [
        ({"val_clean": PIXELS, "val_shift": PIXELS}, "", None),
        (
            {"val_clean": UNDEFINED, "val_shift": PIXELS},
            "",
            "No pixel metrics of val_clean: no mask there marks a pixel that the view shows.",
        ),
        ({"val_clean": {}, "val_shift": {}}, "class tile has no masks", "No pixel metrics: class tile has no masks."),
    ],
)
def test_the_table_says_why_it_has_no_pixel_metrics(sets: dict, no_pixels: str, said: str | None) -> None:
    lines: list[str] = []
    print_metrics({name: IMAGES | metrics for name, metrics in sets.items()}, no_pixels, lines.append)
    assert "nan" not in "".join(lines)
    assert [line.strip() for line in lines if "No pixel" in line] == ([said] if said else [])


def test_f1_recall_and_false_alarms_stand_beside_the_auroc() -> None:
    lines: list[str] = []
    print_metrics({"test_clean": IMAGES | PIXELS | ALARMS, "test_shift": IMAGES | PIXELS | ALARMS}, "", lines.append)
    heading, *rows = lines
    assert heading.split() == [
        *("image", "AUROC", "AUPRC", "F1", "recall", "pixel", "AUROC", "AU-PRO", "0.30"),
        *("image", "AUROC", "95", "%", "false", "alarms", "95", "%"),
    ]
    assert [row.split()[0] for row in rows] == ["test_clean", "test_shift"]
    assert all("1.000  0.875" in " ".join(row.split()).replace(" ", "  ") for row in rows)
    assert all(row.endswith("0.250 [0.125, 0.500]") for row in rows) and max(map(len, lines)) <= 120


def test_heatmaps_are_named_where_there_are_some() -> None:
    table, page, folder = Path("out/scores.csv"), Path("out/gallery.html"), Path("out/overlays")
    for overlays in (folder, None):
        lines: list[str] = []
        print_scores(ScoreReport("models:/adtrack-part/1", table, page, 2, 1, (), overlays=overlays), lines.append)
        assert lines[-1] == f"Scores: {table}" + (f"   Heatmaps: {folder}" if overlays else "")
