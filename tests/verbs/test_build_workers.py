"""build-bank with patches that the nodes of a Ray cluster share out: the run and the model of one process."""

from pathlib import Path

import mlflow
import pytest
from safetensors.torch import load_file

from adtrack.detectors.training_patches import TrainingPatches
from adtrack.scale.actors import Actors
from adtrack.tracking.store import search_runs
from tests.clusters import cluster_of

BANK = ("--layers", "layer2+layer3", "--coreset-fraction", "0.2", "--augment", "1")


@pytest.fixture
def nodes():
    """A cluster of two nodes, to which this process is connected."""
    with cluster_of(1, 1):
        yield


def bank(run) -> dict[str, bytes]:
    """The files of a run's model that hold what it has learned."""
    folder = Path(mlflow.artifacts.download_artifacts(run.data.tags["adtrack.model"]))
    return {file.name: file.read_bytes() for file in folder.rglob("*.safetensors")}


def test_run_and_model_are_those_of_one_process(workplace, own_cache, adtrack, part, nodes, monkeypatch):
    asked: list[int] = []
    each = Actors.each

    def counted(actors, work):
        asked.append(len(actors))
        return each(actors, work)

    def refused(patches):
        raise AssertionError("this process must not make all patches")

    monkeypatch.setattr(Actors, "each", counted)
    with monkeypatch.context() as patch:
        patch.setattr(TrainingPatches, "points", refused)
        shared = adtrack("build-bank", *part, *BANK, "--workers", "ray")
    assert shared.code == 0 and "shared out over the Ray cluster" in shared.err, shared.err
    (run,) = search_runs("")
    assert asked.count(2) > 5
    (order,) = (own_cache / "orders").glob("*.safetensors")
    known = load_file(order)["order"]
    order.unlink()
    assert adtrack("build-bank", *part, *BANK).code == 0
    assert load_file(order)["order"].equal(known)  # the same key, and the same order
    alone = next(each for each in search_runs("") if each.info.run_id != run.info.run_id)
    assert bank(alone) == bank(run) and "bank.safetensors" in bank(run)
    assert {"cost/build_s", "cost/score_ms"} < set(alone.data.metrics)
    for name in set(alone.data.metrics) - {"cost/build_s", "cost/score_ms"}:
        assert alone.data.metrics[name] == run.data.metrics[name], name


def test_what_cannot_be_shared_out_is_refused(workplace, adtrack, part):
    for options, words in (
        (("--workers", "2"), "workers must be 1 or ray where one model is built, but got 2."),
        (("--workers", "ray", "--method", "padim"), "workers must be 1 for PaDiM, but got ray"),
    ):
        done = adtrack("build-bank", *part, *options)
        assert done.code == 2 and words in done.err, done.err
