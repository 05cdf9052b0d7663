"""Another method is a class and a line: with no more than that it is built, tuned, compared, promoted and served."""

import csv
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest
import torchvision
from PIL import Image

from adtrack.config import VIEW
from adtrack.detectors import DETECTORS
from adtrack.features.feature_set import FeatureSet
from adtrack.features.grids import Grid
from adtrack.tracking.store import search_runs
from tests.another_method import Far, FarImage, FarImageSpec, FarSpec, FarView, FarViewSpec
from tests.detectors.conftest import CPU, synthetic
from tests.detectors.contract import ContractTests

ADDED = {"far": Far, "far-image": FarImage, "far-view": FarView}
CHAMPION = "models:/adtrack-part@champion"
__all__ = ["synthetic"]  # the fixture


@pytest.fixture(autouse=True)
def added(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, kind in ADDED.items():
        monkeypatch.setitem(DETECTORS, name, kind)


class TestFar(ContractTests):
    spec = FarSpec(2.0, "a")


class TestFarImage(ContractTests):
    spec = FarImageSpec(2.0, "a")


class TestFarView(ContractTests):
    spec = FarViewSpec(1.5)

    @pytest.fixture
    def synthetic(self) -> Callable[..., FeatureSet]:
        def make(count: int = 6, seed: int = 0) -> FeatureSet:
            views = np.random.default_rng(seed).standard_normal((count, 3, 24, 24)).astype(np.float32)
            return FeatureSet(f"views {count} {seed}", {VIEW: views}, {VIEW: Grid(0.0, 1.0)}, CPU, 24)

        return make


def no_network(*_: object, **__: object) -> None:
    raise AssertionError("a method of views alone needs no network")


@pytest.mark.slow
@pytest.mark.parametrize("method", ADDED)
def test_a_method_that_is_added_does_all_that_there_is(
    method: str,
    workplace: Path,
    adtrack: Callable[..., Any],
    part: tuple[str, ...],
    tiny_data: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kind, photos = ADDED[method], sorted((tiny_data / "part/test").rglob("*.png"))[:5]
    own = () if method == "far-view" else ("--far-layer", "layer1")
    if method == "far-view":
        monkeypatch.setattr(torchvision.models, "get_model", no_network)
    asked = (*part, "--method", method)

    def done(*arguments: object) -> str:
        outcome = adtrack(*arguments)
        assert outcome.code == 0, outcome.err
        return outcome.out

    # The first version, which the second is compared with and promoted over.
    assert kind.name in done("build-bank", *asked, *own, "--options", "power=2", "--register", "true")
    (built,) = search_runs("")
    assert built.data.params["method"] == method and built.data.params["power"] == "2.0"
    assert built.data.params.get("far_layer") == ("layer1" if own else None)
    assert ("val_clean/pixel_auroc" in built.data.metrics) == kind.has_maps
    assert "test_clean" in done("evaluate", *asked, "--model", "models:/adtrack-part/1")
    done("evaluate", *asked, *own)

    space = "power=1,2" if method == "far-view" else "power=1,2;far_layer=layer1,layer2"
    done("tune", *asked, "--space", space, "--trials", "2", "--sampler", "grid")
    trials = [run.data.params for run in search_runs("") if "adtrack.trial" in run.data.tags]
    assert {(one["method"], one["power"]) for one in trials} <= {(method, "1.0"), (method, "2.0")} and len(trials) == 2
    done("score", *photos, "--model", "models:/adtrack-part/2", "--out", "scored")
    with Path("scored/scores.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == len(photos) and Path("scored/gallery.html").is_file()
    assert bool(list(Path("scored").rglob("overlays/*"))) == kind.has_maps
    done("compare", "models:/adtrack-part/2", "models:/adtrack-part/1", "--out", "compared", "--device", "cpu")
    assert adtrack("promote", "--class", "part", "--version", "2", "--force", "--device", "cpu").code == 0
    done("export", "--out", "tables")
    assert "power" in "".join(file.read_text() for file in Path("tables").glob("*.csv"))
    assert method in done(
        "experiment", "severity", "--classes", "part", "--data", tiny_data, "--methods", method, *part[4:]
    )
    doctor = adtrack("doctor")
    assert "missing" not in doctor.out, doctor.out

    expected = [(float(row["score"]), float(row["threshold"]), int(row["label"])) for row in rows]
    check_served(expected, photos, kind)


def check_served(expected: list[tuple[float, float, int]], photos: list[Path], kind: type[Far]) -> None:
    """MLflow's model gives the same bits, in this process and in one that has no adtrack."""
    served = mlflow.pyfunc.load_model("models:/adtrack-part/2")
    batch = np.stack([np.asarray(Image.open(photo)) for photo in photos])
    found = served.predict(batch)
    assert list(found.itertuples(index=False, name=None)) == expected
    if kind.has_maps:
        assert np.array(served.predict(batch[:1], params={"return_map": True})["anomaly_map"][0]).shape == (64, 64)
    else:
        with pytest.raises(mlflow.MlflowException, match="and has no anomaly maps"):
            served.predict(batch[:1], params={"return_map": True})
    folder = mlflow.artifacts.download_artifacts("models:/adtrack-part/2")
    code = f"""
import json, sys
class NoAdtrack:
    def find_spec(self, name, *_):
        assert name.partition(".")[0] not in ("adtrack", "tests"), name
sys.meta_path.insert(0, NoAdtrack())
import mlflow
found = mlflow.pyfunc.load_model({folder!r}).predict({[str(photo) for photo in photos]!r})
print(json.dumps([list(row) for row in found.itertuples(index=False, name=None)]))
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0, ran.stderr
    assert [tuple(row) for row in json.loads(ran.stdout.splitlines()[-1])] == expected
