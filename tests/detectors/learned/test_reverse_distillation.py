"""Reverse distillation: anomalib's own network, loss and map; which layers it takes; what it gives back."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from adtrack.detectors.learned.learner import Seen
from adtrack.detectors.learned.reverse_decoder import ReverseDecoder
from adtrack.detectors.learned.reverse_distillation import ReverseDistillationSpec
from adtrack.detectors.maps import view_map
from adtrack.errors import UserError
from adtrack.features.grids import Grid
from tests.detectors.contract import LAYERS, Synthetic
from tests.detectors.fitting import fitted

Shape = tuple[int, int, int]
BASIC: dict[str, Shape] = {"layer1": (64, 16, 16), "layer2": (128, 8, 8), "layer3": (256, 4, 4)}
NARROW: dict[str, Shape] = {"layer1": (256, 16, 16), "layer2": (512, 8, 8), "layer3": (1024, 4, 4)}


def made(shapes: Mapping[str, Shape], view: int = 64, order: tuple[str, ...] | None = None) -> ReverseDecoder:
    """A decoder of layers that span the view from corner to corner."""
    grids = {name: Grid(0, (view - 1) / (shape[1] - 1)) for name, shape in shapes.items()}
    torch.manual_seed(0)
    return ReverseDecoder(ReverseDistillationSpec(order or tuple(shapes)), Seen(shapes, grids, "", view))


def drawn(shapes: Mapping[str, Shape], count: int = 2, seed: int = 1) -> dict[str, Tensor]:
    """Outputs of layers that a ReLU ends."""
    draws = torch.Generator().manual_seed(seed)
    return {name: torch.randn(count, *shape, generator=draws).relu() for name, shape in shapes.items()}


def tensors(*parts: nn.Module) -> Iterator[Tensor]:
    """What convolutions and batch norms hold, in the order in which the network computes them."""
    for part in parts:
        yield from (tensor for name, tensor in part.state_dict().items() if not name.endswith("batches_tracked"))


def anomalibs(narrow: bool) -> tuple[nn.Module, nn.Module]:
    """anomalib's bottleneck and decoder, with two blocks in all stages."""
    from anomalib.models.components.backbone import resnet_decoder
    from anomalib.models.image.reverse_distillation.components.bottleneck import OCBE
    from torchvision.models import resnet

    torch.manual_seed(3)
    down, up = (
        (resnet.Bottleneck, resnet_decoder.DecoderBottleneck)
        if narrow
        else (resnet.BasicBlock, resnet_decoder.DecoderBasicBlock)
    )
    return OCBE(down, 2), resnet_decoder.ResNetDecoder(up, [2, 2, 2])


@pytest.mark.parametrize("shapes", [BASIC, NARROW])
def test_bottleneck_and_decoder_are_anomalibs(shapes: dict[str, Shape]) -> None:
    ours, (bottleneck, decoder) = made(shapes).train(), anomalibs(shapes is NARROW)
    fusing = [getattr(bottleneck, name) for name in ("conv1", "bn1", "conv2", "bn2", "conv3", "bn3")]
    theirs = list(tensors(*fusing, bottleneck.bn_layer, decoder))
    mine = list(tensors(ours.ways, ours.embedding, ours.stages))
    assert len(theirs) == len(mine)
    with torch.no_grad():
        for one, other in zip(mine, theirs, strict=True):
            one.copy_(other)
    maps = list(drawn(shapes).values())
    for mode in (True, False):  # with the batch's own mean and spread, and then with the running ones
        for part in (ours, bottleneck.train(), decoder.train()):
            part.train(mode)
        with torch.no_grad():
            for back, expected in zip(ours.given_back(maps), decoder(bottleneck(maps)), strict=True):
                assert torch.allclose(back, expected, rtol=1e-4, atol=1e-5)


def test_resnet18s_are_those_that_anomalib_chooses() -> None:
    from anomalib.models.components.backbone import get_decoder
    from anomalib.models.image.reverse_distillation.components import get_bottleneck_layer

    chosen = [get_bottleneck_layer("resnet18"), get_decoder("resnet18")]
    assembled = anomalibs(narrow=False)
    assert [str(part) for part in chosen] == [str(part) for part in assembled]


def test_the_loss_is_anomalibs() -> None:
    from anomalib.models.image.reverse_distillation.loss import ReverseDistillationLoss

    ours, given = made(BASIC).eval(), drawn(BASIC, 3)
    with torch.no_grad():
        back = ours.given_back(list(given.values()))
        assert torch.allclose(ours(given).mean(), ReverseDistillationLoss()(list(given.values()), back))


def test_the_map_is_anomalibs_sum() -> None:
    """Where all layers span the view from corner to corner, as anomalib takes them to do."""
    from anomalib.models.image.reverse_distillation.anomaly_map import AnomalyMapGenerationMode, AnomalyMapGenerator

    shapes, view = {"a": (8, 9, 9), "b": (12, 5, 5), "c": (16, 3, 3)}, 129
    ours, given = made(shapes, view).eval(), drawn(shapes, 1)
    maps = list(given.values())
    with torch.no_grad():
        found = ours.found(given)
        theirs = AnomalyMapGenerator((view, view), mode=AnomalyMapGenerationMode.ADD)(ours.given_back(maps), maps)[0, 0]
    mine = view_map(found.cells, ours.grid, view)
    inside = slice(20, -20)  # borders are continued in another way
    assert torch.allclose(mine[inside, inside].float(), theirs[inside, inside], atol=1e-5)
    assert found.score == float(mine.max()) and found.cells.shape == (9, 9)


def test_the_order_of_layers_does_not_matter() -> None:
    given = drawn(BASIC)
    with torch.no_grad():
        found = [made(BASIC, order=order)(given) for order in (tuple(BASIC), tuple(reversed(BASIC)))]
    assert found[0].equal(found[1])


def test_nothing_is_given_back_below_what_was_learned_from() -> None:
    """A ReLU is all that is left where the layers end with one."""
    for lowest in (0.0, -0.5):
        learner = made(BASIC).train()
        given = {name: output + lowest for name, output in drawn(BASIC).items()}
        with torch.no_grad():
            learner(given)
            back = learner.eval().given_back([10 * output for output in given.values()])
        assert learner.lowest.tolist() == [lowest] * 3
        assert all(float(one.min()) == lowest for one in back)


@pytest.mark.parametrize(
    "shapes", [{"a": (4, 7, 10), "b": (6, 4, 5)}, {"a": (4, 9, 9), "b": (6, 5, 5), "c": (8, 3, 3)}]
)
def test_odd_sides_are_halved_and_rounded_up(shapes: dict[str, Shape]) -> None:
    given = drawn(shapes)
    back = made(shapes).given_back(list(given.values()))
    assert [one.shape for one in back] == [one.shape for one in given.values()]


@pytest.mark.parametrize(
    ("shapes", "words"),
    [
        ({"a": (4, 8, 8), "b": (4, 8, 8)}, "a has 8 × 8 cells and b 8 × 8"),
        ({"a": (4, 16, 16), "c": (4, 4, 4)}, "a has 16 × 16 cells and c 4 × 4"),
        ({"a": (4, 7, 7), "b": (4, 3, 3)}, "a has 7 × 7 cells and b 3 × 3"),
        ({"a": (4, 4, 4), "b": (4, 2, 2)}, "at least 3 rows and columns, but b has 2 × 2"),
    ],
)
def test_other_layers_are_refused(shapes: dict[str, Shape], words: str) -> None:
    with pytest.raises(UserError, match=words):
        made(shapes)


def test_it_learns_to_give_good_images_back(synthetic: Synthetic, tmp_path: Path) -> None:
    good = synthetic(6).chunk(0, 6, LAYERS)
    first, last = (
        fitted(synthetic(6), ReverseDistillationSpec(LAYERS, epochs=epochs, batch=2, lr=2e-2), tmp_path).score(good)
        for epochs in (1, 10)
    )
    assert last.image.mean() < 0.8 * first.image.mean()
