"""Finds the weights that a specification asks for, also where it names them by an address in the tracking store."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import mlflow
from mlflow.store.artifact.artifact_repo import ArtifactRepository
from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository
from mlflow.store.artifact.models_artifact_repo import ModelsArtifactRepository

from adtrack.config import VIEW, BackboneSpec
from adtrack.detectors import scorer, seal
from adtrack.errors import UserError
from adtrack.features.weights import Trunk, load_trunk, trunk_in_file
from adtrack.tracking import models, trunks
from adtrack.tracking.addresses import looked_up
from adtrack.tracking.digests import check_told
from adtrack.tracking.registry import resolved
from adtrack.tracking.store import reach_store

_MODELS, _RUNS = "models:/", "runs:/"
# Where a model holds its network: the folder, and the file that names it.
_PLACES = {trunks.FOLDER: trunks.DESCRIPTION, f"artifacts/{models.ARTIFACT}": scorer.DESCRIPTION}


@dataclass(frozen=True)
class _Found:
    """A file with weights and what to call it; its network and the weights' licence, "" where nothing names them."""

    file: Path
    origin: str
    network: str = ""
    licence: str = ""


def find_trunk(spec: BackboneSpec, layers: Sequence[str], data: str) -> Trunk:
    """As ``load_trunk``, and ``weights`` may also be an address in the tracking store.

    ``models:/NAME@ALIAS``, ``models:/NAME/VERSION`` and ``models:/m-…`` stand for the network of a model, be it a
    network alone or a detector's. ``runs:/RUN/PATH`` stands for a file of a run. The trunk's origin is the address
    without alias, and its SHA-256 tells it from others: an alias may stand for another version tomorrow.
    """
    if not spec.weights.startswith((_MODELS, _RUNS)) or not set(layers) - {VIEW}:
        return load_trunk(spec, layers, data)
    reach_store()
    with tempfile.TemporaryDirectory() as scratch:
        with looked_up("weights must be ones", spec.weights, "models and runs"):
            found = _fetched(spec.weights, scratch)
        if found.network not in ("", spec.name):
            raise UserError(
                f"weights must be of the backbone, {spec.name}, but {found.origin} is a {found.network}.",
                f"pass backbone={found.network}, or other weights.",
            )
        trunk = trunk_in_file(found.file, spec.name, layers, found.origin)
        return replace(trunk, asked=spec.weights, licence=found.licence)


def _fetched(uri: str, scratch: str) -> _Found:
    address = resolved(uri)
    if address.startswith(_MODELS):
        return _in_model(address, scratch)
    file = Path(mlflow.artifacts.download_artifacts(artifact_uri=address, dst_path=scratch))
    if not file.is_file():
        raise UserError(f"weights must be one file of a run, but {uri} is a folder.", "name the file in it.")
    return _Found(file, address)


def _in_model(address: str, scratch: str) -> _Found:
    """The network in a model, whose files must be as they were logged."""
    repository: ArtifactRepository = ModelsArtifactRepository(address).repo
    for place, description in _PLACES.items():
        there = {PurePosixPath(item.path).name for item in repository.list_artifacts(place)}
        if {description, trunks.TENSORS} <= there:
            folder = _folder(repository, place, [description, trunks.TENSORS, *{seal.FILE} & there], scratch)
            check_told(address, folder)
            seal.check_seal(folder)
            told = trunks.described(folder / description)
            return _Found(folder / trunks.TENSORS, address, told["network"], told["licence"])
    raise UserError(
        f"weights must be in a model that holds a network of adtrack, but {address} holds none.",
        "registered versions of adtrack hold theirs; runs:/RUN/PATH names any file of a run.",
    )


def _folder(repository: ArtifactRepository, place: str, names: Sequence[str], scratch: str) -> Path:
    """The folder with these files of a model: the original if it is on this machine, else a copy in ``scratch``."""
    if isinstance(repository, LocalArtifactRepository):
        return Path(repository.download_artifacts(place))
    for name in names:
        repository.download_artifacts(f"{place}/{name}", scratch)
    return Path(scratch) / place
