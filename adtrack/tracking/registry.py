"""A class's versions in the registry: which one is the champion, since when, by whom and why."""

import contextlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import mlflow
from mlflow import MlflowClient
from mlflow.entities import LoggedModel
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from adtrack.config import DEFAULT_METHOD, from_json
from adtrack.detectors import detector_class
from adtrack.detectors.calibration import ADAPTED
from adtrack.errors import UserError
from adtrack.naming import argument
from adtrack.tracking.locks import one_at_a_time
from adtrack.tracking.model_card import how_to_call
from adtrack.tracking.model_figures import figures_of
from adtrack.tracking.store import quoted
from adtrack.tracking.tags import DETECTORS, HOLDS, LICENCE, MANIFEST, MODEL, REGISTERED, named

CHAMPION, CANDIDATE = "champion", "candidate"
VERSIONS_TAG = "mlflow.modelVersions"  # a model's page lists its versions by it, but MLflow's client does not set it


@dataclass(frozen=True)
class RegisteredVersion:
    """A version in the registry, and whether it is the champion."""

    name: str
    version: int
    champion: bool

    @property
    def text(self) -> str:
        """``adtrack-zipper/3``, as the tag ``adtrack.registered`` of its run says it."""
        return f"{self.name}/{self.version}"

    @property
    def uri(self) -> str:
        """``models:/adtrack-zipper/3``."""
        return f"models:/{self.text}"


def registry_name(class_name: str) -> str:
    """The name of a class's registered model. UserError if the registry can't take it: before a study, not after."""
    # Quotes end a search's text; the others end a name in models:/…, or no command that names it could be copied.
    if set(class_name) & set(":/?@\"'") or not class_name.isprintable():
        raise UserError(
            "a class that is registered must have a name without : / ? @, quotes and what cannot be printed, but got "
            f"{class_name!r}.",
            "rename its folder.",
        )
    return f"adtrack-{class_name}"


def register(class_name: str, model_uri: str, origin: dict[str, str]) -> RegisteredVersion:
    """Make a logged model the newest version of ``adtrack-<class>``: its candidate, and champion if there is none yet.

    ``origin`` says where the model came from; it becomes the version's tags ``adtrack.…``.
    """
    name, model = registry_name(class_name), MlflowClient().get_logged_model(model_uri.removeprefix("models:/"))
    maps = detector_class((model.params or {}).get("method", DEFAULT_METHOD)).has_maps
    pages = Pages(
        how_to_call(f"models:/{name}@{CHAMPION}", maps=maps),
        lambda uri: how_to_call(uri, maps=maps, figures=figures_of(model), story=origin.get(ADAPTED, "")),
    )
    return add_version(name, model, origin, DETECTORS, pages)


@dataclass(frozen=True)
class Pages:
    """What MLflow shows, in Markdown, of a registered model (``whole``), and of its version with a URI."""

    whole: str
    version: Callable[[str], str]


def add_version(
    name: str, model: LoggedModel, origin: Mapping[str, str], holds: str, pages: Pages
) -> RegisteredVersion:
    """Make a logged model the newest version of the registered model ``name``, whose versions are all of one kind.

    A logged model has one version: if an earlier process was killed while it registered the model, that version is
    completed. UserError: ``name`` holds another kind of models.
    """
    client, uri = MlflowClient(), model.model_uri
    with one_at_a_time(mlflow.get_tracking_uri(), f"registry/{name}"):
        with contextlib.suppress(MlflowException):  # it exists
            client.create_registered_model(name, {} if holds == DETECTORS else {HOLDS: holds}, pages.whole)
        require_kind(name, holds)
        known = [found for found in _versions_of_run(name, model.source_run_id or "") if found.source == uri]
        tags = {named(key): value for key, value in {**_licence(model), **origin}.items()}
        tags |= {MANIFEST: model.tags[MANIFEST]} if MANIFEST in model.tags else {}
        found = known or [client.create_model_version(name, uri, model.source_run_id, tags, model_id=model.model_id)]
        version = int(found[0].version)
        client.update_model_version(name, str(version), pages.version(f"models:/{name}/{version}"))
        champion = _set_aliases(name, version) == version
    client.set_logged_model_tags(model.model_id, {VERSIONS_TAG: _with_version(model, name, version)})
    return RegisteredVersion(name, version, champion)


def require_kind(name: str, holds: str) -> None:
    """Raise UserError if the versions of the registered model ``name`` are of another kind than ``holds``."""
    actual = MlflowClient().get_registered_model(name).tags.get(HOLDS, DETECTORS)
    if actual != holds:
        raise UserError(
            f"{name} must hold {holds}, but it holds {actual}.",
            "networks that adtrack fine-tune has trained for class C are registered as adtrack-trunk-C; a class called "
            "trunk-C would need the same name.",
        )


def _licence(model: LoggedModel) -> dict[str, str]:
    """The licence of its network's weights, where the model says it."""
    return {name: value for name, value in (model.params or {}).items() if name == LICENCE}


def _set_aliases(name: str, version: int) -> int:
    """Make a new version the candidate unless a newer one is, and champion if there is none; returns the champion."""
    aliases = aliases_of(name)
    if aliases.get(CANDIDATE, 0) < version:
        MlflowClient().set_registered_model_alias(name, CANDIDATE, str(version))
    if CHAMPION not in aliases:
        MlflowClient().set_registered_model_alias(name, CHAMPION, str(version))
    return aliases.get(CHAMPION, version)


def _with_version(model: LoggedModel, name: str, version: int) -> str:
    """The versions that a logged model's tag lists, with this one, as text."""
    told = from_json(model.tags.get(VERSIONS_TAG, "[]"))
    new = {"name": name, "version": str(version)}
    return json.dumps(told if new in told else [*told, new])


def model_of_version(class_name: str, run_id: str) -> str | None:
    """The URI of the logged model that the latest version of a run has, None if it has no version."""
    found = _versions_of_run(registry_name(class_name), run_id)
    return max(found, key=lambda version: int(version.version)).source if found else None


def _versions_of_run(name: str, run_id: str) -> list[ModelVersion]:
    return list(MlflowClient().search_model_versions(f"name = {quoted(name)} AND run_id = {quoted(run_id)}"))


def registered_as(tags: Mapping[str, str]) -> RegisteredVersion | None:
    """The version that a run with these tags was registered as, unless it has been deleted since."""
    name, _, version = tags.get(REGISTERED, "").rpartition("/")
    if not name or version not in map(str, tags_by_version(name)):
        return None
    return RegisteredVersion(name, int(version), aliases_of(name).get(CHAMPION) == int(version))


def resolved(uri: str) -> str:
    """An alias as the version that it names now, ``runs:/<id>/bank`` as that run's model; every other URI as it is."""
    if run := re.fullmatch(r"runs:/(\w+)/bank", uri):
        model = MlflowClient().get_run(run[1]).data.tags.get(MODEL, "")
        return model if model.startswith("models:/") else uri
    name, at, alias = uri.removeprefix("models:/").partition("@")
    if uri.startswith("models:/") and at:
        return f"models:/{name}/{MlflowClient().get_model_version_by_alias(name, alias).version}"
    return uri


def champion_of(class_name: str) -> RegisteredVersion | None:
    """The champion, if there is one. UserError if nothing is registered for the class."""
    number = _known_aliases(class_name).get(CHAMPION)
    return None if number is None else RegisteredVersion(registry_name(class_name), number, champion=True)


def version_of(class_name: str, number: int | None) -> RegisteredVersion:
    """Version ``number``, or the candidate without one. UserError if there is no such version."""
    aliases, name = _known_aliases(class_name), registry_name(class_name)
    asked = aliases.get(CANDIDATE) if number is None else number
    known = tags_by_version(name)
    if asked not in known:
        there = ", ".join(map(str, sorted(known))) or "none"
        raise UserError(
            f"version must be one that {name} has ({there}), but got {'no candidate' if asked is None else asked}.",
            "--version N names one; mlflow ui lists them.",
        )
    return RegisteredVersion(name, asked, aliases.get(CHAMPION) == asked)


def _known_aliases(class_name: str) -> dict[str, int]:
    name = registry_name(class_name)
    try:
        require_kind(name, DETECTORS)
        return aliases_of(name)
    except MlflowException as error:
        raise UserError(
            f"a class must have a registered model, but there is no {name} in this store.",
            f"adtrack tune --class {argument(class_name)} registers its best bank; build-bank does with --register.",
        ) from error


def aliases_of(name: str) -> dict[str, int]:
    """Alias → version; stores differ in whether MLflow gives a number or a text."""
    return {alias: int(version) for alias, version in MlflowClient().get_registered_model(name).aliases.items()}


def tags_by_version(name: str) -> dict[int, dict[str, str]]:
    found = MlflowClient().search_model_versions(f"name = {quoted(name)}", max_results=10_000)
    return {int(version.version): version.tags for version in found}
