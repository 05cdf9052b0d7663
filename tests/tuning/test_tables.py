import csv
import math
from pathlib import Path

import pandas as pd
import pytest

from adtrack.errors import UserError
from adtrack.tracking.trials import TrialRecord
from adtrack.tuning.tables import alarms_in_words, best_table, best_trials, write_tables


def record(number: int, objective: float = 0.5, bank_mb: float = 1.0, **changes) -> TrialRecord:
    """A trial with plausible metrics; ``metrics`` are added to them."""
    metrics = {"objective": objective, "cost/bank_mb": bank_mb, "cost/score_ms": 41.26, "cost/bank_rows": 2000.0}
    for split, auroc in (("val_clean", 2 / 3), ("val_shift", 0.1 + 0.2)):
        metrics |= {f"{split}/image_auroc": auroc, f"{split}/f1": 0.75, f"{split}/threshold": 1e-17}
        metrics |= {f"{split}/image_auroc_low": auroc - 0.05, f"{split}/image_auroc_high": auroc + 0.05}
    fields = {
        "class_name": "zipper",
        "study": "zipper-a1",
        "split_digest": "0123456789abcdef" * 4,
        "run_id": f"{number:08x}" + "f" * 24,
        "params": {"patch_size": "3", "layers": "layer2+layer3", "coreset_fraction": "0.025"}
        | {"backbone": "resnet18", "weights": "random"},
    } | changes
    return TrialRecord(number=number, **(fields | {"metrics": metrics | fields.get("metrics", {})}))


def on_test(number: int, **changes) -> TrialRecord:
    """A trial that has been evaluated on Test."""
    metrics = {"test_clean/image_auroc": 0.9876, "test_shift/image_auroc": 0.8765} | changes.pop("metrics", {})
    return record(number, 0.99, metrics=metrics, **changes)


def texts(trials: list[TrialRecord], folder: Path) -> dict[str, str]:
    return {path.suffix[1:]: path.read_text(encoding="utf-8") for path in write_tables(trials, folder)}


def test_rows_are_ranked_within_class_study_and_split():
    trials = [record(0, 0.1), record(1, 0.2), record(0, 0.3, class_name="carpet"), record(2, 0.15, split_digest="b")]
    frame = best_trials(trials)
    rows = list(zip(frame["class"], frame["split_digest"].str[:1], frame["rank"], frame["trial"], strict=True))
    assert rows == [("carpet", "0", 1, 0), ("zipper", "0", 1, 1), ("zipper", "0", 2, 0), ("zipper", "b", 1, 2)]


def test_columns_keep_the_order_of_the_protocol():
    frame = best_trials([record(0, metrics={"zeta": 1.0}), on_test(1)])
    names = [name for name in frame.columns if "/" in name or name == "zeta"]
    assert names[:3] == ["val_clean/image_auroc", "val_clean/image_auroc_low", "val_clean/image_auroc_high"]
    assert names[-6:] == [
        *("test_clean/image_auroc", "test_shift/image_auroc"),
        *("cost/bank_rows", "cost/bank_mb", "cost/score_ms", "zeta"),
    ]
    assert math.isnan(frame["test_clean/image_auroc"][1]) and frame["test_clean/image_auroc"][0] == 0.9876


def test_csv_round_trips_to_the_last_bit(tmp_path):
    trials = [record(0, 1 / 3), on_test(1), record(2, math.nan, class_name='a "b", c\n=1')]
    write_tables(trials, tmp_path)
    with (tmp_path / "best_trials.csv").open(encoding="utf-8", newline="") as file:
        read = list(csv.DictReader(file))
    expected = best_trials(trials).to_dict("records")
    assert [list(row) for row in read] == [list(row) for row in expected]
    for texts_read, values in zip(read, expected, strict=True):
        for name, value in values.items():
            same = float if isinstance(value, float) and not math.isnan(value) else str
            assert same(texts_read[name]) == ("" if pd.isna(value) else same(value)), name
    assert b"\r" not in (tmp_path / "best_trials.csv").read_bytes()


def test_the_same_trials_give_the_same_bytes_in_any_order(tmp_path):
    trials = [record(0, 0.1), on_test(1), record(0, 0.3, class_name="carpet")]
    assert texts(trials, tmp_path / "a") == texts(trials[::-1], tmp_path / "b")


def test_people_read_rounded_numbers_with_intervals(tmp_path):
    trials = [
        record(0, 0.41, 12.345),
        on_test(1, bank_mb=0.012, params={"layers": "layer1", "backbone": "resnet18", "weights": "random"}),
    ]
    tables = texts(trials, tmp_path)["md"].split("## ")
    assert "| 1 | 1 | – | layer1 | – | 0.9900 | 0.667 [0.617, 0.717] | 0.750 | 0.300 [0.250, 0.350] |" in tables[2]
    assert "| 0.01 | 41.3 | 00000001 |" in tables[2] and "| 12.3 | 41.3 | 00000000 |" in tables[2]
    assert "study zipper-a1, resnet18 with random weights, 2 trials, split 0123456789ab." in tables[2].replace("\\", "")
    assert tables[1].startswith("Best trials on Test") and "| 0.988 |" in tables[1] and "| 0.876 |" in tables[1]
    assert "Only the best trial is evaluated on Test" in tables[2]


def test_aupro_has_a_column_only_where_there_are_masks(tmp_path):
    plain = texts([record(0)], tmp_path / "plain")["md"]
    masked = texts([record(0, metrics={"val_clean/pixel_aupro_030": 0.71234}), record(1)], tmp_path / "masked")["md"]
    assert "Val-clean AU-PRO" not in plain and "Val-clean AU-PRO" in masked
    assert "| 0.712 |" in masked and "| – |" in masked


def test_false_alarms_stand_in_every_table_with_their_interval(tmp_path):
    alarms = {f"val_shift/false_alarm_rate{end}": value for end, value in (("", 0.5), ("_low", 0.25), ("_high", 0.75))}
    tested = {f"test_{key.removeprefix('val_')}": value for key, value in alarms.items()}
    tables = texts([record(0), on_test(1, metrics=alarms | tested)], tmp_path / "new")
    assert tables["md"].count("| 0.500 [0.250, 0.750] |") == 2 and "Val-shift false alarms [95 %]" in tables["md"]
    assert "the share of good images at or above that threshold" in tables["md"]
    assert "val_shift/false_alarm_rate_low" in tables["csv"]
    assert "false alarms [95" not in texts([record(0)], tmp_path / "old")["md"]  # trials of an older adtrack
    found = best_table(on_test(1, metrics=alarms | {"val_shift/f1": 0.5}))
    place = [column.heading for column in found.columns].index("False alarms [95 %]")
    assert [row[place] for row in found.rows] == ["–", "0.500 [0.250, 0.750]"]


def test_recall_stands_beside_f1_and_it_is_said_at_which_threshold(tmp_path):
    both = {"calibrate_on": "both", "threshold_from": "f1", "layers": "layer1"}
    trials = [on_test(1, metrics={"test_shift/recall": 0.625, "val_clean/recall": 0.5}, params=both)]
    tables = texts(trials, tmp_path / "both")["md"]
    assert "Test-shift recall" in tables and "| 0.625 |" in tables and "Val-clean recall" in tables
    said = "F1 and recall are measured at the threshold that has the best F1 on {}."
    assert tables.replace("\\", "").count(said.format("Val-clean and Val-shift together")) == 2
    older = texts([record(0)], tmp_path / "older")["md"]
    assert said.format("Val-clean") in older.replace("\\", "") and "Val-clean recall" not in older


def test_sets_of_whose_good_images_all_alarm_are_told():
    rates = {"val_clean": 0.5, "val_shift": 1.0, "test_clean": 0.93, "test_shift": 1.0}
    metrics = {f"{name}/false_alarm_rate": rate for name, rate in rates.items()}
    assert alarms_in_words(record(0, metrics=metrics)) == (
        "Every good image of Val-shift and of Test-shift raises a false alarm at this threshold: a threshold or a "
        "model made from images as they will be may mend that. 93 % of the good images of Test-clean raise a false "
        "alarm at this threshold."
    )
    assert alarms_in_words(record(0)) == ""


def test_a_limit_shows_only_where_a_trial_breaks_it(tmp_path):
    assert "Within" not in texts([record(0)], tmp_path / "a")["md"]
    limited = texts([record(0), record(1, feasible=False)], tmp_path / "b")
    assert "Within limit" in limited["md"]
    assert limited["html"].count('<tr class="best">') == 1


def test_no_row_is_best_where_none_is_feasible(tmp_path):
    assert '<tr class="best">' not in texts([record(0, feasible=False)], tmp_path)["html"]


def test_two_studies_of_a_class_are_told_apart_on_test(tmp_path):
    one = texts([on_test(0)], tmp_path / "one")["md"]
    two = texts([on_test(0), on_test(0, study="zipper-b2")], tmp_path / "two")["md"]
    assert "| Class | Trial |" in one and "| Class | Study | Trial |" in two


def test_several_methods_share_a_table_with_the_settings_of_all(tmp_path):
    padim = {"method": "padim", "layers": "layer1", "padim_dimensions": "50"}
    trials = [on_test(0), on_test(1, study="padim-b2", params=padim)]
    frame = best_trials(trials)
    assert list(frame["method"]) == ["padim", "patchcore"] and list(frame["layers"]) == ["layer1", "layer2+layer3"]
    names = ["method", "layers", "padim_dimensions", "patch_size", "coreset_fraction", "backbone"]
    assert sorted(frame.columns[5:11]) == sorted(names) and math.isnan(frame["patch_size"][0])
    table = texts(trials, tmp_path)["md"]
    assert "| Class | Study | Trial | Method |" in table and "| PaDiM |" in table and "| PatchCore |" in table
    assert "study padim-b2, PaDiM, 1 trial" in table.replace("\\", "")


def test_no_trials_is_an_error(tmp_path):
    with pytest.raises(UserError, match="at least one finished trial"):
        best_trials([])
    with pytest.raises(UserError, match="at least one finished trial"):
        write_tables([], tmp_path)
