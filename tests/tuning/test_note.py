"""The note on a study's parent run: links first, the winner, and a table that MLflow's pages show with room in it."""

import re

from adtrack.tracking.trials import TrialRecord
from adtrack.tuning.note import study_note
from adtrack.tuning.report import Story

VALUES = {
    "image_auroc": 0.9,
    "image_auroc_low": 0.8,
    "image_auroc_high": 1.0,
    "image_auprc": 0.7,
    "f1": 0.6,
    "recall": 0.5,
}
ALARMS = {"false_alarm_rate": 1.0, "false_alarm_rate_low": 0.8, "false_alarm_rate_high": 1.0}
CALLS = {"f1": 0.6, "recall": 0.5}
PIXELS = {"pixel_auroc": 0.5, "pixel_aupro_030": 0.4}


def note() -> str:
    metrics = {f"val_clean/{name}": value for name, value in (VALUES | PIXELS | ALARMS | CALLS).items()}
    costs = {"cost/bank_rows": 13, "cost/bank_mb": 0.01, "cost/score_ms": 7}
    params = {"layers": "layer2", "patch_size": "3", "coreset_fraction": "0.1", "seed": "42"}
    best = TrialRecord("part", "s", "0" * 64, 4, "b" * 32, params, metrics | costs)
    story = Story(None, [best], best, "models:/adtrack-part/1", "image AUROC on Val-clean", "image_auroc", "patches")
    return study_note(story, "1", "p" * 32)


def test_links_come_first_then_the_winner_and_how_to_use_it() -> None:
    links, winner, brief, remarks, counted, command, *_ = note().split("\n\n")
    assert remarks == "Every good image of Val-clean raises a false alarm at this threshold."
    assert f"runs/{'p' * 32}/artifacts/report.html" in links and f"runs/{'b' * 32})" in links
    assert winner.startswith("**Best of 1 trials: trial 4") and "0.900 [0.800, 1.000]" in brief
    assert "The threshold has the best F1 on Val-clean: Val-clean F1 0.600, false alarms 1.000" in brief
    assert brief.endswith("recall 0.500")
    assert "image AUROC on Val-clean" in counted and "adtrack score --model models:/adtrack-part/1" in command


def test_the_table_is_narrow_and_has_room_between_its_cells() -> None:
    heading, rule, row = (line for line in note().split("\n") if line.startswith("|"))
    names = [re.sub("&nbsp;", "", cell).strip() for cell in heading.strip("|").split("|")]
    assert names == ["Images", "Image AUROC [95 %]", "AUPRC", "F1", "False alarms [95 %]", "Pixel AUROC", "AU-PRO 0.30"]
    assert row.startswith("| Val-clean&nbsp; | &nbsp;0.900 [0.800, 1.000]&nbsp; | &nbsp;0.700&nbsp;")
    assert re.fullmatch(r"\| ---( \| ---:)+ \|", rule)
