"""Logs scorers as MLflow models, without their network for trials and with it for the registry, and loads them."""

import importlib.metadata
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import mlflow
import torch
from mlflow import MlflowClient
from mlflow.entities import LoggedModelStatus
from mlflow.models import Model, ModelSignature
from mlflow.store.artifact.artifact_repo import ArtifactRepository
from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository
from mlflow.store.artifact.models_artifact_repo import ModelsArtifactRepository
from mlflow.tracking.context.registry import resolve_tags
from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema
from mlflow.utils.requirements_utils import warn_dependency_requirement_mismatches

import adtrack
from adtrack.config import DEFAULT_METHOD
from adtrack.detectors import detector_class
from adtrack.detectors.calibration import ADAPTED
from adtrack.detectors.scorer import DESCRIPTION, Scorer
from adtrack.detectors.seal import require_all, seal_of
from adtrack.errors import UserError
from adtrack.features.networks import Network
from adtrack.naming import argument
from adtrack.tracking.addresses import looked_up
from adtrack.tracking.digests import check_told, logged_models, manifest_tags
from adtrack.tracking.model_card import example, how_to_call
from adtrack.tracking.model_figures import figures_of
from adtrack.tracking.registry import VERSIONS_TAG, resolved
from adtrack.tracking.run import Run
from adtrack.tracking.run_contents import fetched
from adtrack.tracking.scoring_code import FILE, LOADER, require_code, write_scoring_code
from adtrack.tracking.tags import EXPORTS, HOLDS, NOTE, TRUNKS

ARTIFACT = "bank"
_NEEDED = (
    *("mlflow", "numpy", "pandas", "pillow", "scipy", "safetensors", "torch", "torchvision"),
    *("filelock", "platformdirs", "tqdm"),
)
# Images come as a batch of pixels or as a column of files, but one schema of MLflow's can describe only one of the two.
# So the model checks its input itself; it declares its output and its option, and its example shows an input.
SIGNATURE = ModelSignature(
    inputs=None,
    outputs=Schema([ColSpec("double", "score"), ColSpec("double", "threshold"), ColSpec("long", "label")]),
    params=ParamSchema([ParamSpec("return_map", "boolean", False)]),
)


def look_up_packages() -> None:
    """Have MLflow find out now what is installed, which takes half a second of a process's first model otherwise."""
    warn_dependency_requirement_mismatches(["mlflow"])


@dataclass(frozen=True)
class LoadedModel:
    """A scorer and its model: the URI that was asked for, the address without aliases that it stands for now, and the
    SHA-256 of its manifest, "" for a model of before manifests."""

    scorer: Scorer
    uri: str
    resolved: str
    digest: str


class _FlavourWithoutTest:
    """MLflow's pyfunc flavour for ``Model.log``, which can be told not to test the model on its example.

    ``pyfunc.log_model`` always tests it, and so would load the detector and the network again after every trial.
    """

    @staticmethod
    def save_model(path: str, mlflow_model: Model, validate_serving_input: bool, **options: Any) -> None:
        """Save the model. ``validate_serving_input`` is meant for ``Model.log`` alone."""
        mlflow.pyfunc.save_model(path, mlflow_model=mlflow_model, **options)


def model_name(scorer: Scorer) -> str:
    """The name of the model in MLflow's lists, which show about twenty characters: ``zipper layer2 p3 0,1 resnet50``.

    MLflow takes no points, slashes, colons, quotes and per cent signs in the name of a model, so they are replaced.
    """
    spec, named = scorer.detector.spec, scorer.facts.get("class", "")
    method = [] if spec.method == DEFAULT_METHOD else [spec.method]
    words = " ".join([*named.split(), *method, spec.title, scorer.backbone.trunk.network])
    return re.sub(r"[/:.%\"']", "-", re.sub(r"(?<=\d)\.(?=\d)", ",", words))


def log_scorer(run: Run, scorer: Scorer, *, with_trunk: bool, name: str | None = None) -> str:
    """Log the scorer as an MLflow model of a run, with an example and a page that says how to call it.

    Returns the model's ``models:/…`` URI.
    """
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / ARTIFACT
        # The code comes before the scorer, since the manifest that the scorer writes at last lists this file, too.
        write_scoring_code(folder, scorer.detector.spec.method)
        scorer.save(folder, with_trunk=with_trunk)
        info = Model.log(
            artifact_path=None,  # an older parameter for the name, which MLflow still requires
            flavor=_FlavourWithoutTest,
            run_id=run.run_id,
            model_id=new_model(run, name or model_name(scorer), manifest_tags(folder)),
            validate_serving_input=False,
            python_model=str(Path(__file__).with_name(LOADER)),
            artifacts={ARTIFACT: str(folder)},
            pip_requirements=requirements(scorer.detector.spec.method, scorer.backbone.trunk.network),
            signature=SIGNATURE,
            input_example=example(),
            metadata={"adtrack": adtrack.__version__, **scorer.facts},
        )
    uri: str = info.model_uri
    write_page(uri, scorer)
    return uri


def new_model(run: Run, name: str, tags: Mapping[str, str]) -> str:
    """The id of a new logged model of a run, which has no files yet.

    ``Model.log`` would make it in MLflow's active experiment, which need not be the experiment of the run.
    """
    client = MlflowClient()
    params = client.get_run(run.run_id).data.params
    made = client.create_logged_model(run.experiment_id, name, run.run_id, resolve_tags(dict(tags)), params)
    model_id: str = made.model_id
    return model_id


def log_whole(run: Run, scorer: Scorer) -> str:
    """Log the scorer with its trunk, for the registry. A run gets one such model only.

    If an earlier process logged it and was killed before the model was registered, that model is taken as it is.
    """
    name = f"{model_name(scorer)}, with its network"
    uri = _unregistered(run, name)
    if uri is None:
        return log_scorer(run, scorer, with_trunk=True, name=name)
    write_page(uri, scorer)
    return uri


def _unregistered(run: Run, name: str) -> str | None:
    """The URI of the run's model of this name that is complete but was never registered. None if there is none."""
    asked = f"name = '{name}' AND source_run_id = '{run.run_id}'"
    found = MlflowClient().search_logged_models([run.experiment_id], asked)
    # The search cannot ask for this: MLflow would compare the name of a status with the number in its database.
    complete = (model for model in found if model.status == LoggedModelStatus.READY)
    return next((model.model_uri for model in complete if VERSIONS_TAG not in model.tags), None)


def write_page(uri: str, scorer: Scorer) -> None:
    """Write the page of a logged model: how it did, as far as that is logged by now, and how it is called."""
    client, model_id = MlflowClient(), uri.removeprefix("models:/")
    figures, told = figures_of(client.get_logged_model(model_id)), scorer.facts.get(ADAPTED, "")
    page = how_to_call(uri, maps=scorer.detector.has_maps, figures=figures, story=told)
    client.set_logged_model_tags(model_id, {NOTE: page})


def requirements(method: str, network: str) -> list[str]:
    """The packages that a model of this method and network needs where it is served, at the versions installed now."""
    more = (*detector_class(method).requires, *Network(network).library.requires)
    return [f"{package}=={_installed(package)}" for package in dict.fromkeys((*_NEEDED, *more))]


@cache
def _installed(package: str) -> str:
    """The version of a package, without what its builder has added."""
    return importlib.metadata.version(package).partition("+")[0]


def load_model(uri: str, device: torch.device, *, whole: bool = False) -> LoadedModel:
    """The scorer behind a model URI (``models:/adtrack-zipper@champion``, ``models:/m-…``, ``runs:/…``, a folder).

    Its files must be as they were logged. Only tensors and JSON are read. The code that a model carries is never run;
    with ``whole``, for a model that is to be served, the code must be as it was logged too.
    A folder may also be one that ``adtrack.Model.save`` has written, which no store knows.
    """
    if (Path(uri) / DESCRIPTION).is_file():
        return LoadedModel(Scorer.load(Path(uri), device, fetched), uri, uri, seal_of(Path(uri)))
    with tempfile.TemporaryDirectory() as scratch:
        with looked_up("model must be one", uri, "the models"):
            address = resolved(uri)
            _require_detector(address)
            folder = _bank_folder(address, scratch, whole)
            check_told(address, folder)
        loaded = LoadedModel(Scorer.load(folder, device, fetched), uri, address, seal_of(folder))
        if whole:
            require_all(folder)
            require_code(folder)
        return loaded


def _require_detector(address: str) -> None:
    """Raise UserError if a model is a network alone, or an export, which other libraries than torch compute."""
    kinds = {model.tags.get(HOLDS) for model in logged_models(address)}
    if TRUNKS in kinds:
        raise UserError(
            f"model must be a detector, but {address} is a network alone.",
            f"adtrack build-bank --weights {argument(address)} builds a detector on it.",
        )
    if EXPORTS in kinds:
        raise UserError(
            f"model must be a detector, but {address} is an export of one.",
            "its page in mlflow ui says of which; mlflow.pyfunc.load_model loads the export itself.",
        )


def _bank_folder(address: str, scratch: str, with_code: bool) -> Path:
    """The folder with the model's detector: the original if it is on this machine, else a copy in ``scratch``.

    The copy holds the model's code only ``with_code``.
    """
    place = f"artifacts/{ARTIFACT}"
    if not address.startswith("models:/"):
        copied = scratch if address.startswith("runs:/") else None  # MLflow would leave a copy of its own behind
        return Path(mlflow.artifacts.download_artifacts(artifact_uri=address, dst_path=copied)) / place
    repository: ArtifactRepository = ModelsArtifactRepository(address).repo
    if isinstance(repository, LocalArtifactRepository):
        return Path(repository.download_artifacts(place))
    if with_code:
        repository.download_artifacts("", scratch)
        return Path(scratch) / place
    for item in repository.list_artifacts(place):
        if not (item.is_dir or item.path.endswith(f"/{FILE}")):
            repository.download_artifacts(item.path, scratch)
    return Path(scratch) / place
