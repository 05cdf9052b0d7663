"""compare: runs by every name, the right numbers beside each other, and what is refused."""

import csv
import re
from pathlib import Path

import pytest
from mlflow import MlflowClient

from adtrack.errors import UserError
from adtrack.evaluation.paired_comparison import ModelScores, disagreements
from adtrack.evaluation.resampling import Sample
from adtrack.tracking import scored_runs
from adtrack.tracking.scored_runs import image_contents, scored_run
from adtrack.tracking.store import search_runs
from adtrack.verbs.compare.verb import clearest_first, compare

CHAMPION, CANDIDATE = "models:/adtrack-part@champion", "models:/adtrack-part@candidate"


def metric(run_id: str, name: str) -> float:
    return MlflowClient().get_run(run_id).data.metrics[name]


def test_values_are_those_of_the_runs(banks):
    found = compare([banks.runs[0], banks.runs[1][:8]], any_split=False)
    assert [one.name for one in found.sets] == ["val_clean", "val_shift"] and found.same_images
    assert found.skipped == ("test_clean: only A has scores of it.", "test_shift: only A has scores of it.")
    for one in found.sets:
        assert one.runs == (0, 1) and one.good + one.anomalous == 4 and one.left_out == 0
        (contrasts,) = one.contrasts
        names = [contrast.metric for contrast in contrasts]
        assert names[:5] == ["image_auroc", "image_auprc", "f1", "false_alarm_rate", "recall"]
        assert names[5:] == ["pixel_auroc", "pixel_aupro_030", "pixel_aupro_005"]
        for contrast in contrasts:
            if contrast.metric in ("false_alarm_rate", "recall"):
                continue
            logged = [metric(run, f"{one.name}/{contrast.metric}") for run in banks.runs[:2]]
            assert [contrast.reference, contrast.value] == pytest.approx(logged)
            assert contrast.difference.value == pytest.approx(logged[1] - logged[0])


def test_the_command_prints_a_table_and_writes_a_page_that_asks_for_nothing(banks, adtrack, workplace):
    done = adtrack("compare", banks.runs[0], banks.runs[1], "--out", "compared")
    assert done.code == 0 and done.err == "", done.err
    assert "val_clean: B beside A (4 images, 2 good and 2 anomalous)" in done.out
    assert re.search(r"image AUROC +[\d.]+ +[\d.]+ +\S+ \[\S+, \S+\] +[\d.]+ % +\w+", done.out), done.out
    assert "pixel AUROC" in done.out and "no interval" in done.out and "A better” is the share" in done.out
    folder = workplace / "compared"
    names = {"compare.csv", "compare.md", "compare.tex", "compare.html", "disagreements.csv"}
    assert {file.name for file in folder.iterdir()} == names
    page = (folder / "compare.html").read_text()
    assert "val_shift: B beside A" in page and "Images called differently" in page and "layers" in page
    assert not re.search(r"src=(?!\"data:image/)|href=\"[^#]|https?://|@import|url\(", page)
    rows = list(csv.DictReader((folder / "compare.csv").open(newline="")))
    assert {row["run_b"] for row in rows} == {banks.runs[1]} and len(rows) == 2 * 8
    assert all(float(row["b"]) - float(row["a"]) == pytest.approx(float(row["difference"])) for row in rows)


def test_same_inputs_give_the_same_bytes(banks, adtrack, workplace):
    for folder in ("one", "two"):
        assert adtrack("compare", banks.runs[0], banks.runs[1], "--out", folder).code == 0
    for file in (workplace / "one").iterdir():
        assert file.read_bytes() == (workplace / "two" / file.name).read_bytes()


def test_runs_are_found_by_every_name(banks):
    first, second = (MlflowClient().get_run(run).data.tags for run in banks.runs[:2])
    names = (banks.runs[0], banks.runs[0][:8], CHAMPION, "models:/adtrack-part/1", first["adtrack.model"])
    assert {scored_run(name).run_id for name in names} == {banks.runs[0]}
    assert scored_run(CANDIDATE).run_id == banks.runs[2] and scored_run(second["adtrack.model"]).run_id == banks.runs[1]


def test_a_later_evaluation_of_its_model_adds_test(banks):
    found = scored_run(CHAMPION)
    assert found.sets == ("val_clean", "val_shift", "test_clean", "test_shift")
    assert found.places["val_clean"] == banks.runs[0] and found.places["test_clean"] == banks.tested
    assert found.metrics["test_clean/image_auroc"] == metric(banks.tested, "test_clean/image_auroc")
    assert "cost/bank_mb" in found.metrics
    assert scored_run("models:/adtrack-part/2").sets == ("val_clean", "val_shift")


def test_other_splits_are_refused_unless_told(banks, adtrack):
    done = adtrack("compare", CHAMPION, CANDIDATE)
    assert done.code == 2 and "must have the same splits" in done.err and "--any-split" in done.err
    assert banks.digests[0][:12] in done.err and banks.digests[2][:12] in done.err


def test_told_to_other_splits_are_compared_on_unchanged_common_images(banks, adtrack):
    """A shift depends on the seed as well: of shifted sets, no image is the same."""
    sets = {}
    for name, uri in (("a", CHAMPION), ("b", CANDIDATE)):
        folder = MlflowClient().download_artifacts(scored_run(uri).run_id, "scores")
        rows = csv.DictReader((Path(folder) / "val_clean.csv").open(newline=""))
        sets[name] = {row["path"]: row["label"] for row in rows}
    common = sets["a"].keys() & sets["b"].keys()
    assert 0 < len(common) < 4
    found = compare([CHAMPION, CANDIDATE], any_split=True)
    (one,) = found.sets
    assert one.name == "val_clean" and one.good + one.anomalous == len(common) and not found.same_images
    assert one.left_out == len(sets["a"].keys() | sets["b"].keys()) - len(common)
    assert "val_shift: no image is the same in all of them." in found.skipped
    assert not any(contrast.metric.startswith("pixel") for contrast in one.contrasts[0])
    done = adtrack("compare", CHAMPION, CANDIDATE, "--any-split")
    assert done.code == 0 and "The runs have different splits" in done.out
    assert f"{one.left_out} others left out" in done.out


def test_three_runs_are_each_compared_with_the_first(banks, copied_run):
    copied = copied_run(banks.runs[1])
    found = compare([banks.runs[0], banks.runs[1], copied], any_split=False)
    for one in found.sets:
        assert one.runs == (0, 1, 2) and len(one.contrasts) == 2
        second, third = ([contrast for contrast in each if "pixel" not in contrast.metric] for each in one.contrasts)
        assert second == third


def test_disagreements_hold_both_scores_and_the_truth(banks, copied_run, adtrack, workplace):
    def all_anomalous(row: dict) -> dict:
        return row | {"threshold": "-1.0", "predicted": 1}

    blunt = copied_run(banks.runs[0], all_anomalous)
    assert adtrack("compare", banks.runs[0], blunt, "--out", "compared").code == 0
    rows = list(csv.DictReader((workplace / "compared/disagreements.csv").open(newline="")))
    passed = {}
    for name in ("val_clean", "val_shift"):
        folder = MlflowClient().download_artifacts(banks.runs[0], "scores")
        for row in csv.DictReader((Path(folder) / f"{name}.csv").open(newline="")):
            if row["predicted"] == "0":
                passed[name, row["path"]] = row
    assert passed and {(row["set"], row["path"]) for row in rows} == set(passed)
    for row in rows:
        there = passed[row["set"], row["path"]]
        assert (row["score_A"], row["threshold_A"]) == (there["score"], there["threshold"])
        assert (row["score_B"], float(row["threshold_B"])) == (there["score"], -1.0)
        assert (row["predicted_A"], row["predicted_B"]) == ("0", "1") and row["label"] == there["label"]


def in_order(threshold: float, *others: list[float]) -> str:
    """The names of the images a, b, c, d in the order of their disagreements: of a bank with scores 1.5, 3, 1.2 and 0
    at threshold 1, and others at ``threshold``."""
    banks = [([1.5, 3.0, 1.2, 0.0], 1.0), *((scores, threshold) for scores in others)]
    sets = [
        ModelScores(tuple("abcd"), tuple("abcd"), ("good", "good", "bad", "bad"), Sample(scores, [0, 0, 1, 1], limit))
        for scores, limit in banks
    ]
    return "".join(image.path for image in clearest_first(disagreements(sets), sets))


def test_the_clearest_disagreements_come_first():
    """The second bank is the first one upside down, on another scale: both are equally far from their thresholds."""
    mirrored = [5.0, -10.0, 8.0, 20.0]
    assert in_order(10.0, mirrored) == "bdac"
    assert in_order(10.0, [5.0, 9.9, 8.0, 20.0]) == "dacb"  # the less sure side counts
    assert in_order(10.0, [5.0, 9.9, 8.0, 20.0], mirrored) == "bdac"  # and on each side the bank that is surer
    assert in_order(10.0, [10.0] * 4) == "d"  # a bank that scores all images alike
    assert in_order(1.0, [0.5, 0.5, 0.5, 1.5], [0.5, 0.5, 0.5, 1.5]) == in_order(1.0, [0.5, 0.5, 0.5, 1.5])


def test_equal_runs_are_not_said_to_be_the_same_by_a_handful_of_images(banks, copied_run, adtrack):
    done = adtrack("compare", banks.runs[0], copied_run(banks.runs[0]))
    lines = [line for line in done.out.splitlines() if "image AUROC  " in line]
    assert done.code == 0 and len(lines) == 4
    assert all(re.search(r" 0\.000 \[−0\.[4-9]\d\d, \+0\.[4-9]\d\d\] ", line) for line in lines), lines
    assert all("50.0 %" in line and line.endswith("these images cannot tell") for line in lines)
    assert "0 images called differently" in done.out


def test_good_images_alone_are_compared_by_false_alarms(banks, copied_run):
    first, second = (copied_run(run, lambda row: row | {"label": 0, "kind": "good"}) for run in banks.runs[:2])
    for one in compare([first, second], any_split=False).sets:
        assert [contrast.metric for contrast in one.contrasts[0]] == ["false_alarm_rate"]


def test_runs_that_cannot_be_compared(banks, copied_run, adtrack, study_parent):
    other = copied_run(banks.runs[0], **{"adtrack.class": "nut"})
    for asked, words in {
        (banks.runs[0],): "compare takes 2 to 26 runs, but got 1",
        (CHAMPION, banks.runs[0]): f"are both run {banks.runs[0]}",
        (CHAMPION, other): "must be of one class, but models:/adtrack-part@champion is of part",
        (CHAMPION, "0" * 32): "no id begins like this",
        (CHAMPION, "it's"): "must be named by its id",
        (CHAMPION, "models:/adtrack-part/99"): "must be one that the tracking store knows",
        (CHAMPION, "models:/adtrack-part@nobody"): "must be one that the tracking store knows",
        (CHAMPION, "models:/m-0123"): "must be one that the tracking store knows",
        (CHAMPION, study_parent): f"its best trial is run {banks.runs[0]}",
        (banks.tested, banks.runs[1]): "must have scores of the same images",
    }.items():
        done = adtrack("compare", *asked)
        assert done.code == 2 and words in done.err and "Traceback" not in done.err, (asked, done.err)


@pytest.fixture
def study_parent(banks) -> str:
    """A run like a study's, which holds no scores but names its best trial."""
    client = MlflowClient()
    tags = {"adtrack.class": "part", "adtrack.split_digest": banks.digests[0], "adtrack.best_run": banks.runs[0]}
    return client.create_run(client.get_run(banks.runs[0]).info.experiment_id, tags=tags).info.run_id


def test_runs_of_others_are_refused(banks):
    client = MlflowClient()
    stranger = client.create_run(client.get_run(banks.runs[0]).info.experiment_id).info.run_id
    with pytest.raises(UserError, match="must be one of adtrack's"):
        scored_run(stranger)


def test_a_start_that_several_runs_share_is_refused(banks, monkeypatch):
    twice = search_runs("")[:1] * 2
    monkeypatch.setattr(scored_runs, "search_runs", lambda condition: twice)  # ids are drawn at random
    with pytest.raises(UserError, match="2 ids begin like this"):
        scored_run(banks.runs[0][:4])


@pytest.mark.parametrize(
    "text",
    [
        *("", "path,score\n", "path,kind,label,score,threshold,predicted\na.png,good,0,nan,1.0,0\n", "\0"),
        f"path,kind,label,score,threshold,predicted\na.png,good,{10**30},1.0,1.0,0\n",
        pytest.param(
            f"path,kind,label,score,threshold,predicted\n{'x' * 140_000},good,0,1.0,1.0,0\n", id="a huge field"
        ),
    ],
)
def test_scores_that_cannot_be_read_are_a_sentence(banks, copied_run, text):
    broken = copied_run(banks.runs[1])
    MlflowClient().log_text(broken, text, "scores/val_clean.csv")
    with pytest.raises(UserError, match=r"scores/val_clean\.csv must list"):
        compare([banks.runs[0], broken], any_split=False)


@pytest.mark.parametrize("text", ["{", "[]", pytest.param("[" * 10**5, id="deep")])
def test_a_manifest_that_cannot_be_read_is_a_sentence(banks, copied_run, text):
    broken = copied_run(banks.runs[1])
    MlflowClient().log_text(broken, text, "splits.json")
    with pytest.raises(UserError, match="must keep a manifest of its splits"):
        image_contents(broken, "val_clean")


def test_out_that_cannot_be_written(banks, adtrack, workplace):
    (workplace / "file").touch()
    done = adtrack("compare", *banks.runs[:2], "--out", "file")
    assert done.code == 2 and "out must be a folder that can be written to" in done.err and "Traceback" not in done.err
