"""Compares the files of a model with the digest that the tracking store keeps.

The digest is that of the manifest with which the files were logged. It is a tag of the logged model, and of every
registered version of it.
"""

from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import LoggedModel
from mlflow.store.artifact.runs_artifact_repo import RunsArtifactRepository

from adtrack.detectors.seal import FILE, require_seal, sha256_of
from adtrack.tracking.tags import MANIFEST


def manifest_tags(bank: Path) -> dict[str, str]:
    """The tag of a model whose files are in ``bank``."""
    return {MANIFEST: sha256_of(bank / FILE)}


def check_told(address: str, bank: Path) -> None:
    """Raise UserError if the manifest in ``bank`` does not have the digest that the store keeps for this address.

    The store keeps no digest for folders and for models of earlier versions; these are not checked.
    """
    for digest in _kept_digests(address):
        require_seal(bank, digest)


def _kept_digests(address: str) -> set[str]:
    tags = [model.tags for model in logged_models(address)]
    name, slash, version = address.removeprefix("models:/").rpartition("/")
    if address.startswith("models:/") and slash:
        tags.append(MlflowClient().get_model_version(name, version).tags)
    return {each[MANIFEST] for each in tags if MANIFEST in each}


def logged_models(address: str) -> list[LoggedModel]:
    """The logged model that a ``models:/…`` or ``runs:/…`` address stands for, in a list; empty if there is none."""
    client = MlflowClient()
    if address.startswith("runs:/"):
        run_id, name = RunsArtifactRepository.parse_runs_uri(address)
        asked = f"source_run_id = '{run_id}'"
        found = client.search_logged_models([client.get_run(run_id).info.experiment_id], asked)
        return [model for model in found if model.name == name][:1]  # the newest, as MLflow itself takes it
    if not address.startswith("models:/"):
        return []
    name, slash, version = address.removeprefix("models:/").rpartition("/")
    source = (client.get_model_version(name, version).source or "") if slash else address
    model_id = source.removeprefix("models:/")
    return [client.get_logged_model(model_id)] if model_id.startswith("m-") else []
