"""A class's versions in the registry: which one is the champion, since when, by whom and why."""

import contextlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import mlflow
from mlflow import MlflowClient
from mlflow.entities import LoggedModel
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from adtrack.config import DEFAULT_METHOD, from_json
from adtrack.detectors import detector_class
from adtrack.errors import UserError
from adtrack.naming import argument
from adtrack.tracking.locks import one_at_a_time
from adtrack.tracking.model_card import how_to_call
from adtrack.tracking.store import quoted
from adtrack.tracking.tags import CHAMPION_MOVE, MANIFEST, MODEL, REGISTERED, named

CHAMPION, CANDIDATE = "champion", "candidate"
PROMOTED, ROLLED_BACK = "promoted", "rolled back"
VERSIONS_TAG = "mlflow.modelVersions"  # a model's page lists its versions by it, but MLflow's client does not set it


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

    @property
    def uri(self) -> str:
        """``models:/adtrack-zipper/3``."""
        return f"models:/{self.text}"


@dataclass(frozen=True)
class Move:
    """The champion became ``version``; until then it was ``before`` (None: there was none).

    ``what`` is PROMOTED or ROLLED_BACK, ``when`` ISO 8601 in UTC; ``forced`` names the checks that had failed.
    """

    version: int
    before: int | None
    what: str
    who: str
    when: str
    why: str
    forced: tuple[str, ...] = ()


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


def register(class_name: str, model_uri: str, origin: dict[str, str]) -> Registered:
    """Make a logged model the newest version of ``adtrack-<class>``: its candidate, and champion if there is none yet.

    ``origin`` says where the model came from; it becomes the version's tags ``adtrack.…``. A model has one version: if
    an earlier process was killed while it registered the model, that version is completed.
    """
    client, name = MlflowClient(), registry_name(class_name)
    model = client.get_logged_model(model_uri.removeprefix("models:/"))
    maps = detector_class((model.params or {}).get("method", DEFAULT_METHOD)).has_maps
    with one_at_a_time(mlflow.get_tracking_uri(), f"registry/{name}"):
        with contextlib.suppress(MlflowException):  # it exists
            client.create_registered_model(name, description=how_to_call(f"models:/{name}@{CHAMPION}", maps=maps))
        known = [found for found in _versions_of_run(name, model.source_run_id or "") if found.source == model_uri]
        tags = {named(key): value for key, value in origin.items()}
        tags |= {MANIFEST: model.tags[MANIFEST]} if MANIFEST in model.tags else {}
        found = known or [
            client.create_model_version(name, model_uri, model.source_run_id, tags, model_id=model.model_id)
        ]
        version = int(found[0].version)
        client.update_model_version(name, str(version), how_to_call(f"models:/{name}/{version}", maps=maps))
        champion = _set_aliases(name, version) == version
    client.set_logged_model_tags(model.model_id, {VERSIONS_TAG: _with_version(model, name, version)})
    return Registered(name, version, champion)


def _set_aliases(name: str, version: int) -> int:
    """Make a new version the candidate unless a newer one is, and champion if there is none; returns the champion."""
    aliases = _aliases(name)
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


def registered_as(tags: Mapping[str, str]) -> Registered | None:
    """The version that a run with these tags was registered as, unless it has been deleted since."""
    name, _, version = tags.get(REGISTERED, "").rpartition("/")
    if not name or version not in map(str, _tags_by_version(name)):
        return None
    return Registered(name, int(version), _aliases(name).get(CHAMPION) == int(version))


def resolved(uri: str) -> str:
    """An alias as the version that it names now, ``runs:/<id>/bank`` as that run's model; every other URI as it is."""
    if run := re.fullmatch(r"runs:/(\w+)/bank", uri):
        model = MlflowClient().get_run(run[1]).data.tags.get(MODEL, "")
        return model if model.startswith("models:/") else uri
    name, at, alias = uri.removeprefix("models:/").partition("@")
    if uri.startswith("models:/") and at:
        return f"models:/{name}/{MlflowClient().get_model_version_by_alias(name, alias).version}"
    return uri


def champion_of(class_name: str) -> Registered | None:
    """The champion, if there is one. UserError if nothing is registered for the class."""
    number = _known_aliases(class_name).get(CHAMPION)
    return None if number is None else Registered(registry_name(class_name), number, champion=True)


def version_of(class_name: str, number: int | None) -> Registered:
    """Version ``number``, or the candidate without one. UserError if there is no such version."""
    aliases, name = _known_aliases(class_name), registry_name(class_name)
    asked = aliases.get(CANDIDATE) if number is None else number
    known = _tags_by_version(name)
    if asked not in known:
        there = ", ".join(map(str, sorted(known))) or "none"
        raise UserError(
            f"version must be one that {name} has ({there}), but got {'no candidate' if asked is None else asked}.",
            "--version N names one; mlflow ui lists them.",
        )
    return Registered(name, asked, aliases.get(CHAMPION) == asked)


def move_champion(name: str, move: Move) -> None:
    """Make the move: set the alias, and keep the move among the version's tags."""
    client = MlflowClient()
    numbers = [number for number, _ in _numbered_moves(name)]
    # The alias first: if the process is killed in between, the history lacks a move, but says nothing untrue.
    client.set_registered_model_alias(name, CHAMPION, str(move.version))
    text = {key: value for key, value in asdict(move).items() if key != "version"}
    key = f"{CHAMPION_MOVE}{max(numbers, default=0) + 1:04}"
    client.set_model_version_tag(name, str(move.version), key, json.dumps(text, ensure_ascii=False))


def moves(name: str) -> list[Move]:
    """How the champion has moved, the first move first. Moves to versions that have been deleted are gone with them."""
    return [move for _, move in _numbered_moves(name)]


def previous_champion(name: str) -> int | None:
    """The version that a rollback goes to: the latest champion before the present one that still exists.

    Versions that were promoted and rolled back do not count, so a second rollback goes further back. If the alias was
    moved by hand, the rollback goes to the champion before that.
    """
    known, now = _tags_by_version(name), _aliases(name).get(CHAMPION)
    line = [version for version in champion_line(moves(name)) if version in known]
    while line and line[-1] == now:
        line.pop()
    return line[-1] if line else None


def champion_line(history: Sequence[Move]) -> list[int]:
    """The champions in their order, as if versions that were rolled back had never been promoted."""
    line: list[int] = []
    for move in history:
        if move.before is not None and line[-1:] != [move.before]:
            line.append(move.before)  # no move made it champion: it was registered first, or set by hand
        if move.what == ROLLED_BACK:
            while line and line[-1] != move.version:
                line.pop()
        if line[-1:] != [move.version]:
            line.append(move.version)
    return line


def _known_aliases(class_name: str) -> dict[str, int]:
    name = registry_name(class_name)
    try:
        return _aliases(name)
    except MlflowException as error:
        raise UserError(
            f"a class must have a registered model, but there is no {name} in this store.",
            f"adtrack tune --class {argument(class_name)} registers its best bank; build-bank does with --register.",
        ) from error


def _aliases(name: str) -> dict[str, int]:
    """Alias → version; stores differ in whether MLflow gives a number or a text."""
    return {alias: int(version) for alias, version in MlflowClient().get_registered_model(name).aliases.items()}


def _tags_by_version(name: str) -> dict[int, dict[str, str]]:
    found = MlflowClient().search_model_versions(f"name = {quoted(name)}", max_results=10_000)
    return {int(version.version): version.tags for version in found}


def _numbered_moves(name: str) -> list[tuple[int, Move]]:
    found = []
    for version, tags in _tags_by_version(name).items():
        for key, text in tags.items():
            # Tags can be edited in the UI: a tag that is no move any more is left out, and the others still count.
            with contextlib.suppress(ValueError, TypeError, KeyError):
                if key.startswith(CHAMPION_MOVE):
                    found.append((int(key.removeprefix(CHAMPION_MOVE)), _move(version, from_json(text))))
    return sorted(found, key=lambda item: item[0])


def _move(version: int, text: Mapping) -> Move:
    before = None if text["before"] is None else int(text["before"])
    what, who, when, why = (str(text[key]) for key in ("what", "who", "when", "why"))
    return Move(version, before, what, who, when, why, tuple(map(str, text["forced"])))
