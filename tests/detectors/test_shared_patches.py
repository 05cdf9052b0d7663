"""Patches that several holders have, all of them in this process: the bank of one holder, and what they refuse."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from adtrack.detectors import shared_patches
from adtrack.detectors.patchcore import PatchCore
from adtrack.detectors.patchcore_spec import PatchCoreSpec
from adtrack.detectors.training import TrainingSet
from adtrack.errors import UserError
from adtrack.features.feature_set import FeatureSet, part_of
from tests.detectors.fitting import fitted

SPEC = PatchCoreSpec(layers=("a", "b"), coreset_fraction=0.25)


@dataclass(frozen=True)
class HeldInThisProcess:
    held: list[Any]

    def each(self, work: Callable[[Any], Any]) -> Iterable[Any]:
        return [work(one) for one in self.held]


@dataclass(frozen=True)
class TwoHolders:
    """A crew of two, of which the first has one image alone."""

    features: FeatureSet

    def hold(self, make: Callable[[TrainingSet, int], Any]) -> HeldInThisProcess:
        bounds = [(0, 1), (1, len(self.features))]
        parts = [(TrainingSet(part_of(self.features, *ends), SPEC.inputs), ends[0]) for ends in bounds]
        return HeldInThisProcess([make(*part) for part in parts])


def shared(features: FeatureSet, kept: Path) -> PatchCore:
    return PatchCore.fit(TrainingSet(features, SPEC.inputs, kept, crew=TwoHolders(features)), SPEC).detector


def test_the_bank_is_that_of_one_holder(synthetic: Callable[..., FeatureSet], tmp_path: Path) -> None:
    features = synthetic()
    alone = fitted(features, SPEC, tmp_path / "alone")
    together = shared(features, tmp_path / "together")
    assert together.bank.patches.equal(alone.bank.patches)
    assert (together.origins == alone.origins).all()


@pytest.mark.parametrize("place", [-1, 10**6])
def test_an_order_of_patches_that_nobody_holds_is_refused(
    synthetic: Callable[..., FeatureSet], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: int
) -> None:
    order = torch.tensor([*range(53), place])
    monkeypatch.setattr(shared_patches, "growing_held_order", lambda *_, **__: iter([order]))
    with pytest.raises(UserError, match="must name some of the 216 patches, but 1 of its 54 entries name none of them"):
        shared(synthetic(), tmp_path)
