"""A bank as an MLflow model: logged with a trial, made whole for the registry, loaded again."""

import hashlib
import importlib.metadata
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import torch
from mlflow.exceptions import MlflowException
from mlflow.models import Model, ModelSignature
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository
from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema

import adtrack
from adtrack.detectors.scorer import Scorer
from adtrack.errors import UserError
from adtrack.tracking.calling import example, how_to_call
from adtrack.tracking.registry import resolved

ARTIFACT = "bank"
_NOTE = "mlflow.note.content"  # what the UI shows as the description
_SCORING_ROOMS = ("data", "features", "detectors")
_SCORING_FILES = ("__init__.py", "config.py", "errors.py", "cache.py", "progress.py")
_NEEDED = ("mlflow", "numpy", "pandas", "pillow", "scipy", "safetensors", "torch", "torchvision")
_NEEDED += ("filelock", "platformdirs", "tqdm")
_NEEDED_BY = {"patchcore": (), "padim": ("anomalib",)}
# Images come as a batch of pixels or as a column of files, and MLflow's schemas know only one of the two: the model
# checks its input itself, declares its output and its option, and shows an input by its example.
SIGNATURE = ModelSignature(
    inputs=None,
    outputs=Schema([ColSpec("double", "score"), ColSpec("double", "threshold"), ColSpec("long", "label")]),
    params=ParamSchema([ParamSpec("return_map", "boolean", False)]),
)


@dataclass(frozen=True)
class LoadedModel:
    """A scorer and the model it came from: the URI that was asked for, and what it stands for now."""

    scorer: Scorer
    uri: str
    resolved: str


class _Unrehearsed:
    """MLflow's pyfunc flavour for ``Model.log``. Unlike ``pyfunc.log_model`` that can be told not to try the example,
    for which it would load the bank and the network again with each trial."""

    @staticmethod
    def save_model(path: str, mlflow_model: Model, validate_serving_input: bool, **options: Any) -> None:
        """Save without MLflow's rehearsal; ``validate_serving_input`` is for ``Model.log`` alone."""
        mlflow.pyfunc.save_model(path, mlflow_model=mlflow_model, **options)


def log_scorer(scorer: Scorer, name: str, *, with_trunk: bool) -> str:
    """Log the scorer as an MLflow model of the active run, with an example and a page that says how to call it.

    Returns its ``models:/…`` URI.
    """
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / ARTIFACT
        scorer.save(folder, with_trunk=with_trunk)
        copy_scoring_code(folder / "code")
        info = Model.log(
            artifact_path=None,  # its old name, which the method still asks for
            name=name,
            flavor=_Unrehearsed,
            flavor_name="pyfunc",
            validate_serving_input=False,
            python_model=str(Path(__file__).with_name("served_model.py")),
            artifacts={ARTIFACT: str(folder)},
            pip_requirements=requirements(scorer.detector.spec.method),
            signature=SIGNATURE,
            input_example=example(),
            metadata={"adtrack": adtrack.__version__, **scorer.facts},
        )
    mlflow.set_logged_model_tags(info.model_id, {_NOTE: how_to_call(info.model_uri)})
    return info.model_uri


def requirements(method: str) -> list[str]:
    """What a model of this method needs where it is served, at the versions that it was logged with."""
    needed = (*_NEEDED, *_NEEDED_BY[method])
    versions = {package: importlib.metadata.version(package).partition("+")[0] for package in needed}
    return [f"{package}=={version}" for package, version in versions.items()]


def copy_scoring_code(folder: Path) -> None:
    """Copy the part of adtrack that turns images into scores to ``folder``, with its digest in DIGEST."""
    source = Path(adtrack.__file__).parent
    folder.mkdir(parents=True)
    for file in _SCORING_FILES:
        shutil.copy(source / file, folder / file)
    for room in _SCORING_ROOMS:
        shutil.copytree(source / room, folder / room, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
    (folder / "DIGEST").write_text(code_digest(folder))


def code_digest(folder: Path) -> str:
    """SHA-256 over names and contents of the modules below ``folder``."""
    state = hashlib.sha256()
    for file in sorted(folder.rglob("*.py")):
        state.update(file.relative_to(folder).as_posix().encode() + b"\0" + file.read_bytes())
    return state.hexdigest()


def load_model(uri: str, device: torch.device) -> LoadedModel:
    """The scorer behind a model URI (``models:/adtrack-zipper@champion``, ``models:/m-…``, ``runs:/…``, a folder).

    Only tensors and JSON are read; code that a model carries is not run.
    """
    with tempfile.TemporaryDirectory() as scratch:
        try:
            address = resolved(uri)
            folder = _bank_folder(address, scratch)
        except (MlflowException, OSError) as error:
            raise UserError(
                f"model must be one that the tracking store knows, but {uri} is not ({str(error).splitlines()[0]}).",
                "mlflow ui lists the models; MLFLOW_TRACKING_URI says which store is asked.",
            ) from error
        return LoadedModel(Scorer.load(folder, device, _fetch), uri, address)


def _bank_folder(address: str, scratch: str) -> Path:
    """The model's bank: in its place if that is on this machine, else fetched into ``scratch`` without the code beside
    it, since a server is asked for each file by itself."""
    place = f"artifacts/{ARTIFACT}"
    if not address.startswith("models:/"):
        return Path(mlflow.artifacts.download_artifacts(artifact_uri=address)) / place
    repository = get_artifact_repository(address).repo
    if isinstance(repository, LocalArtifactRepository):
        return Path(repository.download_artifacts(place))
    for item in repository.list_artifacts(place):
        if not item.is_dir:
            repository.download_artifacts(item.path, scratch)
    return Path(scratch) / place


def _fetch(run_id: str, path: str) -> str:
    return mlflow.artifacts.download_artifacts(run_id=run_id, artifact_path=path)
