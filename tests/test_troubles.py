"""Disks that fill up while a command is at work: a sentence, what is kept, and the same command goes on."""

import errno
import subprocess
import tempfile

import pytest
import requests
import torch
from mlflow.exceptions import MlflowException
from safetensors import SafetensorError

from adtrack.errors import UserError
from adtrack.tracking.models import load_model
from adtrack.tracking.run_contents import run_file
from adtrack.tracking.scored_runs import scored_run
from adtrack.tracking.store import open_store, search_runs
from adtrack.troubles import TroubleError, disk_trouble, is_full, trouble

BANK = ("--layers", "layer2", "--coreset-fraction", "0.25")


def caused(error: Exception, *causes: Exception) -> Exception:
    """The error as it looks when it was raised from others."""
    following = error
    for cause in causes:
        following.__cause__ = cause
        following = cause
    return error


FULL = OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (FULL, "disks must have room"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "disks must have room"),
        (caused(MlflowException("INTERNAL_ERROR"), RuntimeError("database or disk is full")), "disks must have room"),
        (SafetensorError("Error while serializing: No space left on device (os error 28)"), "disks must have room"),
        (OSError(errno.EROFS, "Read-only file system"), "disks must be writable"),
        (caused(MlflowException("x"), RuntimeError("attempt to write a readonly database")), "disks must be writable"),
        (caused(MlflowException("x"), requests.ConnectionError("http://anna:secret@host is gone")), "server must stay"),
        (caused(MlflowException("x"), requests.exceptions.RetryError("too many 503")), "server must stay"),
        (requests.ReadTimeout("Read timed out."), "server must stay"),
    ],
)
def test_what_the_surroundings_do_is_a_sentence(error, says):
    told = trouble(RuntimeError("of something else")) or trouble(caused(ValueError("a"), error))
    assert says in str(told) and "the same command goes on" in str(told) and "secret" not in str(told)
    assert (disk_trouble(error) is None) == ("server" in says)


@pytest.mark.parametrize(
    "error", [FileNotFoundError(errno.ENOENT, "none"), PermissionError(errno.EACCES, "no"), ValueError("x"), KeyError()]
)
def test_what_is_no_trouble_of_the_surroundings_is_left_alone(error):
    assert trouble(error) is None and trouble(caused(UserError("it says: No space left on device."), error)) is None
    assert not is_full(UserError("No space left on device"))


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (FULL, "disks must have room"),
        (caused(MlflowException("x"), requests.ConnectionError("gone")), "server must stay"),
    ],
)
def test_what_cannot_be_fetched_is_not_called_unknown(monkeypatch, error, says):
    def fetch(*_, **__):
        raise error

    def ask(*_):
        raise caused(MlflowException("y"), error)

    monkeypatch.setattr("adtrack.tracking.models.ModelsArtifactRepository", fetch)
    monkeypatch.setattr("mlflow.MlflowClient.get_run", fetch)
    monkeypatch.setattr("mlflow.MlflowClient.get_logged_model", ask)
    for read in (
        lambda: load_model("models:/m-0123", torch.device("cpu")),
        lambda: run_file("0123", "report.html"),
        lambda: scored_run("models:/m-0123"),
    ):
        with pytest.raises(TroubleError, match=says):
            read()


def test_a_working_folder_that_has_been_removed_is_a_sentence(tmp_path, monkeypatch, adtrack):
    folder = tmp_path / "gone"
    folder.mkdir()
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(folder)
    folder.rmdir()
    done = adtrack("compare", "abcd", "abce")
    assert done.code == 1 and "Traceback" not in done.err
    assert "Error: the working folder must exist, but it has been removed. Hint: cd to a folder that" in done.err


def told_in_a_sentence(done, *parts: str) -> None:
    assert done.code == 1, done.out + done.err
    assert "Traceback" not in done.err, done.err
    (said,) = (line for line in done.err.splitlines() if line.startswith("Error: "))
    kept = ("the same command goes on from there", "doctor --fix ends runs that stay RUNNING")
    for part in ("disks must have room, but", *kept, *parts):
        assert part in said


def test_no_room_for_temporary_files(workplace, adtrack, part, small_disk, monkeypatch):
    folder = small_disk("temporary", 64)
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    done = adtrack("build-bank", *part, *BANK)
    told_in_a_sentence(done, f"the folder of temporary files {folder} is full")
    open_store()
    (run,) = search_runs("")
    assert run.info.status == "FAILED"


@pytest.mark.parametrize("kilobytes", [1040, 1600])  # a new store takes 960: a run finds no room, or its files
def test_no_room_for_the_store(adtrack, part, small_disk, blank_store, monkeypatch, own_cache, kilobytes):
    folder = small_disk("store", kilobytes)
    (folder / "mlflow.db").write_bytes(blank_store.read_bytes())
    monkeypatch.chdir(folder)
    told_in_a_sentence(adtrack("build-bank", *part, *BANK), f"the working folder {folder} is full")
    subprocess.run(["mount", "-o", "remount,size=32m", folder], check=True)
    done = adtrack("build-bank", *part, *BANK)
    assert done.code == 0, done.err


def test_no_room_in_the_cache_for_features(workplace, adtrack, part, small_disk):
    folder = small_disk("cache", 64)
    done = adtrack("build-bank", *part, *BANK, ADTRACK_CACHE=str(folder))
    assert done.code == 2 and f"the feature cache must be writable, but {folder}/features is not (No space" in done.err
    assert "Traceback" not in done.err
    assert not [path for path in folder.rglob("*") if path.suffix == ".npy"]


def test_no_room_where_scores_go(study, adtrack, small_disk, tiny_data):
    folder = small_disk("scored", 64)
    model = "models:/adtrack-part@champion"
    command = ("score", "--model", model, tiny_data / "part/test", "--out", folder, "--device", "cpu")
    done = adtrack(*command)
    assert done.code == 2 and "Traceback" not in done.err
    assert f"but {folder} is not (No space left on device). Hint: choose another --out; what was scored" in done.err
    scored = (folder / "parts" / "_journal.jsonl").read_text().count("\n")
    subprocess.run(["mount", "-o", "remount,size=32m", folder], check=True)
    done = adtrack(*command)
    assert done.code == 0 and scored > 0, done.err
    assert f"{scored} of these scores are of an earlier call" in done.out
