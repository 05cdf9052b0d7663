"""promote and rollback: what must hold, what is refused and why, and what is kept of it."""

import getpass
import json
import re
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import mlflow
import pytest
from mlflow import MlflowClient

from adtrack.detectors.seal import seal
from adtrack.evaluation.intervals import Estimate
from adtrack.tracking.champions import Move, moves
from adtrack.tracking.tags import MANIFEST
from adtrack.verbs.promote.checks import Difference, _enough
from adtrack.verbs.promote.verb import LONGEST_REASON, promote

NAME = "adtrack-part"
REPRODUCES = "loads and reproduces its scores"


def champion() -> int | None:
    version = MlflowClient().get_registered_model(NAME).aliases.get("champion")
    return version and int(version)


@pytest.fixture
def registered(banks) -> Callable[..., int]:
    """Registers the model of a run as a version that says it comes from that run, or from another."""
    client = MlflowClient()

    def register(run_id: str, said: str | None = None, source: str | None = None) -> int:
        uri = source or client.get_run(run_id).data.tags["adtrack.model"]
        return int(client.create_model_version(NAME, uri, said or run_id).version)

    return register


@pytest.fixture
def run_promote(adtrack) -> Callable:
    """Runs promote for the class "part"."""
    return lambda *options: adtrack("promote", "--class", "part", "--device", "cpu", *options)


def checked(number: int | None, **options) -> dict[str, tuple[bool, str]]:
    """What each check found of a version, and its words."""
    given = {"margin": 0.01, "reason": "", "data": None, "device": "cpu", "force": False}
    found = promote("part", number, **given | options)
    return {check.what: (check.passed, check.words) for check in found.checks}


def test_a_version_that_is_not_worse_becomes_champion_and_says_who_when_and_why(banks, run_promote):
    done = run_promote("--version", 2, "--margin", "0.999", "--reason", "smaller bank")
    assert done.code == 0 and done.err == "", done.out + done.err
    assert champion() == 2 and "Promoted: adtrack-part version 2 is the champion." in done.out
    assert f"ok    {REPRODUCES}: 4 images, the same to the bit" in done.out
    assert f"ok    same images as the champion's: split {banks.digests[0][:12]}" in done.out
    assert "ok    not worse on val_clean: image AUROC" in done.out and "at least −0.999" in done.out
    assert "Undo:           adtrack rollback --class part" in done.out
    (move,) = moves(NAME)
    assert move == Move(2, 1, "promoted", getpass.getuser(), move.when, "smaller bank", ())
    assert timedelta(0) <= datetime.now(UTC) - datetime.fromisoformat(move.when) < timedelta(minutes=5)


def test_the_candidate_is_meant_without_a_version(banks, run_promote):
    done = run_promote()
    assert done.code == 1 and "adtrack-part version 3; champion now: version 1" in done.out


def test_other_splits_are_refused_and_forced_with_a_record(banks, run_promote):
    done = run_promote("--version", 3)
    assert done.code == 1 and champion() == 1 and moves(NAME) == []
    words = f"same images as the champion's: split {banks.digests[2][:12]}, but the champion's is"
    assert f"FAIL  {words}" in done.out and f"ok    {REPRODUCES}" in done.out and "not worse" not in done.out
    assert "Not promoted: 1 of 2 checks failed. --force promotes it all the same" in done.out
    done = run_promote("--version", 3, "--force")
    assert done.code == 0 and champion() == 3
    assert "version 3 is the champion, although 1 of 2 checks failed (recorded)." in done.out
    (move,) = moves(NAME)
    assert len(move.forced) == 1 and move.forced[0].startswith(words)


def test_a_version_that_is_worse_by_more_than_the_margin_is_refused(banks, copied_run, registered, run_promote):
    """The champion ranks every image right; version 1 does on Val-clean, but not on Val-shift."""
    perfect = registered(banks.runs[0], copied_run(banks.runs[0], lambda row: row | {"score": row["label"]}))
    MlflowClient().set_registered_model_alias(NAME, "champion", str(perfect))
    lost = 1 - MlflowClient().get_run(banks.runs[0]).data.metrics["val_shift/image_auroc"]
    assert lost > 0.1
    done = run_promote("--version", 1)
    assert done.code == 1 and champion() == perfect
    assert f"FAIL  not worse on val_shift: image AUROC −{lost:.3f} [" in done.out and "less than −0.010" in done.out
    assert "Not promoted: 2 of 7 checks failed" in done.out
    found = checked(1, margin=lost - 0.001)
    assert next(what for what, (passed, _) in found.items() if not passed) == "not worse on val_shift"
    assert checked(1, margin=lost)["not worse on val_shift"][0]
    assert champion() == perfect


def test_a_handful_of_images_promotes_nothing_unless_forced(banks, run_promote, registered):
    """The champion's model once more: no image speaks against it, but 4 and 10 images say little of the next ones."""
    again = registered(banks.runs[0])
    done = run_promote("--version", again)
    assert done.code == 1 and champion() == 1
    said = re.search(
        r"FAIL  enough images: even (.*) rule out a loss of more than (0\.[345]\d\d): (.*)$", done.out, re.M
    )
    assert said and said[1] == "4 good and 6 anomalous images of test_clean", done.out
    assert said[3] == "0.250 is the most; more labelled images can tell"
    assert "ok    not worse on val_clean: image AUROC 0.000 [−0.8" in done.out
    assert "of 2 good and 2 anomalous images, at least −0.010" in done.out
    assert "Not promoted: 1 of 7 checks failed" in done.out
    assert run_promote("--version", again, "--force").code == 0 and champion() == again


def test_where_test_has_not_been_asked_it_is_named(banks):
    """Version 2 has scores of Val alone."""
    passed, words = checked(2)["enough images"]
    assert not passed and words.endswith(", and Test may: adtrack evaluate --model measures a version on it")


@pytest.mark.parametrize(
    ("measured", "margin", "passed"),
    [
        (((-0.3, 0.1, "image_auroc"),), 0.01, False),
        (((-0.25, 0.1, "image_auroc"),), 0.01, True),
        (((-0.9, 0.9, "image_auroc"), (-0.2, 0.1, "image_auroc")), 0.01, True),  # one set that can tell is enough
        (((-0.3, 0.1, "image_auroc"),), 0.3, True),  # who lets so much go need not rule it out
        (((-0.9, 0.3, "false_alarm_rate"),), 0.01, False),
        (((-0.9, 0.1, "false_alarm_rate"),), 0.01, True),
    ],
)
def test_one_set_must_rule_out_that_the_candidate_is_far_worse(measured, margin, passed):
    found = [Difference("val_clean", metric, Estimate(0.0, low, high), 5, 7) for low, high, metric in measured]
    assert _enough(found, margin).passed == passed


def test_test_counts_where_both_have_it(banks, registered):
    found = checked(registered(banks.runs[0]))  # the champion's model, run and all, once more
    sets = ("val_clean", "val_shift", "test_clean", "test_shift")
    whats = [REPRODUCES, "same images as the champion's", *(f"not worse on {name}" for name in sets), "enough images"]
    assert list(found) == whats
    assert all(passed for what, (passed, _) in found.items() if what != "enough images")
    assert "of 4 good and 6 anomalous images, at least −0.010" in found["not worse on test_shift"][1]


def test_without_a_common_val_set_it_cannot_be_told(banks, registered):
    MlflowClient().set_registered_model_alias(NAME, "champion", str(registered(banks.runs[0], banks.tested)))
    assert checked(2)["not worse on Val"] == (
        False,
        "cannot be checked: the two have no Val set with scores in common",
    )
    assert champion() != 2


def test_without_anomalies_false_alarms_are_compared_and_somebody_must_say_why(banks, copied_run, registered):
    def good(threshold: float) -> Callable[[dict], dict]:
        return lambda row: row | {"label": 0, "kind": "good", "threshold": threshold}

    calm, nervous = (registered(banks.runs[1], copied_run(banks.runs[1], good(at))) for at in (1e9, -1e9))
    MlflowClient().set_registered_model_alias(NAME, "champion", str(calm))
    found = checked(nervous, reason="more light")
    for name in ("val_clean", "val_shift"):
        assert found[f"not worse on {name}"] == (
            False,
            "false alarms +1.000 [−0.222, +1.000] of 4 images, more than +0.010",
        )
    MlflowClient().set_registered_model_alias(NAME, "champion", str(nervous))
    assert checked(calm)["not worse on val_shift"] == (
        True,
        "false alarms −1.000 [−1.000, +0.222] of 4 images, at most +0.010",
    )
    told = "without labelled anomalies nobody knows which of the two finds more defects"
    assert checked(calm)["has a reason"] == (False, f"{told}; --reason says why this one shall be champion")
    assert checked(calm, reason="less light")["has a reason"] == (True, told)
    assert champion() == nervous  # these scores are not the model's


def test_of_anomalies_alone_it_cannot_be_told(banks, copied_run, registered):
    first, second = (registered(run, copied_run(run, lambda row: row | {"label": 1})) for run in banks.runs[:2])
    MlflowClient().set_registered_model_alias(NAME, "champion", str(first))
    found = checked(second)
    assert found["not worse on val_clean"] == (False, "cannot be checked: there is no good image among them")
    assert "has a reason" not in found and champion() == first


def test_a_model_that_is_not_the_one_that_was_measured_is_refused(banks, copied_run, registered):
    """Another model, the same with other scores, and the same with another threshold."""
    passed, words = checked(registered(banks.runs[1], said=banks.runs[0]))[REPRODUCES]
    assert not passed and words.startswith("a model must have the threshold it was measured with")
    rescored = copied_run(banks.runs[1], lambda row: row | {"score": 1.01 * float(row["score"])})
    passed, words = checked(registered(banks.runs[1], said=rescored))[REPRODUCES]
    assert not passed and "4 images, at most 9.9e-03 of a score off, more than 0.001" in words
    rounded = copied_run(banks.runs[1], lambda row: row | {"score": (1 + 1e-6) * float(row["score"])})
    passed, words = checked(registered(banks.runs[1], said=rounded))[REPRODUCES]
    assert passed and words == "4 images, at most 1.0e-06 of a score off"


def test_a_model_that_does_not_load_is_refused(banks, registered, tmp_path):
    source = MlflowClient().get_run(banks.runs[1]).data.tags["adtrack.model"]
    damaged = shutil.copytree(mlflow.artifacts.download_artifacts(source), tmp_path / "damaged")
    (file,) = damaged.rglob("bank.safetensors")
    file.write_bytes(file.read_bytes()[:-100])
    (tmp_path / "empty").mkdir()
    for folder, said in ((damaged, "bank.safetensors"), (tmp_path / "empty", "model must be one that")):
        passed, words = checked(registered(banks.runs[1], source=str(folder)))[REPRODUCES]
        assert not passed and said in words and champion() == 1


def copied_model(run_id: str, place: Path) -> Path:
    """A copy of a run's model that a test may spoil."""
    source = MlflowClient().get_run(run_id).data.tags["adtrack.model"]
    return Path(shutil.copytree(mlflow.artifacts.download_artifacts(source), place))


def test_a_model_whose_files_were_changed_is_refused(banks, registered, tmp_path):
    """A flipped bit in the bank or in the code, and a threshold that was edited together with the manifest."""
    digest = MlflowClient().get_model_version(NAME, "2").tags[MANIFEST]
    for name, said in {
        "bank.safetensors": "as they were logged, but bank.safetensors",
        "code.zip": "as they were logged, but code.zip",
        "scorer.json": "manifest.json must have the SHA-256 that the store keeps",
    }.items():
        folder = copied_model(banks.runs[1], tmp_path / name)
        bank, version = folder / "artifacts/bank", registered(banks.runs[1], source=str(folder))
        MlflowClient().set_model_version_tag(NAME, str(version), MANIFEST, digest)
        if name == "scorer.json":
            text = json.loads((bank / name).read_text())
            text["image"]["crop"] = 32  # nothing that a threshold shows
            (bank / name).write_text(json.dumps(text))
            seal(bank)
        else:
            content = bytearray((bank / name).read_bytes())
            content[-200] ^= 1
            (bank / name).write_bytes(content)
        passed, words = checked(version)[REPRODUCES]
        assert not passed and said in words, words


def test_a_model_of_another_class_is_refused(banks, adtrack):
    source = MlflowClient().get_run(banks.runs[0]).data.tags["adtrack.model"]
    MlflowClient().create_registered_model("adtrack-nut")
    MlflowClient().create_model_version("adtrack-nut", source, banks.runs[0])
    done = adtrack("promote", "--class", "nut", "--version", 1)
    assert done.code == 1 and "it is a model of class part" in done.out


def test_images_that_are_gone_must_be_found_or_forced(banks, run_promote, tiny_data, tmp_path):
    done = run_promote("--version", 2, "--margin", "0.999", "--data", tmp_path)
    assert done.code == 1 and champion() == 1
    assert f"none of 4 of val_clean lies so in {tmp_path}. Hint: --data says where they are now." in done.out
    moved = shutil.copytree(tiny_data, tmp_path / "moved")
    assert run_promote("--version", 2, "--margin", "0.999", "--data", moved).code == 0
    assert run_promote("--version", 1, "--margin", "0.999", "--data", tmp_path, "--force").code == 0
    assert [(move.version, len(move.forced)) for move in moves(NAME)] == [(2, 0), (1, 1)]


def test_images_that_have_changed_do_not_count(banks, tiny_data, tmp_path):
    moved = shutil.copytree(tiny_data, tmp_path / "moved")
    for file in sorted((moved / "part").rglob("*.png")):
        if "spot" not in file.parts:
            file.write_bytes(b"another picture")
    passed, words = checked(2, data=str(moved))[REPRODUCES]
    assert passed and words == "1 images, the same to the bit"


def test_a_path_that_leads_out_of_the_data_is_refused(banks, copied_run, registered):
    run = copied_run(banks.runs[1], lambda row: row | {"path": "../" + row["path"]})
    passed, words = checked(registered(banks.runs[1], said=run))[REPRODUCES]
    assert not passed and "must stay below the data root" in words


def test_a_version_without_scores_is_refused(banks, registered):
    client = MlflowClient()
    bare = client.create_run(client.get_run(banks.runs[0]).info.experiment_id).info.run_id
    words = f"but models:/{NAME}/4 has no tag adtrack.class and no adtrack.split_digest."
    found = checked(registered(banks.runs[0], said=bare))
    assert found == {"has logged scores": (False, f"a run must be one of adtrack's, {words}")}
    client.set_registered_model_alias(NAME, "champion", "4")
    passed, words = checked(2)["not worse than the champion"]
    assert not passed and words.startswith("cannot be checked: a run must be one of adtrack's")


def test_without_a_champion_the_model_must_only_load_and_reproduce(banks, run_promote):
    MlflowClient().delete_registered_model_alias(NAME, "champion")
    done = run_promote("--version", 2)
    assert done.code == 0 and "adtrack-part version 2; there is no champion yet" in done.out
    assert done.out.count("ok    ") == 1 and "Undo" not in done.out
    assert champion() == 2 and moves(NAME)[0].before is None


def test_the_champion_is_not_promoted_again(banks, run_promote):
    done = run_promote("--version", 1, "--force")
    assert done.code == 0 and "adtrack-part version 1 is the champion already." in done.out and moves(NAME) == []


def test_rolling_back_goes_back_step_by_step_and_is_recorded(banks, adtrack, run_promote):
    for version in (2, 3):
        assert run_promote("--version", version, "--force").code == 0
    done = adtrack("rollback", "--class", "part", "--reason", "false alarms")
    assert done.code == 0 and champion() == 2
    assert "the champion of adtrack-part is version 2 again, no longer 3" in done.out
    assert adtrack("rollback", "--class", "part").code == 0 and champion() == 1
    done = adtrack("rollback", "--class", "part")
    assert done.code == 1 and champion() == 1
    assert "has had no earlier champion that is still there; version 1 stays" in done.out
    told = [(move.version, move.before, move.what, move.why) for move in moves(NAME)[2:]]
    assert told == [(2, 3, "rolled back", "false alarms"), (1, 2, "rolled back", "no reason given")]


def test_a_rollback_to_damaged_files_is_refused(banks, adtrack, registered, run_promote, tmp_path):
    folder = copied_model(banks.runs[1], tmp_path / "copy")
    damaged = registered(banks.runs[1], source=str(folder))
    for version in (damaged, 2):
        assert run_promote("--version", version, "--force").code == 0
    (folder / "artifacts/bank/scorer.json").write_text("{}")
    done = adtrack("rollback", "--class", "part")
    assert done.code == 2 and champion() == 2 and len(moves(NAME)) == 2
    assert f"must be intact, but {NAME}/{damaged} is not: a model's files must be as they were logged" in done.err
    assert "adtrack promote --class part --version N takes another one." in done.err
    shutil.rmtree(folder)
    done = adtrack("rollback", "--class", "part")
    assert done.code == 2 and champion() == 2 and "must be intact" in done.err


def test_a_champion_serves_under_its_alias(banks, adtrack, run_promote, tiny_data, workplace):
    assert run_promote("--version", 2, "--force").code == 0
    photo = tiny_data / "part/test/spot/000.png"
    done = adtrack("score", photo, "--model", f"models:/{NAME}@champion", "--out", "scored", "--device", "cpu")
    assert done.code == 0 and Path(workplace / "scored").is_dir(), done.err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--margin", "-0.1"), "margin must be in [0, 1), but got -0.1"),
        (("--margin", "nan"), "margin must be in [0, 1), but got nan"),
        (("--version", "99"), "version must be one that adtrack-part has (1, 2, 3), but got 99"),
        (("--reason", "x" * (LONGEST_REASON + 1)), "reason must have at most 1000 characters, but got 1001"),
        (("--class", "nut"), "there is no adtrack-nut in this store"),
        (("--class", "a/b"), "must have a name without"),
        (("--version", "two"), "Invalid value for '--version'"),
    ],
)
def test_wrong_usage(banks, run_promote, options, words):
    done = run_promote(*options)
    assert done.code == 2 and words in done.err and "Traceback" not in done.err


def test_wrong_usage_of_rollback(banks, adtrack):
    done = adtrack("rollback", "--class", "nut")
    assert done.code == 2 and "there is no adtrack-nut in this store" in done.err
    done = adtrack("rollback", "--class", "part", "--reason", "x" * (LONGEST_REASON + 1))
    assert done.code == 2 and "reason must have at most" in done.err
