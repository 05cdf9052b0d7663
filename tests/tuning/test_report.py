import json
import re

import pandas as pd
import pytest
from mlflow import MlflowClient

from adtrack.tracking.evaluation_files import read_curve, read_scores
from adtrack.tracking.run_contents import run_file, run_metrics, run_tags
from adtrack.tracking.tags import NOTE, STUDY
from adtrack.tracking.trials import study_trials
from adtrack.tuning.report import telling

pytestmark = pytest.mark.slow


def test_the_report_shows_every_trial_and_every_figure(study):
    page = run_file(study.parent, "report.html").read_text(encoding="utf-8")
    for number in range(3):
        assert re.search(rf'<td class="number">{number}</td>', page)
    for name in ("optimisation_history", "parallel_coordinates", "bank_mb", "shift", "roc", "pro"):
        assert f'id="{name}"' in page
    assert 'id="score_ms"' not in page  # trials that share a machine make no front of times
    for split in ("val_clean", "val_shift", "test_clean", "test_shift"):
        assert f'id="scores_{split}"' in page
    assert "data:image/jpeg;base64," in page and len(page) < 10e6


def test_the_note_tells_the_winner_and_leads_to_it(study):
    note = run_tags(study.parent)[NOTE]
    metrics = run_metrics(study.best)
    assert note.startswith("[The report](#/experiments/1/runs/") and "\n\n**Best of 3 trials: trial " in note
    assert f"#/experiments/1/runs/{study.best})" in note and f"runs/{study.parent}/artifacts/report.html" in note
    assert "adtrack score --model models:/adtrack-part/1 photos/" in note
    for split in ("val_clean", "test_shift"):
        ends = [f"{metrics[f'{split}/image_auroc{end}']:.3f}" for end in ("", "_low", "_high")]
        assert f"{ends[0]} [{ends[1]}, {ends[2]}]" in note
    assert len(note) < 8000  # what MLflow keeps of a tag


def test_the_table_of_images_begins_with_what_is_wrong(study):
    table = json.loads(run_file(study.best, "scores/val_shift.json").read_text(encoding="utf-8"))
    verdicts = [row[table["columns"].index("verdict")] for row in table["data"]]
    wrong = [word in ("missed", "false alarm") for word in verdicts]
    assert wrong == sorted(wrong, reverse=True) and any(wrong)
    scores = read_scores(study.best, "val_shift")
    assert sum(scores["predicted"] != scores["label"]) == sum(wrong)
    assert ((scores["score"] >= scores["threshold"]) == scores["predicted"]).all()


def test_curves_and_scores_can_be_read_back(study):
    fpr, pro = read_curve(study.best, "test_clean")
    assert (fpr[0], fpr[-1]) == (0.0, pytest.approx(0.3)) and (pro[1:] >= pro[:-1]).all()
    assert read_scores(study.best, "test_clean@0.5") is None and read_curve(study.parent, "val_clean") is None


def test_pictures_are_shown_once_though_pixels_are_measured_later(study):
    client = MlflowClient()
    for trial in study_trials(run_tags(study.best)[STUDY]):
        assert "val_shift/pixel_auroc" in trial.metrics and read_curve(trial.run_id, "val_shift") is not None
        assert len(client.get_metric_history(trial.run_id, "val_shift/image_auroc")) == 1
        files = [item.path for item in client.list_artifacts(trial.run_id, "images") if item.path.endswith(".png")]
        names = [path.partition("step")[0] for path in files]
        assert names and len(set(names)) == len(names)


def test_a_study_whose_tables_are_lost_or_damaged_is_written_up_without_them(own_study, adtrack, part, space):
    (files,) = own_study.folder.glob(f"mlruns/*/{own_study.best}/artifacts")
    (files / "scores/val_clean.csv").unlink()
    (files / "scores/val_shift.csv").write_bytes(b"\0\xff,,,\n[[[")
    (files / "scores/test_clean.csv").write_text("path,kind,label,score,threshold\n", encoding="utf-8")
    (files / "curves/test_shift.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    done = adtrack("tune", *part, *space, "--trials", 3)
    assert done.code == 0 and "Traceback" not in done.err, done.err
    named = re.findall(rf"(\S+) of run {own_study.best} cannot be read .*: what it shows is left out", done.err)
    assert set(named) == {"scores/val_shift.csv", "scores/test_clean.csv", "curves/test_shift.csv"}
    page = run_file(own_study.parent, "report.html").read_text(encoding="utf-8")
    assert 'id="scores_test_shift"' in page and 'id="roc"' in page
    assert not [name for name in ("scores_val_clean", "scores_val_shift", "pro") if f'id="{name}"' in page]


def test_the_time_of_the_best_banks_images_is_measured_again_when_no_trial_runs(study):
    client, children = MlflowClient(), f"tags.mlflow.parentRunId = '{study.parent}'"
    trials = client.search_runs(["0", "1"], children)
    counts = {one.info.run_id: len(client.get_metric_history(one.info.run_id, "cost/score_ms")) for one in trials}
    assert len(counts) == 3 and counts == {run: 1 + (run == study.best) for run in counts}


def test_metrics_are_linked_to_the_model_and_to_the_data(study):
    model = MlflowClient().get_logged_model(run_tags(study.best)["adtrack.model"].removeprefix("models:/"))
    linked = {metric.key: metric for metric in model.metrics}
    assert linked["val_clean/image_auroc"].value == run_metrics(study.best)["val_clean/image_auroc"]
    assert linked["val_clean/image_auroc"].dataset_name == "part/val_clean"


def test_the_images_to_look_at_are_the_most_wrong_of_each_kind():
    rows = [("good", 0, 1.0), ("good", 0, 3.0), ("spot", 1, 5.0), ("spot", 1, 4.0), ("crack", 1, 2.0)]
    scores = pd.DataFrame(rows, columns=["kind", "label", "score"])
    assert telling(scores) == [1, 4, 3]  # the good image with the highest score, then the hardest kind
