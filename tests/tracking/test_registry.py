"""The registry: how models become versions, and how versions are found."""

import json
from collections.abc import Callable

import pytest
from mlflow import MlflowClient

from adtrack.detectors.patchcore import PatchCore
from adtrack.errors import UserError
from adtrack.tracking.model_card import how_to_call
from adtrack.tracking.registry import (
    RegisteredVersion,
    champion_of,
    model_of_version,
    register,
    registered_as,
    registry_name,
    resolved,
    version_of,
)

NAME = "adtrack-nut"


def aliases(name: str) -> dict[str, str]:
    """Alias → version; stores differ in whether a version is a text or a number."""
    return {alias: str(version) for alias, version in MlflowClient().get_registered_model(name).aliases.items()}


def test_candidate_moves_on_and_champion_stays(workplace, adtrack, part):
    for _ in range(2):
        done = adtrack("build-bank", *part, "--layers", "layer2", "--register")
        assert done.code == 0, done.err
    client = MlflowClient()
    assert aliases("adtrack-part") == {"champion": "1", "candidate": "2"}
    second = client.get_model_version("adtrack-part", "2")
    assert second.run_id == second.tags["adtrack.run_id"]
    assert register("nut", second.source, {"note": "a nut"}) == RegisteredVersion("adtrack-nut", 1, champion=True)
    assert client.get_model_version("adtrack-nut", "1").tags["adtrack.note"] == "a nut"
    assert registered_as({"adtrack.registered": "adtrack-part/1"}) == RegisteredVersion(
        "adtrack-part", 1, champion=True
    )
    assert registered_as({"adtrack.registered": "adtrack-part/2"}) == RegisteredVersion(
        "adtrack-part", 2, champion=False
    )
    for nowhere in ({}, {"adtrack.registered": "adtrack-part/"}, {"adtrack.registered": f"adtrack-part/{'9' * 5000}"}):
        assert registered_as(nowhere) is None


@pytest.fixture
def log_model(opened_store) -> Callable[[], str]:
    """Makes a run with a model that holds nothing, and gives the model's URI."""
    client = MlflowClient()
    experiment = client.get_experiment_by_name("adtrack").experiment_id

    def log() -> str:
        model = client.create_logged_model(experiment, "bank", client.create_run(experiment).info.run_id)
        return client.finalize_logged_model(model.model_id, "READY").model_uri

    return log


class Died(BaseException):
    """The process is no more: nothing that it would still write reaches the store."""


WRITES = ("create_registered_model", "create_model_version", "update_model_version")
WRITES += ("set_registered_model_alias", "set_logged_model_tags")


def die_at(monkeypatch, write: int) -> None:
    """Let ``write`` calls that change the store pass, and none after them."""
    left = iter(range(write))

    def mortal(real: Callable) -> Callable:
        def call(*arguments, **options):
            if next(left, None) is None:
                raise Died
            return real(*arguments, **options)

        return call

    for name in WRITES:
        monkeypatch.setattr(MlflowClient, name, mortal(getattr(MlflowClient, name)))


@pytest.mark.parametrize("write", range(6))
def test_a_process_that_dies_while_it_registers_leaves_a_version_that_the_next_one_completes(
    log_model, monkeypatch, write
):
    uri, client = log_model(), MlflowClient()
    with monkeypatch.context() as patch, pytest.raises(Died):
        die_at(patch, write)
        register("nut", uri, {"note": "mine"})
    for _ in range(2):
        assert register("nut", uri, {"note": "mine"}) == RegisteredVersion(NAME, 1, champion=True)
    (version,) = client.search_model_versions(f"name = '{NAME}'")
    assert aliases(NAME) == {"champion": "1", "candidate": "1"}
    assert version.tags == {"adtrack.note": "mine"} and version.source == uri
    assert version.description == how_to_call(f"models:/{NAME}/1", maps=True)
    assert client.get_registered_model(NAME).description == how_to_call(f"models:/{NAME}@champion", maps=True)
    model = client.get_logged_model(uri.removeprefix("models:/"))
    assert json.loads(model.tags["mlflow.modelVersions"]) == [{"name": NAME, "version": "1"}]
    assert model_of_version("nut", version.run_id) == uri and model_of_version("nut", "0" * 32) is None


def test_the_pages_of_a_model_without_maps_do_not_speak_of_maps(log_model, monkeypatch):
    monkeypatch.setattr(PatchCore, "has_maps", False)
    register("nut", log_model(), {})
    version = MlflowClient().get_model_version(NAME, "1")
    for page in (version.description, MlflowClient().get_registered_model(NAME).description):
        assert "return_map" not in page and "heatmap" not in page and "adtrack score --model models:/" in page


def test_a_version_that_is_completed_late_does_not_displace_a_newer_candidate(log_model, monkeypatch):
    first, second = log_model(), log_model()
    with monkeypatch.context() as patch, pytest.raises(Died):
        die_at(patch, 2)
        register("nut", first, {})
    assert register("nut", second, {}) == RegisteredVersion(NAME, 2, champion=True)
    assert register("nut", first, {}) == RegisteredVersion(NAME, 1, champion=False)
    assert aliases(NAME) == {"champion": "2", "candidate": "2"}


def test_a_version_says_where_it_comes_from(study):
    version = MlflowClient().get_model_version_by_alias("adtrack-part", "candidate")
    best = MlflowClient().get_run(study.best)
    assert version.run_id == study.best == version.tags["adtrack.run_id"]
    assert version.tags["adtrack.study"] == study.name
    assert version.tags["adtrack.split_digest"] == best.data.tags["adtrack.split_digest"]
    assert best.data.tags["adtrack.registered"] == f"adtrack-part/{version.version}"
    assert len(MlflowClient().search_model_versions("name = 'adtrack-part'")) == 1


@pytest.mark.parametrize("name", ["a:b", "a/b", "it's", "a?b", "a@b"])
def test_a_class_that_the_registry_cannot_name_is_refused(name):
    with pytest.raises(UserError, match="without"):
        registry_name(name)
    assert registry_name("zipper") == "adtrack-zipper"


def test_versions_are_found_by_number_and_as_candidate(nuts):
    assert version_of("nut", None) == RegisteredVersion(NAME, 5, champion=False)
    assert version_of("nut", 1) == champion_of("nut") == RegisteredVersion(NAME, 1, champion=True)
    assert version_of("nut", 3).uri == "models:/adtrack-nut/3"
    assert resolved("models:/adtrack-nut@candidate") == "models:/adtrack-nut/5"
    assert resolved("models:/adtrack-nut/2") == "models:/adtrack-nut/2" and resolved("a@b") == "a@b"


def test_versions_that_are_not_there_are_a_sentence(nuts):
    with pytest.raises(UserError, match=r"must be one that adtrack-nut has \(1, 2, 3, 4, 5\), but got 9"):
        version_of("nut", 9)
    MlflowClient().delete_registered_model_alias(NAME, "candidate")
    with pytest.raises(UserError, match=r"but got no candidate\. Hint: --version N"):
        version_of("nut", None)
    with pytest.raises(UserError, match="there is no adtrack-bolt in this store"):
        champion_of("bolt")
    MlflowClient().delete_registered_model_alias(NAME, "champion")
    assert champion_of("nut") is None
