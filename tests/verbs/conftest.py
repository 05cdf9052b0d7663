"""Registered versions for verbs that compare and promote them."""

import csv
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

BANKS = (
    ("--layers", "layer2", "--coreset-fraction", "0.25"),
    ("--layers", "layer3", "--coreset-fraction", "0.1"),
    ("--layers", "layer2", "--coreset-fraction", "0.25", "--seed", "7"),
)


@pytest.fixture(scope="session")
def _banks(
    tmp_path_factory: pytest.TempPathFactory, blank_store: Path, adtrack: Callable, part: tuple[str, ...]
) -> tuple[Path, Path]:
    folder, cache = tmp_path_factory.mktemp("banks"), tmp_path_factory.mktemp("banks-cache")
    shutil.copy(blank_store, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("ADTRACK_CACHE", str(cache))
        for options in BANKS:
            done = adtrack("build-bank", *part, *options, "--register")
            assert done.code == 0, done.err
        done = adtrack("evaluate", *part, "--model", "models:/adtrack-part/1")
        assert done.code == 0, done.err
    return folder, cache


@dataclass(frozen=True)
class Banks:
    """Three registered versions of "part", the first being champion and the third having other splits: their runs,
    and the run that tested the first."""

    runs: tuple[str, ...]
    tested: str
    digests: tuple[str, ...]


@pytest.fixture
def banks(_banks: tuple[Path, Path], workplace: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Banks]:
    """The versions in a store of the test's own; their files are for reading only."""
    from adtrack.tracking.store import open_store, search_runs

    shutil.copy(_banks[0] / "mlflow.db", workplace)
    monkeypatch.setenv("ADTRACK_CACHE", str(_banks[1]))
    open_store()
    runs = search_runs("")
    built = [run for run in runs if run.data.tags["adtrack.role"] == "bank"]
    (tested,) = (run.info.run_id for run in runs if run.data.tags["adtrack.role"] == "evaluation")
    digests = tuple(run.data.tags["adtrack.split_digest"] for run in built)
    yield Banks(tuple(run.info.run_id for run in built), tested, digests)


@pytest.fixture
def copied_run(banks: Banks) -> Callable[..., str]:
    """Makes a run with another's tags and its Val scores, every row of a set changed, and gives its id."""
    from mlflow import MlflowClient

    client = MlflowClient()

    def copy(run_id: str, change: Callable[[dict], dict] = dict, **tags: str) -> str:
        run = client.get_run(run_id)
        kept = {key: value for key, value in run.data.tags.items() if key.startswith("adtrack.")} | tags
        made = client.create_run(run.info.experiment_id, tags=kept).info.run_id
        for name in ("val_clean", "val_shift"):
            with Path(client.download_artifacts(run_id, f"scores/{name}.csv")).open(newline="") as stream:
                rows = [change(row) for row in csv.DictReader(stream)]
            lines = [",".join(rows[0]), *(",".join(map(str, row.values())) for row in rows)]
            client.log_text(made, "\n".join(lines) + "\n", f"scores/{name}.csv")
        for name in ("splits.json", "spec.json"):
            client.log_artifact(made, client.download_artifacts(run_id, name))
        client.set_terminated(made)
        return made

    return copy
