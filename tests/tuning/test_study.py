"""Studies: from the first trial to the registered bank, gone on with, limited, and alike wherever they run."""

import dataclasses
import math
import os
import re
import shutil
import signal
from statistics import fmean

import mlflow
import numpy as np
import optuna
import pytest
from mlflow import MlflowClient
from optuna.trial import TrialState

from adtrack.config import BackboneSpec, BuildSpec, DataSpec, ImageSpec, digest, plain
from adtrack.detectors.patchcore_spec import PatchCoreSpec
from adtrack.errors import UserError
from adtrack.evaluation import measuring
from adtrack.evaluation.workbench import Workbench
from adtrack.threshold_spec import ThresholdSpec
from adtrack.tracking.store import search_runs
from adtrack.tracking.trials import study_trials
from adtrack.tuning import finish, one_trial
from adtrack.tuning.ranking import ranked
from adtrack.tuning.searched import about
from adtrack.tuning.space import Space
from adtrack.tuning.spec import StudySpec
from adtrack.tuning.study import best_of, default_name, open_shared, study_digests
from tests.tuning.spaces import PLAIN_OPTIONS

VALUES = ("val_clean/image_auroc", "val_shift/image_auroc", "val_clean/threshold", "objective")


def runs(role: str = "") -> list:
    found = search_runs("")
    return [run for run in found if not role or run.data.tags["adtrack.role"] == role]


def statuses() -> set[str]:
    return {run.info.status for run in runs()}


def versions() -> list[str]:
    return sorted(str(found.version) for found in MlflowClient().search_model_versions("name = 'adtrack-part'"))


def outcome_of(records: list) -> list:
    """Cells and numbers of finished trials, in their order."""
    cell = ("patch_size", "layers", "coreset_fraction")
    return [[*(record.params[name] for name in cell), *(record.metrics[name] for name in VALUES)] for record in records]


def scores_of(records: list) -> list[str]:
    return [
        mlflow.artifacts.load_text(f"runs:/{record.run_id}/scores/{split}.csv")
        for record in records
        for split in ("val_clean", "val_shift")
    ]


def optuna_trials(name: str) -> list:
    return optuna.load_study(study_name=name, storage="sqlite:///optuna.db").trials


def stop_after(monkeypatch, calls: int, trouble) -> None:
    """From the call after ``calls`` on, building a bank raises or does ``trouble``."""
    real, count = one_trial.climb, iter(range(1000))

    def climb(*arguments, **named):
        if next(count) >= calls:
            if isinstance(trouble, signal.Signals):
                os.kill(os.getpid(), trouble)
            else:
                raise trouble
        return real(*arguments, **named)

    monkeypatch.setattr(one_trial, "climb", climb)


def test_what_the_user_reads(study):
    said = study.outcome.out
    cell = r"patch size \d, layers layer\d, coreset fraction 0\.\d+"
    line = rf"^Trial (\d) +0\.\d{{4}}  \(best 0\.\d{{4}}\)  {cell}  \d+\.\d s; (\d) of 3 done(.*)$"
    found = re.findall(line, said, re.M)
    assert [(number, done) for number, done, _ in found] == [("0", "1"), ("1", "2"), ("2", "3")]
    assert [bool(re.fullmatch(r", about \d+ s left", left)) for *_, left in found] == [True, True, False]
    best = best_of(study.name)
    assert f"Best of 3 trials: {about(best)}; " in said
    for split in ("val_clean", "val_shift", "test_clean", "test_shift"):
        assert re.search(rf"^  {split} +\d\.\d{{3}}", said, re.M)
    assert re.search(r"^  The threshold \d\S+ has the best F1 on Val-clean and Val-shift together\.$", said, re.M)
    assert "Registered as adtrack-part version 1, champion." in said
    tables, report = (re.search(rf"{what}: (.*)", said)[1] for what in ("Tables", "Report"))
    assert (study.folder / tables / "best_trials.csv").is_file() and (study.folder / report).is_file()
    assert "adtrack score --model models:/adtrack-part@champion" in said
    assert "adtrack export --class part" in said
    assert study.outcome.err == ""


def test_a_study_begins_with_the_recipes(workplace, adtrack, part):
    done = adtrack("tune", *part, "--trials", 2, "--space-layers", "layer3", "--space-coreset-fraction", "0.1")
    assert done.code == 0
    assert re.search(
        "^Trial 0 .* smooth 0, augment 0, standardise 0, score top 0, patch size 3, layers layer3, ", done.out, re.M
    )
    assert re.search("^Trial 1 .* smooth 1, augment 3, standardise 1, score top 0.04, patch size 3, ", done.out, re.M)
    drawn = next(run for run in runs("trial") if run.data.params["augment"] == "3")
    assert drawn.data.params["standardise"] == "1.0" and "+3 draws" in drawn.info.run_name


def test_trials_take_different_cells_and_the_best_wins(study):
    records = study_trials(study.name)
    cells = {(one.params["patch_size"], one.params["layers"], one.params["coreset_fraction"]) for one in records}
    assert len(cells) == 3
    assert study.best == ranked(records)[0].run_id == best_of(study.name).run_id
    for one in records:
        clean, shift = (one.metrics[f"val_{domain}/image_auroc"] for domain in ("clean", "shift"))
        assert one.metrics["objective"] == (clean + shift) / 2


def test_the_default_name_holds_class_data_and_what_is_asked(study):
    assert re.fullmatch("part-[0-9a-f]{8}-[0-9a-f]{8}", study.name)
    digest = MlflowClient().get_run(study.parent).data.tags["adtrack.split_digest"]
    assert study.name.split("-")[1] == digest[:8]
    assert default_name("nut", {"a": "0123456789", "b": "abcdefghij"}) == "nut-01234567-abcdefgh"


def test_a_stop_while_the_best_is_tested_loses_nothing(workplace, adtrack, part, space, monkeypatch):
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    command = ("tune", *part, *space, "--sampler", "grid", "--trials", 1)
    with monkeypatch.context() as patch:
        patch.setattr(finish, "register", stop)
        assert adtrack(*command).code == 130
    assert {run.data.tags["adtrack.role"]: run.info.status for run in runs()}["trial"] == "FINISHED"
    done = adtrack(*command)
    assert done.code == 0 and "goes on: 1 of 1 trials are finished" in done.out
    assert len(runs("trial")) == 1 and statuses() == {"FINISHED"} and versions() == ["1"]


def test_trials_that_run_out_of_memory_fail_and_the_study_goes_on(workplace, adtrack, part, space, monkeypatch):
    real = one_trial.climb

    def climb(bench, ladder, told):
        if ladder[-1].coreset_fraction == 0.1:
            raise MemoryError("too large")
        return real(bench, ladder)

    monkeypatch.setattr(one_trial, "climb", climb)
    done = adtrack("tune", *part, *space, "--sampler", "grid", "--trials", 1)
    assert done.code == 1
    assert "Trial 0 failed: MemoryError: too large" in done.out and "Failed trials: 1;" in done.out
    by_status = {run.info.status: run.info.run_id for run in runs("trial")}
    assert "MemoryError" in mlflow.artifacts.load_text(f"runs:/{by_status['FAILED']}/error.txt")
    assert [record.number for record in study_trials(runs("study")[0].data.tags["adtrack.study"])] == [1]


def test_a_study_of_failures_says_so(workplace, adtrack, part, space, monkeypatch):
    stop_after(monkeypatch, 0, MemoryError("too large"))
    done = adtrack("tune", *part, *space, "--sampler", "grid", "--trials", 1, "--space-patch-size", "1")
    assert done.code == 2 and "must have a finished trial" in done.err
    assert "RUNNING" not in statuses()


def test_any_other_error_ends_the_study_and_is_not_hidden(workplace, adtrack, part, space, monkeypatch):
    stop_after(monkeypatch, 1, RuntimeError("a bug"))
    with pytest.raises(RuntimeError, match="a bug"):
        adtrack("tune", *part, *space, "--sampler", "grid", "--trials", 3)
    assert sorted(run.info.status for run in runs()) == ["FAILED", "FAILED", "FINISHED"]


def test_a_bank_above_the_limit_does_not_win(workplace, adtrack, part, space):
    done = adtrack("tune", *part, *space, "--sampler", "grid", "--trials", 3, "--max-bank-mb", "0.02")
    assert done.code == 0, done.err
    records = study_trials(runs("study")[0].data.tags["adtrack.study"])
    assert [record.feasible for record in records] == [False, False, True]
    assert [record.metrics["cost/bank_mb"] <= 0.02 for record in records] == [False, False, True]
    assert records[0].metrics["objective"] > records[2].metrics["objective"]
    assert best_of(records[0].study).number == 2 and "Best of 3 trials: trial 2" in done.out
    tested = [record.number for record in records if "test_clean/image_auroc" in record.metrics]
    assert tested == [2]


def test_a_pareto_study_has_two_values_and_one_ranking(workplace, adtrack, part, space):
    done = adtrack("tune", *part, *space, "--objective", "pareto", "--metric", "pixel_auroc", "--trials", 1)
    assert done.code == 0, done.err
    records = study_trials(runs("study")[0].data.tags["adtrack.study"])
    trials = optuna_trials(records[0].study)
    for record, trial in zip(records, trials, strict=True):
        clean, shift = (record.metrics[f"val_{domain}/pixel_auroc"] for domain in ("clean", "shift"))
        assert trial.values == [clean, shift] and record.metrics["objective"] == (clean + shift) / 2


def test_a_metric_on_pixels_needs_masks(workplace, adtrack, part, space, write_part, tmp_path):
    bare = write_part(tmp_path / "bare", masks=False)
    options = [str(bare) if before == "--data" else text for before, text in zip(("", *part), part, strict=False)]
    refused = adtrack("tune", *options, *space, "--metric", "pixel_auroc")
    assert refused.code == 2 and "metric pixel_auroc needs masks, but class part has no ground_truth" in refused.err
    assert runs() == []
    done = adtrack("tune", *options, *space, "--trials", 1)
    assert done.code == 0 and "Warning: Class part has no masks" in done.err
    assert not any("pixel" in name for run in runs() for name in run.data.metrics)


@pytest.mark.parametrize(
    ("rows", "metric", "objective", "said"),
    [
        (4, "pixel_auroc", "clean", "val_clean in the view, but resize 64 with crop 56 shows none: 2 of 2 defects lie"),
        (0, "pixel_aupro_030", "pareto", "val_clean in the view, but resize 64 with crop 56 shows none: 2 of 2 masks"),
        (0, "pixel_aupro_005", "shift", "val_shift in the view, but resize 64 with crop 56 shows none: 2 of 2 masks"),
    ],
)
def test_a_metric_that_no_bank_can_have_is_refused_before_the_first_trial(
    workplace, adtrack, part, space, data_with_masks, rows, metric, objective, said
):
    """Defects in the outermost rows, which the crop leaves out, or none drawn at all: NaN would be tried for ever."""
    mask = np.zeros((64, 64), dtype=bool)
    mask[:rows] = True
    command = ("tune", *part, "--data", data_with_masks(mask), *space, "--metric", metric, "--objective", objective)
    refused = adtrack(*command, "--crop", 56)
    assert refused.code == 2 and f"metric {metric} needs a defect pixel of {said}" in refused.err
    assert "part/test/s" in refused.err and "--metric image_auroc asks for no pixels." in refused.err
    assert ("--crop 0 shows whole images" in refused.err) == (rows > 0)
    assert ("8 of 8 defects of class part lie wholly outside the view" in refused.err) == (rows > 0)
    assert runs() == []


@pytest.mark.parametrize("objective", ["worst", "pareto"])
def test_an_undefined_objective_is_never_tried_again(workplace, adtrack, part, space, monkeypatch, objective):
    """Whatever the reason: every cell fails once, and the study ends."""
    real = measuring.evaluate

    def without_auroc(scored, *arguments):
        found = real(scored, *arguments)
        lost = {"image_auroc": math.nan} if scored.images.domain == "shift" else {}
        return dataclasses.replace(found, metrics=found.metrics | lost)

    command = ("tune", *part, *space, "--space-patch-size", "1", "--space-layers", "layer3", "--objective", objective)
    with monkeypatch.context() as patch:
        patch.setattr(measuring, "evaluate", without_auroc)
        done = adtrack(*command)
    assert done.code == 2 and "must have a finished trial" in done.err
    assert (
        len(re.findall(r"Trial \d failed: UndefinedObjectiveError: the .*AUROC.* is undefined \(NaN\)", done.out)) == 2
    )
    trials = optuna_trials(runs("study")[0].data.tags["adtrack.study"])
    assert [trial.state for trial in trials] == [TrialState.FAIL] * 2
    assert sorted(run.info.status for run in runs("trial")) == ["FAILED"] * 2
    again = adtrack(*command)
    assert again.code == 2 and "Every one of the space's 2 cells has been tried." in again.out
    assert len(runs("trial")) == 2


def test_a_finished_study_has_nothing_to_do_and_more_trials_go_on(workplace, adtrack, part):
    cells = ("--space-layers", "layer2,layer3", "--space-patch-size", "1", "--space-coreset-fraction", "0.1")
    cells += PLAIN_OPTIONS
    command = ("tune", *part, *cells, "--sampler", "grid")
    first = adtrack(*command, "--trials", 1)
    assert first.code == 0, first.err
    before = {run.info.run_id: (run.info.status, run.data.metrics) for run in runs()}

    again = adtrack(*command, "--trials", 1)
    assert again.code == 0 and "goes on: 1 of 1 trials are finished" in again.out
    assert "Registered as adtrack-part version 1, champion." in again.out
    assert {run.info.run_id: (run.info.status, run.data.metrics) for run in runs()} == before
    assert versions() == ["1"]

    more = adtrack(*command, "--trials", 9)
    assert more.code == 0 and "goes on: 1 of 9 trials are finished" in more.out
    assert "Every one of the space's 2 cells has been tried." in more.out
    records = study_trials(runs("study")[0].data.tags["adtrack.study"])
    assert [(record.number, record.params["layers"]) for record in records] == [(0, "layer2"), (1, "layer3")]
    assert (
        len(runs("study")) == 1 and statuses() == {"FINISHED"} and before.keys() < {run.info.run_id for run in runs()}
    )


@pytest.mark.slow
def test_a_study_that_a_scheduler_stopped_goes_on_to_the_same_bits_as_one_elsewhere_that_was_not(
    workplace, adtrack, part, space, request, monkeypatch
):
    command = ("tune", *part, *space, "--trials", 3)
    with monkeypatch.context() as patch:
        stop_after(patch, 1, signal.SIGTERM)
        stopped = adtrack(*command)
    assert stopped.code == 130 and "Stopped." in stopped.err and "Traceback" not in stopped.err
    assert sorted(run.info.status for run in runs()) == ["FINISHED", "KILLED", "KILLED"]

    done = adtrack(*command)
    assert done.code == 0, done.err
    here = study_trials(runs("study")[0].data.tags["adtrack.study"])
    assert [record.number for record in here] == [0, 2, 3]
    trials = optuna_trials(here[0].study)
    assert [trial.state for trial in trials].count(TrialState.COMPLETE) == 3
    assert trials[2].params == trials[1].params and trials[2].user_attrs["retry_of"] == 1
    found, scores = outcome_of(here), scores_of(here)
    study = request.getfixturevalue("study")  # another store and another cache, from here on
    there = study_trials(study.name)
    assert here[0].study == study.name and {one.run_id for one in here}.isdisjoint(one.run_id for one in there)
    assert outcome_of(there) == found and scores_of(there) == scores


def test_of_equals_the_one_that_localises_better_wins_and_the_user_is_told(workplace, adtrack, part):
    cells = ("--space-layers", "layer3", "--space-patch-size", "3", "--space-coreset-fraction", "0.1,0.25")
    cells += PLAIN_OPTIONS
    done = adtrack("tune", *part, *cells, "--sampler", "grid", "--objective", "clean")
    assert re.findall(r"^Trial \d +(\S+) .* of 20 done", done.out, re.M) == ["1.0000"] * 2
    trials = study_trials(runs("study")[0].data.tags["adtrack.study"])
    aupro = [fmean(trial.metrics[f"{name}/pixel_aupro_030"] for name in ("val_clean", "val_shift")) for trial in trials]
    best = int(aupro[1] > aupro[0])
    assert aupro[0] != aupro[1] and f"Best of 2 trials: trial {best}: patch size 3, layers layer3" in done.out
    words = f"2 trials have the best objective; trial {best} wins by its AU-PRO 0.30 on Val ({max(aupro):.3f}, next "
    assert words in done.out
    study = runs("study")[0]
    assert (
        words in study.data.tags["mlflow.note.content"]
        and "Of trials with equal objectives" in study.data.tags["mlflow.note.content"]
    )
    assert words in mlflow.artifacts.load_text(f"runs:/{study.info.run_id}/report.html")


@pytest.mark.parametrize(
    ("what", "option", "value"),
    [("data", "--data", None), ("data", "--train-images", 4), ("spec", "--reweight-neighbours", 1)],
)
def test_a_name_goes_with_one_data_set_and_one_question(
    study, adtrack, part, space, write_part, tmp_path, what, option, value
):
    known = len(runs())
    other = (option, value or write_part(tmp_path, size=66))
    refused = adtrack("tune", *part, *other, *space, "--study", study.name)
    assert refused.code == 2
    said = re.search(r"must go on with the (\w+) digest it began with, (\w{12}), but got (\w{12})\.", refused.err)
    assert said and said[1] == what and said[2] != said[3], refused.err
    assert said[2].startswith(study.name.split("-")[1 if what == "data" else 2])
    assert len(runs()) == known


def test_a_study_keeps_the_images_that_its_thresholds_come_from(workplace, adtrack, part, space):
    command = ("tune", *part, *space, "--sampler", "grid", "--trials")
    before = adtrack(*command, 1, "--calibrate-on", "val_clean")
    assert before.code == 0, before.err
    (record,) = study_trials(runs("study")[0].data.tags["adtrack.study"])
    assert record.params["calibrate_on"] == "val_clean" and record.params["threshold_from"] == "f1"
    after = adtrack(*command, 2)
    assert after.code == 0 and f"Study {record.study} began with thresholds from Val-clean and goes on" in after.out
    assert [one.params["calibrate_on"] for one in study_trials(record.study)] == ["val_clean"] * 2
    named = adtrack(*command, 2, "--study", record.study)
    assert named.code == 0 and f"Study {record.study} goes on: 2 of 2 trials are finished" in named.out
    refused = adtrack(*command, 2, "--study", record.study, "--calibrate-on", "both")
    assert refused.code == 2 and "must go on with the spec digest it began with" in refused.err
    assert len(runs("study")) == 1


def test_the_first_studies_did_not_name_where_thresholds_come_from(tiny_data):
    bench = Workbench.open(
        DataSpec("part", str(tiny_data)), ImageSpec(64, 0), BackboneSpec("resnet18", "random"), ("layer2",), "cpu"
    )
    asked = StudySpec(Space.of(PatchCoreSpec, {"layers": "layer2"}))

    def spec_digest(*threshold: object) -> str:
        spec = BuildSpec(bench.opened.data, PatchCoreSpec(), threshold=ThresholdSpec(*threshold))
        return study_digests(bench, spec, asked)["spec_digest"]

    first = {
        "study": asked.asked(),
        "bank": {name: value for name, value in plain(PatchCoreSpec()).items() if name not in asked.space.values},
        "format": 2,
        "image": bench.image,
        "trunk": bench.backbone.trunk.sha256,
    }
    assert spec_digest("val_clean", "f1") == spec_digest("val_clean", "f1", 0.9) == digest(first)
    ways = [
        ("both", "f1"),
        ("val_shift", "f1"),
        ("val_clean", "good_quantile"),
        ("val_clean", "good_quantile", 0.9),
        ("val_clean", "mean_std"),
    ]
    assert len({digest(first), *(spec_digest(*way) for way in ways)}) == 6


def test_a_study_of_fewer_settings_is_gone_on_with_by_its_name(workplace, tiny_data):
    bench = Workbench.open(
        DataSpec("part", str(tiny_data)), ImageSpec(64, 0), BackboneSpec("resnet18", "random"), ("layer2",), "cpu"
    )
    begun = StudySpec(Space(PatchCoreSpec, {"patch_size": (1, 3), "layers": ("layer2",), "coreset_fraction": (0.1,)}))
    given = {"patch_size": "1,3", "layers": "layer2", "coreset_fraction": "0.1"}
    now, more = (StudySpec(Space.of(PatchCoreSpec, given | own)) for own in ({}, {"smooth": "0,2"}))

    def shared(asked, name, *threshold):
        spec = BuildSpec(bench.opened.data, PatchCoreSpec(), threshold=ThresholdSpec(*threshold))
        return open_shared(bench, spec, asked, name, "sqlite:///optuna.db", "cpu", None)

    assert now.space.values.keys() > begun.space.values.keys()
    first = shared(begun, "mine", "val_clean")
    again = shared(now, "mine")
    assert again.asked == begun and again.key == first.key and again.spec.threshold.calibrate_on == "val_clean"
    assert list(again.optuna.sampler.infer_relative_search_space(again.optuna, None)) == list(begun.space.values)
    with pytest.raises(UserError, match="must go on with the spec digest it began with"):
        shared(more, "mine")  # what is asked for is not left out
    assert shared(now, None).asked == now and shared(now, "other").spec.threshold.calibrate_on == "both"


def test_a_study_that_began_in_another_store_says_so(study, adtrack, part, space, blank_store, tmp_path):
    elsewhere = shutil.copy(blank_store, tmp_path / "elsewhere.db")
    command = ("tune", *part, *space, "--trials", 3, "--storage", f"sqlite:///{study.folder}/optuna.db")
    refused = adtrack(*command, MLFLOW_TRACKING_URI=f"sqlite:///{elsewhere}")
    assert refused.code == 2 and "in this tracking store, but has none" in refused.err
    assert statuses() == {"FAILED"}
