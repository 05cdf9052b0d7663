"""A model's graph scores as the model does, in torch and in other runtimes, whole and in halves."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import openvino
import pytest
import torch

from adtrack.config import DetectorSpec, ImageSpec
from adtrack.data.loading import squeezed
from adtrack.detectors import DETECTORS
from adtrack.detectors.dfm import DfmSpec
from adtrack.detectors.knn import KnnSpec
from adtrack.detectors.learned.fastflow import FastflowSpec
from adtrack.detectors.learned.feature_ae import FeatureAeSpec
from adtrack.detectors.learned.pixel_ae import PixelAeSpec
from adtrack.detectors.learned.reverse_distillation import ReverseDistillationSpec
from adtrack.detectors.learned.skip_ae import SkipAeSpec
from adtrack.detectors.learned.stfpm import StfpmSpec
from adtrack.detectors.learned.vae import VaeSpec
from adtrack.detectors.maps import view_map
from adtrack.detectors.padim import PadimSpec
from adtrack.detectors.patchcore_spec import PatchCoreSpec
from adtrack.detectors.scorer import Scorer
from adtrack.edge import onnx_file
from adtrack.edge.graph import TrunkGraph, WholeGraph, layer_names, least_alarm
from adtrack.edge.onnx_file import blank_view, exported, joined, write_head_onnx, write_model, write_onnx
from adtrack.errors import UserError
from adtrack.features.networks import Network
from tests.edge.tiny import LAYERS, model, pictures

Found = list[np.ndarray]
Run = Callable[[np.ndarray], Found]
PATCHCORE = PatchCoreSpec(LAYERS, coreset_fraction=0.5)


def onnx_runtime(file: Path) -> Run:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(file, options)
    return lambda view: session.run(None, {"view": view})


def open_vino(file: Path) -> Run:
    compiled = openvino.compile_model(file, "CPU", {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1})
    return lambda view: [compiled(view)[at] for at in range(len(compiled.outputs))]


def check(scorer: Scorer, run: Run, tolerance: float = 2e-5) -> None:
    """Scores, labels and maps of noise and of one colour are the model's."""
    scored = []
    for picture in [*pictures(4, seed=1), np.full((50, 70, 3), 90, np.uint8)]:
        judged = scorer.judge(picture)
        score, label, *maps = run(squeezed(picture, scorer.image)[None])
        scored.append(judged.score)
        assert score.shape == label.shape == (1,) and score.dtype == np.float32 and label.dtype == np.int64
        np.testing.assert_allclose(score[0], judged.score, rtol=tolerance)
        assert label[0] == judged.anomalous
        assert bool(maps) == (judged.patches is not None)
        for found in maps:
            side, smoothing = scorer.image.size, scorer.detector.smoothing
            expected = view_map(torch.from_numpy(judged.patches), scorer.detector.grid, side, smoothing)
            np.testing.assert_allclose(found[0], expected, atol=tolerance * float(expected.max()))
    assert len(set(scored)) == 5


SPECS = [
    PATCHCORE,
    PatchCoreSpec(LAYERS, coreset_fraction=0.5, standardise=0.5, whiten=0.1, score_top=0.1, smooth=1.0),
    PatchCoreSpec(LAYERS[1:], coreset_fraction=1.0, distance="cosine", stride=2, patch_size=1),
    PadimSpec(LAYERS, dimensions=7, standardise=1.0),
    KnnSpec(LAYERS, neighbours=3),
    DfmSpec(LAYERS, pooling=3, standardise=1.0),
    FeatureAeSpec(LAYERS, latent=4, epochs=2),
    FastflowSpec(LAYERS, flow_steps=2, epochs=2),
    PixelAeSpec(width=4, epochs=2),
    SkipAeSpec(width=4, epochs=2, loss="ssim"),
    VaeSpec(width=4, epochs=2),
    ReverseDistillationSpec(LAYERS, epochs=2, batch=2),
    StfpmSpec(LAYERS, epochs=2, batch=2),
]


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: f"{spec.method}")
def test_a_model_scores_the_same_in_other_runtimes(spec: DetectorSpec, tmp_path: Path) -> None:
    scorer = model(spec, tmp_path / "kept")
    graph = WholeGraph(scorer).eval()
    write_onnx(scorer, tmp_path / "model.onnx")
    # SSIM loses digits where an image is flat, and flows where they are deep, in torch as elsewhere.
    tolerance = {"skip_ae": 3e-3, "fastflow": 1e-4}.get(spec.method, 2e-5)
    for run in (
        lambda view: [found.detach().numpy() for found in graph(torch.from_numpy(view))],
        onnx_runtime(tmp_path / "model.onnx"),
        open_vino(tmp_path / "model.onnx"),
    ):
        check(scorer, run, tolerance)


def test_every_method_is_tested() -> None:
    assert {spec.method for spec in SPECS} == set(DETECTORS)


def test_two_halves_are_a_whole(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    scorer = model(PATCHCORE, tmp_path / "kept")
    trunk = exported(TrunkGraph(scorer).eval(), (blank_view(scorer),), ["view"], layer_names(scorer))
    write_model(trunk, tmp_path / "trunk.onnx", {})
    write_head_onnx(scorer, tmp_path / "head.onnx", {"more": "words"})
    joined(tmp_path / "trunk.onnx", tmp_path / "head.onnx", tmp_path / "joined.onnx")
    written = onnx.load(tmp_path / "joined.onnx")
    assert [one.name for one in written.graph.input] == ["view"]
    assert [one.name for one in written.graph.output] == ["score", "label", "anomaly_map"]
    facts = {entry.key: entry.value for entry in written.metadata_props}
    assert facts["adtrack.class"] == "part" and facts["more"] == "words"
    assert float(facts["adtrack.threshold"]) == scorer.calibration.threshold
    assert [one.name for one in onnx.load(tmp_path / "trunk.onnx").graph.output] == list(LAYERS)
    check(scorer, onnx_runtime(tmp_path / "joined.onnx"))
    for name in ("one.onnx", "again.onnx"):
        write_onnx(scorer, tmp_path / name)
    assert (tmp_path / "again.onnx").read_bytes() == (tmp_path / "one.onnx").read_bytes()
    assert str(Path(__file__).parents[2]).encode() not in (tmp_path / "joined.onnx").read_bytes()
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("threshold", [0.1, 0.5, 1 / 3, 7.0000001, 1e-30])
def test_labels_are_those_of_the_exact_threshold(threshold: float) -> None:
    least = np.float32(least_alarm(threshold))
    assert least >= threshold and np.nextafter(least, np.float32(-np.inf)) < threshold


@pytest.mark.slow
@pytest.mark.parametrize("network", ["resnet18", "timm/tf_efficientnet_lite0"])
def test_a_whole_network_scores_the_same(network: str, tmp_path: Path) -> None:
    layers = Network(network).layers.patches.usual
    scorer = model(PatchCoreSpec(layers, coreset_fraction=0.1), tmp_path / "kept", network, ImageSpec(256, 224))
    write_onnx(scorer, tmp_path / "model.onnx")
    check(scorer, onnx_runtime(tmp_path / "model.onnx"))


class Unknown(torch.nn.Module):
    """Has a part that is no standard operator."""

    def forward(self, view: torch.Tensor) -> torch.Tensor:
        return torch.special.bessel_j0(view.float())


def test_what_has_no_onnx_form_is_refused_with_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    view = torch.zeros(1, 4, 4, 3, dtype=torch.uint8)
    with pytest.raises(UserError, match=r"only if all of its parts have an ONNX form, but one has none \(.*bessel"):
        exported(Unknown(), (view,), ["view"], ["score"])
    monkeypatch.setattr(onnx_file, "_LARGEST", 10)
    with pytest.raises(UserError, match="less than 2 GiB"):
        exported(torch.nn.Linear(3, 3), (torch.zeros(1, 3),), ["view"], ["score"])
