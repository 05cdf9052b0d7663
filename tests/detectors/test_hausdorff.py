"""Image scores without the scores of all patches: the same bits, bank after bank."""

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch

from adtrack.detectors import hausdorff, scoring
from adtrack.detectors.bank import MemoryBank
from adtrack.detectors.patchcore import PatchCore, PatchCoreSpec
from adtrack.detectors.scoring import image_scores, score_features
from adtrack.features.feature_set import FeatureSet
from tests.detectors.exact.plans import SMALL

Synthetic = Callable[..., FeatureSet]
SPEC = PatchCoreSpec(layers=("a", "b"))


@pytest.fixture(autouse=True)
def nothing_known() -> Iterator[None]:
    hausdorff.forget()
    yield
    hausdorff.forget()


def rows(seed: int = 0) -> torch.Tensor:
    return torch.randn(60, 12, generator=torch.Generator().manual_seed(seed)) / 2


def detector(features: FeatureSet, bank: torch.Tensor, spec: PatchCoreSpec = SPEC) -> PatchCore:
    return PatchCore(spec, MemoryBank(bank, SMALL), features.grids)


def check(one: PatchCore, features: FeatureSet) -> None:
    assert np.array_equal(image_scores(one, features, "Scoring"), score_features(one, features, "Scoring").image)


@pytest.mark.parametrize("room", [1, 2**27])
@pytest.mark.parametrize("scale", [1.0, 300.0, 2.0**-90])
def test_scores_have_the_bits_of_whole_maps_with_banks_in_any_order(
    synthetic: Synthetic, monkeypatch: pytest.MonkeyPatch, room: int, scale: float
) -> None:
    monkeypatch.setattr(scoring, "_PIECE_BYTES", room)
    features, others = synthetic(4, seed=1, scale=scale), synthetic(2, seed=2, scale=scale)
    bank = scale * rows()
    for count in (3, 10, 60, 10, 20, 1):
        check(detector(features, bank[:count]), features)
        check(detector(features, bank[:count]), others)
    check(detector(features, torch.cat([bank[:20], scale * rows(1)])), features)  # the same beginning
    check(detector(features, scale * rows(2)), features)


@pytest.mark.parametrize("b", [1, 9])
def test_equal_patches_and_equal_rows(synthetic: Synthetic, b: int) -> None:
    features = synthetic(4)
    constant = FeatureSet(
        "constant",
        {name: np.ones_like(layer[:2]) for name, layer in features.layers.items()},
        *(features.grids, features.device, features.view),
    )
    spec = PatchCoreSpec(layers=("a", "b"), patch_size=1, reweight_neighbours=b)
    for bank in (rows()[:1].repeat(5, 1), rows()[[0, 0, 1, 1, 0, 2]], rows()):
        check(detector(features, bank, spec), constant)
        check(detector(features, bank, spec), features)


def test_other_layers_and_patch_sizes_are_not_mixed_up(synthetic: Synthetic) -> None:
    features = synthetic(4)
    for spec in (SPEC, PatchCoreSpec(layers=("b", "a")), PatchCoreSpec(layers=("a", "b"), patch_size=1), SPEC):
        check(detector(features, rows(), spec), features)


def test_a_larger_bank_reads_images_again_only_if_it_must(
    synthetic: Synthetic, monkeypatch: pytest.MonkeyPatch
) -> None:
    features, merged = synthetic(6), list[int]()
    patches = PatchCore._patches

    def counted(self: PatchCore, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        merged.append(len(batch["a"]))
        return patches(self, batch)

    monkeypatch.setattr(PatchCore, "_patches", counted)
    spec = PatchCoreSpec(layers=("a", "b"))
    for count in (20, 60):
        one = PatchCore(spec, MemoryBank(rows()[:count]), features.grids)
        found = image_scores(one, features, "Scoring")
        read = sum(merged)
        assert read == (7 if count == 20 else 0)  # 64 patches are remembered, more than an image has
        assert np.array_equal(found, score_features(one, features, "Scoring").image)
        merged.clear()


def test_few_sets_stay_in_memory(synthetic: Synthetic) -> None:
    for seed in range(7):
        features = synthetic(2, seed=seed)
        check(detector(features, rows()), features)
    assert len(hausdorff._known) == hausdorff._SETS
