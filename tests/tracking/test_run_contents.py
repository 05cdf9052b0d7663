"""What is read of a run's files, and that nothing is left behind."""

import tempfile
from pathlib import Path

import pytest
from mlflow import MlflowClient

from adtrack.errors import UserError
from adtrack.tracking.run_contents import run_file
from adtrack.tracking.store import open_store


def test_a_file_of_a_store_on_this_machine_is_not_copied(workplace, tmp_path, monkeypatch):
    open_store()
    client = MlflowClient()
    run = client.create_run(client.create_experiment("another")).info
    client.log_text(run.run_id, "path,score\n", "scores/val_clean.csv")
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    found = run_file(run.run_id, "scores/val_clean.csv")
    assert found.read_text() == "path,score\n"
    assert found == Path(run.artifact_uri.removeprefix("file://")) / "scores/val_clean.csv"
    with pytest.raises(UserError, match=r"must have the artifact scores/none\.csv, but it cannot be read"):
        run_file(run.run_id, "scores/none.csv")
    assert not any((tmp_path / "temporary").iterdir())
