"""Weights by addresses in the tracking store: of networks, of detectors, of a run's files; wrong and hostile ones."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from mlflow import MlflowClient

from adtrack.config import BackboneSpec
from adtrack.errors import UserError
from adtrack.features.weights import Trunk, load_trunk
from adtrack.tracking.model_health import look_at_models
from adtrack.tracking.places import local_folder
from adtrack.tracking.registry import register, version_of
from adtrack.tracking.runs import tracked_run
from adtrack.tracking.store import search_runs
from adtrack.tracking.tags import RunTags
from adtrack.tracking.trunks import FOLDER, TENSORS, log_trunk, register_trunk
from adtrack.tracking.weights import find_trunk
from adtrack.tracking.workers import working

CHAMPION = "models:/adtrack-trunk-part@champion"
LAYERS = ("layer1", "layer2")


def of_seed(seed: int, layers: tuple[str, ...] = LAYERS) -> Trunk:
    return load_trunk(BackboneSpec("resnet18", "random", seed), layers, "/data")


def by(weights: str, layers: tuple[str, ...] = LAYERS, network: str = "resnet18") -> Trunk:
    return find_trunk(BackboneSpec(network, weights), layers, "/data")


@pytest.fixture
def keep(opened_store) -> Callable[[Trunk], str]:
    """Registers a network for the class "part" and gives the URI of its logged model."""

    def kept(trunk: Trunk) -> str:
        with working() as worker, tracked_run(worker, RunTags("part", "none", "none", "none")) as run:
            uri = log_trunk(run, trunk, {"class": "part"})
            register_trunk("part", uri, trunk, {"run_id": run.run_id})
        return uri

    return kept


def test_an_alias_means_a_version_and_the_digest_tells_which(keep) -> None:
    first, second = of_seed(1), of_seed(2)
    logged = keep(first)
    found = by(CHAMPION)
    assert found.sha256 == first.sha256 == by("models:/adtrack-trunk-part/1").sha256 == by(logged).sha256
    assert (found.origin, found.asked) == ("models:/adtrack-trunk-part/1", CHAMPION)
    keep(second)
    assert by(CHAMPION).sha256 == first.sha256
    assert by("models:/adtrack-trunk-part@candidate").sha256 == second.sha256
    MlflowClient().set_registered_model_alias("adtrack-trunk-part", "champion", "2")
    moved = by(CHAMPION)
    assert moved.sha256 == second.sha256 and moved.origin == "models:/adtrack-trunk-part/2"
    assert by(CHAMPION, ("layer1",)).sha256 == of_seed(2, ("layer1",)).sha256


def test_a_detector_is_built_on_them_and_gives_them_on(keep, adtrack, part) -> None:
    keep(of_seed(1))
    options = [CHAMPION if text == "random" else text for text in part]
    bank = ("--layers", "layer2", "--coreset-fraction", "0.25")
    done = adtrack("build-bank", *options, *bank, "--register")
    assert done.code == 0, done.err
    run = search_runs("tags.`adtrack.role` = 'bank'")[0].data
    only = of_seed(1, ("layer2",))
    assert run.params["weights_sha256"] == only.sha256 and run.params["weights"] == "models:/adtrack-trunk-part/1"
    assert run.tags["adtrack.weights_asked"] == CHAMPION
    assert run.tags["adtrack.weights_meant"] == "models:/adtrack-trunk-part/1"
    given_on = by("models:/adtrack-part@champion", ("layer2",))
    assert given_on.sha256 == only.sha256 and given_on.origin == "models:/adtrack-part/1"


def test_the_licence_of_weights_goes_with_them(keep) -> None:
    keep(replace(of_seed(1), licence="cc-by-nc-4.0"))
    assert by(CHAMPION).licence == "cc-by-nc-4.0"


def test_a_file_of_a_run(keep, tmp_path) -> None:
    trunk = of_seed(1)
    trunk.save(tmp_path / "other.safetensors")
    client = MlflowClient()
    run_id = client.create_run("0").info.run_id
    client.log_artifact(run_id, str(tmp_path / "other.safetensors"), "weights")
    found = by(f"runs:/{run_id}/weights/other.safetensors")
    assert found.sha256 == trunk.sha256 and found.origin == f"runs:/{run_id}/weights/other.safetensors"
    with pytest.raises(UserError, match="must be one file of a run"):
        by(f"runs:/{run_id}/weights")


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        ("models:/adtrack-trunk-nut@champion", "weights must be ones that the tracking store knows"),
        ("models:/adtrack-trunk-part@best", "weights must be ones that the tracking store knows"),
        ("models:/adtrack-trunk-part/7", "weights must be ones that the tracking store knows"),
        ("models:/m-0123456789abcdef0123456789abcdef", "weights must be ones that the tracking store knows"),
        ("runs:/0123456789abcdef0123456789abcdef/a.pth", "weights must be ones that the tracking store knows"),
        ("models:/", "weights must be ones that the tracking store knows"),
    ],
)
def test_unknown_addresses_get_a_sentence(keep, weights: str, said: str) -> None:
    keep(of_seed(1, ("layer1",)))
    with pytest.raises(UserError, match=said):
        by(weights)


def test_another_network_and_deeper_layers_get_a_sentence(keep) -> None:
    keep(of_seed(1))
    with pytest.raises(UserError, match="of the backbone, resnet34, but models:/adtrack-trunk-part/1 is a resnet18"):
        by(CHAMPION, network="resnet34")
    with pytest.raises(UserError, match=r"models:/adtrack-trunk-part/1 lacks layer3\.0\.conv1\.weight and"):
        by(CHAMPION, ("layer3",))


def files_of(uri: str) -> Path:
    model = MlflowClient().get_logged_model(uri.removeprefix("models:/"))
    return Path(str(local_folder(model.artifact_location))) / FOLDER


def test_files_that_changed_are_refused_and_doctor_names_them(keep) -> None:
    uri = keep(of_seed(1))
    checks = {check.name: check for check in look_at_models()}
    assert not checks["adtrack-trunk-part"].findings
    of_seed(2).save(files_of(uri) / TENSORS)
    with pytest.raises(UserError, match="must be as they were logged"):
        by(CHAMPION)
    (finding,) = next(check for check in look_at_models() if check.name == "adtrack-trunk-part").findings
    assert "damaged" in finding.what and "fine-tune" in finding.remedy


def test_verbs_for_detectors_refuse_networks(keep, adtrack, tmp_path, tiny_data) -> None:
    uri = keep(of_seed(1))
    scored = adtrack("score", "--model", CHAMPION, tiny_data / "part/test/good", "--out", str(tmp_path / "out"))
    assert scored.code == 2 and "is a network alone" in scored.err
    for verb in ("promote", "rollback"):
        done = adtrack(verb, "--class", "trunk-part")
        assert done.code == 2 and "must hold detectors, but it holds networks" in done.err
    compared = adtrack("compare", CHAMPION, uri)
    assert compared.code == 2 and "must hold a score for every image" in compared.err
    with pytest.raises(UserError, match="must hold detectors"):
        version_of("trunk-part", 1)
    with pytest.raises(UserError, match="must hold detectors"):
        register("trunk-part", uri, {})
