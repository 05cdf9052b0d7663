"""A bank as an MLflow model: what its folder holds, and how it is found again."""

import dataclasses
import importlib.metadata
import json
import shutil
from pathlib import Path

import mlflow
import numpy as np
import pytest
import torch
from mlflow import MlflowClient
from PIL import Image

from adtrack.detectors.seal import seal
from adtrack.errors import UserError
from adtrack.tracking.models import load_model, model_name, requirements

CPU = torch.device("cpu")


def model_of(run_id: str) -> str:
    return MlflowClient().get_run(run_id).data.tags["adtrack.model"]


def folder_of(uri: str) -> Path:
    return Path(mlflow.artifacts.download_artifacts(artifact_uri=uri))


def files(folder: Path) -> set[str]:
    return {file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()}


def image(tiny_data: Path) -> np.ndarray:
    return np.asarray(Image.open(tiny_data / "part/test/spot/000.png"))


def test_a_trials_model_leaves_the_trunk_to_its_study_and_a_registered_one_is_whole(study):
    trial, registered = folder_of(model_of(study.children[0])), folder_of("models:/adtrack-part@champion")
    assert "artifacts/bank/trunk.safetensors" not in files(trial)
    assert "artifacts/bank/trunk.safetensors" in files(registered)
    for folder in (trial, registered):
        assert {"artifacts/bank/bank.safetensors", "artifacts/bank/scorer.json"} <= files(folder)
        assert "artifacts/bank/code.zip" in files(folder)
        assert len(files(folder)) <= 14  # a server is asked for each of them by itself


def test_a_model_is_named_for_people(study):
    client = MlflowClient()
    (trial,) = (run for run in map(client.get_run, study.children) if run.info.run_id == study.best)
    found = trial.data.params
    fraction = found["coreset_fraction"].replace(".", ",")
    name = f"part {found['layers']} p{found['patch_size']} {fraction} resnet18"
    named = {client.get_logged_model(each.model_id).name for each in trial.outputs.model_outputs}
    assert named == {name, f"{name}, with its network"}
    assert len({client.get_logged_model(model_of(run).removeprefix("models:/")).name for run in study.children}) == 3


def test_a_name_that_mlflow_would_refuse_is_changed(study):
    scorer = load_model(model_of(study.best), CPU).scorer
    named = dataclasses.replace(scorer, facts={**scorer.facts, "class": "50% 'a/b:c' \"v1.2\" x.y\n"})
    assert model_name(named).startswith("50- -a-b-c- -v1,2- x-y layer")


def test_no_model_holds_a_pickle(study):
    suffixes = {".safetensors", ".json", ".py", ".zip", ".txt", ".yaml", ".yml", ""}
    for uri in (model_of(study.children[0]), "models:/adtrack-part@champion"):
        folder = folder_of(uri)
        assert {Path(file).suffix for file in files(folder)} <= suffixes
        assert {name for name in files(folder) if not Path(name).suffix} <= {"MLmodel", "registered_model_meta"}
        for file in folder.rglob("*"):
            assert not file.is_file() or file.read_bytes()[:1] != b"\x80"  # how every pickle begins


def test_requirements_are_explicit(study):
    lines = (folder_of("models:/adtrack-part@champion") / "requirements.txt").read_text().split()
    assert lines == requirements("patchcore", "resnet18")
    more = {
        "anomalib": requirements("padim", "resnet18"),
        "kornia": requirements("pixel_ae", "none"),
        "timm": requirements("patchcore", "timm/resnet18"),
    }
    for package, needed in more.items():
        assert set(needed) - set(lines) == {f"{package}=={importlib.metadata.version(package)}"}
    assert f"mlflow=={importlib.metadata.version('mlflow')}" in lines
    assert not any("+" in line or "adtrack" in line for line in lines)
    assert {"torch", "torchvision", "safetensors", "numpy", "pillow"} <= {line.split("==")[0] for line in lines}


def test_a_trials_model_finds_its_trunk_in_the_cache_or_on_the_parent_run(study, tiny_data, tmp_path, monkeypatch):
    uri = model_of(study.children[0])
    from_cache = load_model(uri, CPU).scorer.judge(image(tiny_data))
    monkeypatch.setenv("ADTRACK_CACHE", str(tmp_path / "empty"))
    from_parent = load_model(uri, CPU).scorer.judge(image(tiny_data))
    assert from_cache.score == from_parent.score
    assert np.array_equal(from_cache.patches, from_parent.patches)


def test_a_model_is_loaded_by_every_kind_of_address(study, tiny_data):
    client = MlflowClient()
    version = client.get_model_version_by_alias("adtrack-part", "champion").version
    folder = folder_of("models:/adtrack-part@champion")
    scores = {}
    for uri in ("models:/adtrack-part@champion", f"models:/adtrack-part/{version}", model_of(study.best), str(folder)):
        loaded = load_model(uri, CPU)
        assert loaded.uri == uri
        scores[loaded.resolved] = loaded.scorer.judge(image(tiny_data)).score
    assert f"models:/adtrack-part/{version}" in scores  # an alias is written down as what it names now
    assert len(set(scores.values())) == 1


@pytest.mark.parametrize(
    "uri",
    [
        *("models:/adtrack-part@nobody", "models:/adtrack-nut@champion", "models:/adtrack-part/99", "models:/m-0123"),
        *("models:/", "models:/adtrack-part", "runs:/0123/bank", "no/such/folder", "nonsense:/x", ""),
        "http://127.0.0.1:1/x",  # which MLflow takes apart as the address of a tracking server's file
    ],
)
def test_a_model_that_is_not_there_is_a_sentence(study, uri):
    with pytest.raises(UserError, match="model must"):
        load_model(uri, CPU)


def test_a_store_whose_library_is_not_installed_is_a_sentence(monkeypatch):
    def fetch(**_):
        raise ModuleNotFoundError("No module named 'botocore'")

    monkeypatch.setattr(mlflow.artifacts, "download_artifacts", fetch)
    with pytest.raises(UserError, match=r"s3://a/b is not \(No module named 'botocore'\)"):
        load_model("s3://a/b", CPU)


def test_models_of_others_and_damaged_ones_are_refused(study, tmp_path):
    with pytest.raises(UserError, match=r"readable scorer\.json"):
        load_model(str(tmp_path), CPU)
    copy = shutil.copytree(folder_of("models:/adtrack-part@champion"), tmp_path / "copy")
    text = json.loads((copy / "artifacts/bank/scorer.json").read_text())
    text["trunk"]["sha256"] = "0" * 64
    (copy / "artifacts/bank/scorer.json").write_text(json.dumps(text))
    seal(copy / "artifacts/bank")
    with pytest.raises(UserError, match="trunk must have SHA-256 000000000000"):
        load_model(str(copy), CPU)
    (copy / "artifacts/bank/bank.safetensors").write_bytes(b"\x80\x04garbage")
    text["trunk"]["sha256"] = MlflowClient().get_run(study.best).data.params["weights_sha256"]
    (copy / "artifacts/bank/scorer.json").write_text(json.dumps(text))
    seal(copy / "artifacts/bank")
    with pytest.raises(UserError, match="bank must be a readable safetensors file"):
        load_model(str(copy), CPU)
