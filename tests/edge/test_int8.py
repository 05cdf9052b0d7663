"""An 8-bit network is calibrated on Train alone, and its bank and threshold are its own."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from adtrack.config import VIEW, BackboneSpec, DataSpec, ImageSpec
from adtrack.data.imageset import ImageSet
from adtrack.data.loading import squeezed
from adtrack.detectors.patchcore_spec import PatchCoreSpec
from adtrack.detectors.scorer import Scorer
from adtrack.edge.engines import Torch, open_engine
from adtrack.edge.int8 import Int8Model, make_int8, set_loss, write_int8
from adtrack.edge.openvino_file import write_openvino
from adtrack.edge.quantised import QuantisedBackbone, write_quantised_network
from adtrack.edge.sessions import open_session
from adtrack.errors import UserError
from adtrack.evaluation.building import build, climb
from adtrack.evaluation.evaluate import ScoredSet
from adtrack.evaluation.workbench import Workbench
from adtrack.features.backbone import Backbone
from adtrack.features.store import FeatureStore
from adtrack.features.weights import Trunk
from adtrack.threshold_spec import ThresholdSpec
from tests.edge.tiny import CPU, LAYERS, NETWORK

SPEC = PatchCoreSpec(LAYERS, coreset_fraction=0.25)
IMAGE = ImageSpec(64, 0)
THRESHOLD = ThresholdSpec("val_clean", "good_quantile", 0.6)


@dataclass(frozen=True)
class Made:
    """A model before and after, the bench of its class, and the splits of which images were decoded for it."""

    bench: Workbench
    scorer: Scorer
    int8: Int8Model
    seen: frozenset[str]


def opened(data: Path, cache: Path) -> Workbench:
    bench = Workbench.open(DataSpec("part", str(data)), IMAGE, BackboneSpec(NETWORK, "random"), LAYERS, "cpu")
    return replace(bench, store=FeatureStore(cache))


@pytest.fixture(scope="module")
def made(tiny_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder, splits = tmp_path_factory.mktemp("int8"), set()
    decoded = ImageSet.decoded

    def watched(images: ImageSet, index: int) -> np.ndarray:
        splits.add(images.split)
        return decoded(images, index)

    bench = opened(tiny_data, folder / "cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ImageSet, "decoded", watched)
        scorer = build(bench, SPEC, threshold=THRESHOLD).scorer
        int8 = make_int8(bench, scorer, ".onnx", folder)
    return Made(bench, scorer, int8, frozenset(splits))


def check_file(made: Int8Model, bench: Workbench, file: Path) -> None:
    """The file scores Val as the model does."""
    images, own, engine = bench.opened.images("val_clean"), Torch(made.scorer), open_engine(file)
    for at in range(len(images)):
        view = squeezed(images.image(at), made.scorer.image)
        here, there = own.run(view), engine.run(view)
        assert there.score == pytest.approx(here.score, rel=1e-4) and there.label == here.label
        np.testing.assert_allclose(there.map, here.map, rtol=1e-3, atol=1e-4)


def test_the_model_is_fitted_behind_the_8_bit_network_without_test(made: Made, tmp_path: Path) -> None:
    before, after = made.scorer, made.int8.scorer
    assert made.seen == {"train", "val"}
    assert after.facts["quantised"] == "int8" and after.facts["class"] == "part"
    assert ThresholdSpec.from_facts(after.facts) == THRESHOLD and after.detector.spec == SPEC
    assert not torch.equal(after.detector.bank.patches, before.detector.bank.patches)
    assert after.calibration.threshold != before.calibration.threshold
    assert [(one.name, one.images, one.contrast.metric) for one in made.int8.losses] == [
        ("val_clean", 4, "image_auroc"),
        ("val_shift", 4, "image_auroc"),
    ]
    write_int8(made.int8, tmp_path / "model.onnx")
    check_file(made.int8, made.bench, tmp_path / "model.onnx")
    facts = {entry.key: entry.value for entry in onnx.load(tmp_path / "model.onnx").metadata_props}
    assert facts["adtrack.quantised"] == "int8" and facts["adtrack.class"] == "part"
    assert float(facts["adtrack.threshold"]) == after.calibration.threshold


def test_openvino_gives_the_bank_of_its_own_file(made: Made, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    more = replace(made.scorer.detector.spec, coreset_fraction=1.0)
    scorer = replace(made.scorer, detector=next(climb(made.bench, [more])).detector)
    capfd.readouterr()
    found = make_int8(made.bench, scorer, ".xml", tmp_path)
    assert "quantiz" not in "".join(capfd.readouterr()).lower()  # NNCF is quiet
    assert found.scorer.calibration.threshold != made.int8.scorer.calibration.threshold  # as the bank is another
    assert found.network.read_bytes() == made.int8.network.read_bytes()  # the same views give the same bits
    write_int8(found, tmp_path / "model.onnx")
    write_openvino(tmp_path / "model.onnx", tmp_path / "model.xml")
    check_file(found, made.bench, tmp_path / "model.xml")


def test_other_views_give_another_network_whose_outputs_the_cache_holds_apart(made: Made, tmp_path: Path) -> None:
    views = made.bench.features("train_clean").layers[VIEW]
    write_quantised_network(made.bench.backbone, 0.5 * views[:], tmp_path / "other.onnx")
    files = made.int8.network, tmp_path / "other.onnx"
    both = [QuantisedBackbone(made.bench.backbone, file, open_session(file)) for file in files]
    assert len({made.bench.backbone.key, *(one.key for one in both)}) == 3
    outputs = [replace(made.bench, backbone=one).features("val_clean").layers["layer2"] for one in both]
    assert not np.array_equal(*outputs)


def test_a_lost_defect_counts_as_a_loss(made: Made) -> None:
    images = made.bench.opened.images("val_clean")
    scores = np.where(images.labels == 1, 2.0, 1.0) + 0.01 * np.arange(len(images))
    before = replace(made.scorer, calibration=replace(made.scorer.calibration, threshold=1.5))
    after = replace(before, calibration=replace(before.calibration, threshold=0.0))
    loss = set_loss(before, ScoredSet(images, scores, None), after, ScoredSet(images, -scores, None))
    assert (loss.contrast.reference, loss.contrast.value, loss.contrast.difference.value) == (1.0, 0.0, -1.0)
    assert loss.changed == images.labels.sum() and loss.images == 4


def test_a_method_without_a_network_has_nothing_to_quantise(tmp_path: Path) -> None:
    views = np.zeros((1, 3, 64, 64), np.float32)
    with pytest.raises(UserError, match="has none"):
        write_quantised_network(Backbone(Trunk.none(), [VIEW], CPU), views, tmp_path / "network.onnx")
