"""A bank as an MLflow model: logged with a trial, made whole for the registry, loaded again."""

import contextlib
import hashlib
import importlib.metadata
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import mlflow
import torch
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema

import adtrack
from adtrack.detectors.scorer import Scorer
from adtrack.errors import UserError

ARTIFACT = "bank"
_SCORING_ROOMS = ("data", "features", "detectors")
_SCORING_FILES = ("__init__.py", "config.py", "errors.py", "cache.py", "progress.py")
_NEEDED = ("mlflow", "numpy", "pandas", "pillow", "scipy", "safetensors", "torch", "torchvision")
_NEEDED += ("filelock", "platformdirs", "tqdm")
_NEEDED_BY = {"patchcore": (), "padim": ("anomalib",)}
# Images come as a batch of pixels or as a column of files, and MLflow's schemas know only one of the two: the model
# checks its input itself and declares its output and its option.
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


def log_scorer(scorer: Scorer, name: str, *, with_trunk: bool) -> str:
    """Log the scorer as an MLflow model of the active run; returns its ``models:/…`` URI."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / ARTIFACT
        scorer.save(folder, with_trunk=with_trunk)
        copy_scoring_code(folder / "code")
        info = mlflow.pyfunc.log_model(
            name=name,
            python_model=str(Path(__file__).with_name("served_model.py")),
            artifacts={ARTIFACT: str(folder)},
            pip_requirements=requirements(scorer.detector.spec.method),
            signature=SIGNATURE,
            metadata={"adtrack": adtrack.__version__, **scorer.facts},
        )
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
    state = hashlib.sha256()
    for file in sorted(folder.rglob("*.py")):
        state.update(file.relative_to(folder).as_posix().encode() + b"\0" + file.read_bytes())
    (folder / "DIGEST").write_text(state.hexdigest())


def load_model(uri: str, device: torch.device) -> LoadedModel:
    """The scorer behind a model URI (``models:/adtrack-zipper@champion``, ``models:/m-…``, ``runs:/…``, a folder).

    Only tensors and JSON are read; code that a model carries is not run.
    """
    try:
        resolved = _resolve(uri)
        folder = Path(mlflow.artifacts.download_artifacts(artifact_uri=resolved)) / "artifacts" / ARTIFACT
    except (MlflowException, OSError) as error:
        raise UserError(
            f"model must be one that the tracking store knows, but {uri} is not ({str(error).splitlines()[0]}).",
            "mlflow ui lists the models; MLFLOW_TRACKING_URI says which store is asked.",
        ) from error
    return LoadedModel(Scorer.load(folder, device, _fetch), uri, resolved)


def _resolve(uri: str) -> str:
    """An alias as the version that it names now; every other URI as it is."""
    name, at, alias = uri.removeprefix("models:/").partition("@")
    if uri.startswith("models:/") and at:
        return f"models:/{name}/{MlflowClient().get_model_version_by_alias(name, alias).version}"
    return uri


def _fetch(run_id: str, path: str) -> str:
    return mlflow.artifacts.download_artifacts(run_id=run_id, artifact_path=path)


@dataclass(frozen=True)
class Registered:
    """A version in the registry, and whether it is the champion."""

    name: str
    version: int
    champion: bool

    @property
    def text(self) -> str:
        """``adtrack-zipper/3``, as the tag ``adtrack.registered`` of its run says it."""
        return f"{self.name}/{self.version}"


def registry_name(class_name: str) -> str:
    """The name of a class's registered model. UserError if the registry can't take it: before a study, not after."""
    if set(class_name) & set(":/\"'"):
        raise UserError(
            f"a class that is registered must have a name without : / and quotes, but got {class_name!r}.",
            "rename its folder.",
        )
    return f"adtrack-{class_name}"


def register(class_name: str, model_uri: str, origin: dict[str, str]) -> Registered:
    """A new version of ``adtrack-<class>``, alias ``candidate``; ``champion`` as well if there is none.

    ``origin`` says where it came from; it becomes the version's tags ``adtrack.…``.
    """
    client, name = MlflowClient(), registry_name(class_name)
    with contextlib.suppress(MlflowException):  # it exists
        client.create_registered_model(name)
    model_id = model_uri.removeprefix("models:/")
    run_id = client.get_logged_model(model_id).source_run_id
    tags = {f"adtrack.{key}": value for key, value in origin.items()}
    version = client.create_model_version(name, model_uri, run_id, tags, model_id=model_id).version
    client.set_registered_model_alias(name, "candidate", version)
    first = "champion" not in client.get_registered_model(name).aliases
    if first:
        client.set_registered_model_alias(name, "champion", version)
    return Registered(name, int(version), first)


def registered_as(tags: Mapping[str, str]) -> Registered | None:
    """The version that a run with these tags was registered as."""
    name, _, version = tags.get("adtrack.registered", "").rpartition("/")
    if not name:
        return None
    champion = MlflowClient().get_registered_model(name).aliases.get("champion")
    return Registered(name, int(version), str(champion) == version)
