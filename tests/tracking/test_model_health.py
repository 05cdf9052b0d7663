"""The health of models: registered, logged and their trunks, with files that are really gone or damaged."""

import contextlib
import hashlib
import json
import shutil
import socket
import sqlite3
import zipfile
from pathlib import Path

import pytest
from filelock import FileLock
from mlflow import MlflowClient
from mlflow.entities import LoggedModelStatus

from adtrack.detectors.seal import seal
from adtrack.findings import BROKEN, NOTE, OK, Check
from adtrack.tracking.model_health import look_at_models
from adtrack.tracking.places import local_folder
from adtrack.tracking.tags import MANIFEST, WORKER


def checks() -> dict[str, Check]:
    return {check.name: check for check in look_at_models()}


def folder_of(model_uri: str) -> Path:
    """Where a logged model's files are."""
    model = MlflowClient().get_logged_model(model_uri.removeprefix("models:/"))
    return local_folder(model.artifact_location)


def champion() -> Path:
    return folder_of(MlflowClient().get_model_version_by_alias("adtrack-part", "champion").source)


def trial(run_id: str) -> Path:
    return folder_of(MlflowClient().get_run(run_id).data.tags["adtrack.model"])


def test_a_finished_study_is_in_order_and_nothing_is_touched(own_study) -> None:
    def state() -> dict[Path, int]:
        return {path: path.stat().st_mtime_ns for path in own_study.folder.rglob("*")}

    before = state()
    found = checks()
    assert {check.level for check in found.values()} == {OK}
    assert found["adtrack-part"].detail == "1 version; champion is 1, candidate is 1"
    assert found["logged models"].detail == "3 models of trials and banks"
    assert found["trunks"].detail == "of 1 study"
    assert state() == before


def flip(file: Path) -> None:
    """Change one bit in the middle of a file."""
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def add_code(archive: Path) -> None:
    """Put one more module into a model's scoring code."""
    with zipfile.ZipFile(archive, "a") as opened:
        opened.writestr(f"{opened.namelist()[0].partition('/')[0]}/more.py", "import os")


@pytest.fixture
def unsealed(own_study) -> None:
    """The champion as an earlier version made it, without digests of its files."""
    client, bank = MlflowClient(), champion() / "artifacts" / "bank"
    source = client.get_model_version_by_alias("adtrack-part", "champion").source
    client.delete_logged_model_tag(source.removeprefix("models:/"), MANIFEST)
    client.delete_model_version_tag("adtrack-part", "1", MANIFEST)
    (bank / "manifest.json").unlink()
    text = json.loads((bank / "scorer.json").read_text())
    text.pop("sealed")
    (bank / "scorer.json").write_text(json.dumps(text))


def test_a_model_of_an_earlier_version_is_noted(own_study, unsealed) -> None:
    check = checks()["adtrack-part"]
    (finding,) = check.findings
    assert finding.level == NOTE and finding.mend is None
    assert finding.what == "there are no digests of the files of 1 version of adtrack-part: 1"


def change_threshold(bank: Path) -> None:
    text = json.loads((bank / "scorer.json").read_text())
    text["calibration"]["threshold"] = 1e6
    (bank / "scorer.json").write_text(json.dumps(text))


def sealed_anew(bank: Path) -> None:
    change_threshold(bank)
    seal(bank)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (change_threshold, "must be as they were logged, but scorer.json"),
        (lambda bank: flip(bank / "bank.safetensors"), "must be as they were logged, but bank.safetensors"),
        (lambda bank: flip(bank / "trunk.safetensors"), "must be as they were logged, but trunk.safetensors"),
        (lambda bank: flip(bank / "detector.json"), "must be as they were logged, but detector.json"),
        (lambda bank: flip(bank / "code.zip"), "must be as they were logged, but code.zip"),
        (lambda bank: (bank / "trunk.safetensors").unlink(), "has no trunk.safetensors"),
        (sealed_anew, "manifest.json must have the SHA-256 that the store keeps"),
        (lambda bank: (bank / "manifest.json").unlink(), "manifest.json must have the SHA-256 that the store keeps"),
    ],
    ids=["threshold", "bank", "trunk", "detector", "code", "no trunk", "sealed anew", "no manifest"],
)
def test_damage_to_a_file_is_found_by_its_digest(own_study, spoil, said) -> None:
    spoil(champion() / "artifacts" / "bank")
    for alias in ("champion", "candidate"):  # nor has it to be in use
        MlflowClient().delete_registered_model_alias("adtrack-part", alias)
    finding = checks()["adtrack-part"].findings[0]
    assert finding.level == BROKEN and said in finding.what and "Hint" not in finding.what


def test_damage_to_a_trials_model_is_found(own_study) -> None:
    flip(trial(own_study.children[1]) / "artifacts/bank/bank.safetensors")
    (finding,) = checks()["logged models"].findings
    (item,) = finding.items
    assert item.startswith(own_study.children[1]) and "as they were logged, but bank.safetensors" in item


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda bank: shutil.rmtree(bank.parents[1]), "MLmodel is missing and 4 more"),
        (lambda bank: (bank / "bank.safetensors").unlink(), "artifacts/bank/*.safetensors is missing"),
        (lambda bank: (bank / "scorer.json").write_text(""), "artifacts/bank/scorer.json is missing"),
        (lambda bank: (bank / "scorer.json").write_text("{}"), "readable scorer.json"),
        (lambda bank: flip(bank / "trunk.safetensors"), "trunk must have SHA-256"),
        (lambda bank: (bank / "trunk.safetensors").unlink(), ""),
        (lambda bank: (bank / "bank.safetensors").write_bytes(b"garbage"), "bank must be a readable safetensors file"),
        (lambda bank: add_code(bank / "code.zip"), "not the code that was logged"),
        (lambda bank: (bank / "code.zip").write_bytes(b"garbage"), "can't be used (File is not a zip file)"),
        (lambda bank: (bank / "code.zip").unlink(), "artifacts/bank/code.zip is missing"),
        (lambda bank: (bank / "detector.json").write_text("[]"), "detector.json"),
    ],
    ids=["folder", "bank", "empty", "scorer", "trunk", "no trunk", "tensors", "code", "no zip", "no code", "detector"],
)
def test_a_champion_that_is_damaged_is_broken(own_study, unsealed, spoil, said) -> None:
    spoil(champion() / "artifacts" / "bank")
    shutil.rmtree(own_study.cache)  # where another copy of the trunk lies
    check = checks()["adtrack-part"]
    finding = check.findings[0]
    assert check.level == BROKEN and finding.mend is None
    assert finding.what.startswith("version 1 of adtrack-part, the champion and candidate, is damaged: ")
    assert said in finding.what and "models:/adtrack-part@champion" in finding.means


def test_a_model_whose_upload_was_cut_off_is_marked_as_failed(own_study) -> None:
    client = MlflowClient()
    experiment = client.get_run(own_study.best).info.experiment_id
    lock = own_study.cache / "workers" / "a.lock"
    runs = [client.create_run(experiment, tags={WORKER: f"{socket.gethostname()}|{lock}"}) for _ in "12"]
    client.set_terminated(runs[1].info.run_id, "KILLED")
    others = client.create_run(experiment)
    first, second, theirs = (client.create_logged_model(experiment, "bank", run.info.run_id) for run in (*runs, others))
    with FileLock(lock):  # its process lives and may still be at it
        (finding,) = checks()["uploads"].findings
    assert finding.level == NOTE and finding.items[0].startswith(second.model_id) and len(finding.items) == 1
    (finding,) = checks()["uploads"].findings
    assert finding.what == "the upload of 2 models was cut off" and finding.mend() == "marked 2 models as failed"
    assert "uploads" not in checks()
    states = [client.get_logged_model(model.model_id).status for model in (first, second, theirs)]
    assert states == [LoggedModelStatus.FAILED, LoggedModelStatus.FAILED, LoggedModelStatus.PENDING]


def test_models_of_earlier_versions_hold_their_code_as_a_folder(own_study, unsealed) -> None:
    bank = champion() / "artifacts" / "bank"
    with zipfile.ZipFile(bank / "code.zip") as archive:
        archive.extractall(bank)
        (package,) = {name.partition("/")[0] for name in archive.namelist()}
    (bank / "code.zip").unlink()
    (bank / package).rename(bank / "code")
    modules = {file.relative_to(bank / "code"): file.read_bytes() for file in (bank / "code").rglob("*.py")}
    told = (path.as_posix().encode() + b"\0" + modules[path] for path in sorted(modules))
    (bank / "code" / "DIGEST").write_text(hashlib.sha256(b"".join(told)).hexdigest())
    assert checks()["adtrack-part"].level == NOTE
    (bank / "code" / "config.py").write_text("import os")
    assert "not the code that was logged" in checks()["adtrack-part"].findings[0].what


def test_a_version_that_nobody_uses_counts_too(own_study) -> None:
    client = MlflowClient()
    for run_id in own_study.children[:2]:
        model = MlflowClient().get_run(run_id).data.tags["adtrack.model"]
        client.create_model_version("adtrack-part", model, run_id, model_id=model.removeprefix("models:/"))
    shutil.rmtree(trial(own_study.children[0]))
    client.delete_logged_model(client.get_model_version("adtrack-part", "3").source.removeprefix("models:/"))
    found = checks()
    assert [finding.what for finding in found["adtrack-part"].findings] == [
        "version 2 of adtrack-part is damaged: MLmodel is missing and 4 more",
        "version 3 of adtrack-part is damaged: its logged model has been deleted",
    ]


def test_an_alias_that_leads_nowhere_is_broken_and_a_missing_champion_a_note(own_study) -> None:
    with contextlib.closing(sqlite3.connect(own_study.folder / "mlflow.db")) as database:
        database.execute("UPDATE registered_model_aliases SET version = 7 WHERE alias = 'candidate'")
        database.commit()
    MlflowClient().delete_registered_model_alias("adtrack-part", "champion")
    check = checks()["adtrack-part"]
    assert [finding.level for finding in check.findings] == [BROKEN, NOTE]
    assert "adtrack-part@candidate stands for version 7, which does not exist" in check.findings[0].what
    assert "adtrack promote --class part" in check.findings[1].remedy


def test_models_of_trials_whose_files_are_gone_are_named(own_study) -> None:
    shutil.rmtree(trial(own_study.children[1]))
    (trial(own_study.children[2]) / "artifacts/bank/bank.safetensors").write_bytes(b"")
    check = checks()["logged models"]
    (finding,) = check.findings
    assert check.level == BROKEN and finding.mend is None and "files of 2 models" in finding.what
    assert [item.split()[0] for item in finding.items] == list(own_study.children[1:])
    MlflowClient().delete_run(own_study.children[1])
    assert len(checks()["logged models"].findings[0].items) == 1  # a deleted run promises nothing


def test_a_study_without_its_trunk_is_named(own_study) -> None:
    run = MlflowClient().get_run(own_study.parent)
    shutil.rmtree(local_folder(run.info.artifact_uri) / "trunk")
    (finding,) = checks()["trunks"].findings
    assert finding.level == BROKEN and finding.items[0].startswith(own_study.parent)
    assert finding.items[0].endswith("(in this machine's cache)") and "adtrack tune" in finding.remedy
    shutil.rmtree(own_study.cache)
    assert "cache" not in checks()["trunks"].findings[0].items[0]
