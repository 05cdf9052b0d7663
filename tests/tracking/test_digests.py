"""What the store says of a model's files: whoever asks it finds what was changed together with its manifest."""

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import mlflow
import pytest
import torch
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from adtrack.detectors.seal import FILE, seal, sha256_of
from adtrack.errors import UserError
from adtrack.tracking.models import load_model
from adtrack.tracking.places import local_folder
from adtrack.tracking.tags import MANIFEST

CPU = torch.device("cpu")
CHAMPION = "models:/adtrack-part@champion"


@pytest.fixture
def bank(own_study) -> Path:
    """The champion's files, which a test may spoil."""
    source = MlflowClient().get_model_version_by_alias("adtrack-part", "champion").source
    return local_folder(MlflowClient().get_logged_model(source.removeprefix("models:/")).artifact_location).joinpath(
        "artifacts/bank"
    )


def change_threshold(bank: Path) -> None:
    text = json.loads((bank / "scorer.json").read_text())
    text["calibration"]["threshold"] = 1e6
    (bank / "scorer.json").write_text(json.dumps(text))


def test_the_manifests_digest_is_on_the_logged_model_and_on_the_version(study) -> None:
    version = MlflowClient().get_model_version_by_alias("adtrack-part", "champion")
    model = MlflowClient().get_logged_model(version.source.removeprefix("models:/"))
    digest = sha256_of(local_folder(model.artifact_location) / "artifacts/bank" / FILE)
    assert version.tags[MANIFEST] == model.tags[MANIFEST] == digest
    trial = MlflowClient().get_run(study.children[0]).data.tags["adtrack.model"].removeprefix("models:/")
    assert len(MlflowClient().get_logged_model(trial).tags[MANIFEST]) == 64


def test_it_is_asked_by_every_address_of_a_model(bank: Path) -> None:
    version = MlflowClient().get_model_version_by_alias("adtrack-part", "champion")
    name = MlflowClient().get_logged_model(version.source.removeprefix("models:/")).name
    addresses = (CHAMPION, "models:/adtrack-part/1", version.source, f"runs:/{version.run_id}/{name}")
    for address in addresses:
        load_model(address, CPU, whole=True)
    change_threshold(bank)
    for address in addresses:
        with pytest.raises(UserError, match=r"as they were logged, but scorer\.json"):
            load_model(address, CPU)
    seal(bank)
    for address in addresses:
        with pytest.raises(UserError, match=r"manifest\.json must have the SHA-256 that the store keeps"):
            load_model(address, CPU)
    MlflowClient().delete_logged_model_tag(version.source.removeprefix("models:/"), MANIFEST)
    with pytest.raises(UserError, match="the store keeps"):
        load_model(CHAMPION, CPU)  # the version has a tag of its own


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def add_code(bank: Path) -> None:
    with zipfile.ZipFile(bank / "code.zip", "a") as opened:
        opened.writestr(f"{opened.namelist()[0].partition('/')[0]}/errors.py", "print('run')")


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (change_threshold, r"as they were logged, but scorer\.json"),
        (lambda bank: flip(bank / "bank.safetensors"), r"as they were logged, but bank\.safetensors"),
        (lambda bank: flip(bank / "trunk.safetensors"), r"as they were logged, but trunk\.safetensors"),
        (add_code, r"code must be as it was logged, but .*code\.zip is not"),
        (
            lambda bank: (bank.parents[1] / "served_model.py").open("a").write("print('run')\n"),
            r"code must be as it was logged, but .*served_model\.py is not",
        ),
    ],
    ids=["threshold", "bank", "trunk", "code", "loader"],
)
def test_a_damaged_model_is_not_served(bank: Path, tmp_path: Path, spoil: Callable[[Path], object], said: str) -> None:
    copy = shutil.copytree(bank.parents[1], tmp_path / "copy")
    spoil(copy / "artifacts/bank")
    with pytest.raises((MlflowException, ValueError), match=said):
        mlflow.pyfunc.load_model(str(copy))


def test_the_code_of_a_model_counts_where_it_is_to_be_served(bank: Path) -> None:
    with (bank.parents[1] / "served_model.py").open("a") as loader:
        loader.write("#")
    load_model(CHAMPION, CPU)  # which runs no code of the model's
    with pytest.raises(UserError, match="must hold the code that scores with it"):
        load_model(CHAMPION, CPU, whole=True)
