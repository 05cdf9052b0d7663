"""FastFlow: the flows, losses and scores of anomalib's own model, its random orders, and what damage it bears."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from adtrack.detectors.learned.fastflow import Fastflow, FastflowSpec
from adtrack.detectors.learned.learner import Seen
from adtrack.detectors.learned.normalising_flow import Flow, LayerFlows
from adtrack.errors import UserError
from adtrack.features.grids import Grid
from adtrack.features.threads import fixed_threads
from tests.detectors.conftest import synthetic
from tests.detectors.contract import CPU, LAYERS, Synthetic
from tests.detectors.fitting import fitted

__all__ = ["synthetic"]  # the fixture
VIEW = 64
STAGES = ("layer1", "layer2", "layer3")


def learner(shapes: dict[str, tuple[int, int, int]], **fields: Any) -> LayerFlows:
    """A learner of layers whose cells lie side by side in the view, with numbers in place of zeros."""
    grids = {layer: Grid((VIEW / shape[1] - 1) / 2, VIEW / shape[1]) for layer, shape in shapes.items()}
    torch.manual_seed(0)
    made = LayerFlows(FastflowSpec(tuple(shapes), **fields), Seen(shapes, grids, "", VIEW))
    for parameter in made.parameters():
        nn.init.normal_(parameter.data, parameter.data.mean(), 0.1)
    return made.eval()


def teach(block: Any, flow: Flow) -> None:
    """Give a flow of anomalib the weights of ours."""
    for theirs, ours in zip(block, flow.steps, strict=True):
        theirs.subnet.load_state_dict(ours.subnet.state_dict())
        theirs.global_scale, theirs.global_offset = ours.scale, ours.shift
        order = torch.eye(len(ours.places))[ours.places.argsort()]
        theirs.w_perm = nn.Parameter(order[:, :, None, None], requires_grad=False)


@pytest.mark.parametrize("fields", [{"flow_steps": 3, "hidden_ratio": 0.5}, {"flow_steps": 2, "conv3x3_only": True}])
def test_it_computes_what_anomalibs_own_model_does(fields: dict[str, Any]) -> None:
    """Flows and losses to the bit in one thread; of the scores anomalib adds up fewer digits."""
    from anomalib.models.image.fastflow.loss import FastflowLoss
    from anomalib.models.image.fastflow.torch_model import FastflowModel

    theirs = FastflowModel((VIEW, VIEW), "resnet18", pre_trained=False, **{"hidden_ratio": 1.0, **fields})
    views = torch.randn(2, 3, VIEW, VIEW)
    with torch.no_grad(), fixed_threads():
        features = dict(zip(STAGES, theirs.feature_extractor.eval()(views), strict=True))
        ours = learner({layer: tuple(output.shape[1:]) for layer, output in features.items()}, **fields)
        for block, norm, flow in zip(theirs.fast_flow_blocks, theirs.norms, ours.flows, strict=True):
            norm.load_state_dict(flow.norm.state_dict())
            teach(block, flow)
        latent, volumes = theirs.train()(views)
        found = ours.latent(features)
        for layer, z, volume in zip(STAGES, latent, volumes, strict=True):
            assert torch.equal(found[layer][0], z) and torch.equal(found[layer][1], volume)
        assert float(ours(features).mean()) == pytest.approx(float(FastflowLoss()(latent, volumes)), rel=1e-6)
        expected = theirs.eval()(views).pred_score.flatten()
        scores = [ours.found({layer: output[at : at + 1] for layer, output in features.items()}) for at in range(2)]
    np.testing.assert_allclose([one.score for one in scores], -torch.log(-expected), rtol=1e-5)


def test_cells_are_as_anomalous_as_they_are_unlikely() -> None:
    flows = learner({"a": (3, 8, 8), "b": (4, 4, 4)}, flow_steps=2, hidden_ratio=1.0)
    inputs = {"a": torch.randn(1, 3, 8, 8), "b": torch.randn(1, 4, 4, 4)}
    with torch.no_grad():
        likely = [torch.exp(-z[0].square().mean(dim=0) / 2) for z, _ in flows.latent(inputs).values()]
        cells = flows.found(inputs).cells
    fine = nn.functional.interpolate(likely[1][None, None], scale_factor=2, mode="bilinear")[0, 0]
    torch.testing.assert_close(cells, -torch.log((likely[0] + fine) / 2))


def test_the_volume_is_the_determinant_of_the_steps_jacobian() -> None:
    flow = learner({"a": (3, 2, 2)}, flow_steps=3, hidden_ratio=2.0).flows[0].double()
    cells = torch.randn(1, 3, 2, 2, dtype=torch.float64)

    def steps(flat: Tensor) -> Tensor:
        out = flat.reshape(1, 3, 2, 2)
        for step in flow.steps:
            out = step(out)[0]
        return out.flatten()

    with torch.no_grad():
        start, volume = flow.norm(cells).flatten(), flow(cells)[1]
    jacobian = torch.autograd.functional.jacobian(steps, start)
    assert float(volume) == pytest.approx(float(torch.linalg.slogdet(jacobian)[1]), rel=1e-5)


def test_wide_networks_have_narrow_subnets() -> None:
    def widest(channels: int, ratio: float = 0.0) -> int:
        flows = learner({"a": (channels, 2, 2), "b": (8, 2, 2)}, flow_steps=1, hidden_ratio=ratio)
        return max(module.out_channels for module in flows.flows[1].modules() if isinstance(module, nn.Conv2d))

    assert [widest(256), widest(512), widest(512, 2.0)] == [8, 8, 8]
    hidden = [learner({"a": (c, 2, 2)}, flow_steps=1).flows[0].steps[0].subnet[0].out_channels for c in (256, 512)]
    assert hidden == [128, int(0.16 * 256)]


def test_an_image_that_could_not_be_less_likely_has_a_finite_score() -> None:
    flows = learner({"a": (3, 4, 4)}, flow_steps=2, hidden_ratio=1.0)
    nn.init.constant_(flows.flows[0].norm.weight, 1e6)
    with torch.no_grad():
        found = flows.found({"a": torch.randn(1, 3, 4, 4)})
    assert 700 < found.score < 709 and 700 < float(found.cells.max()) < 709


def test_the_seed_chooses_the_orders_and_files_keep_them(synthetic: Synthetic, tmp_path: Path) -> None:
    def places(seed: int) -> list[Tensor]:
        of = FastflowSpec(LAYERS, flow_steps=2, epochs=1, seed=seed)
        state = fitted(synthetic(), of, tmp_path / "orders").state()
        return [tensor for name, tensor in state.items() if name.endswith("places")]

    torch.manual_seed(1)
    first = places(0)
    torch.manual_seed(2)
    assert [one.tolist() for one in places(0)] == [one.tolist() for one in first]
    assert [one.tolist() for one in places(1)] != [one.tolist() for one in first]
    assert [sorted(one.tolist()) for one in first] == [list(range(count)) for count in (5, 5, 7, 7)]


def test_damaged_orders_are_orders(synthetic: Synthetic, tmp_path: Path) -> None:
    of = FastflowSpec(LAYERS, flow_steps=2, epochs=1)
    fitted(synthetic(), of, tmp_path / "orders").save(tmp_path)
    tensors = load_file(tmp_path / "learned.safetensors")
    for name in tensors:
        if name.endswith("places"):
            tensors[name] = torch.full_like(tensors[name], 2**62)
    save_file(tensors, tmp_path / "learned.safetensors")
    scores = Fastflow.load(tmp_path, CPU).score(synthetic(2, seed=1).chunk(0, 2, LAYERS))
    assert np.isfinite(scores.image).all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: FastflowSpec(flow_steps=0), "flow steps must be a whole number of at least 1"),
        (lambda: FastflowSpec(hidden_ratio=-0.1), r"hidden ratio must be in \[0, 8\]"),
        (lambda: learner({"a": (1, 4, 4)}), "fastflow must see at least 2 channels, but a has 1"),
    ],
)
def test_what_cannot_be_is_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        make()
