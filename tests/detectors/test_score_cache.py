"""Scores on disk: computed once for equal detectors and images, and never taken for those of others."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from adtrack.detectors import score_cache
from adtrack.detectors.bank import MemoryBank
from adtrack.detectors.contract import Scores
from adtrack.detectors.patchcore import PatchCore
from adtrack.detectors.patchcore_spec import PatchCoreSpec
from adtrack.detectors.score_cache import kept_scores
from adtrack.features.feature_set import FeatureSet

Synthetic = Callable[..., FeatureSet]
SPEC = PatchCoreSpec(layers=("a", "b"))
BANK = torch.randn(20, 12, generator=torch.Generator().manual_seed(0))


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADTRACK_CACHE", str(tmp_path))


def asked(features: FeatureSet, scores: Scores, spec: PatchCoreSpec = SPEC, bank: torch.Tensor = BANK) -> bool:
    """Whether the scores had to be computed. Either way, they are those that are kept."""
    calls: list[int] = []

    def compute() -> Scores:
        calls.append(1)
        return scores

    found = kept_scores(PatchCore(spec, MemoryBank(bank), features.grids), features, compute)
    assert np.array_equal(found.image, scores.image)
    assert found.patches is scores.patches is None or np.array_equal(found.patches, scores.patches)
    return bool(calls)


def some(seed: int) -> Scores:
    draws = np.random.default_rng(seed)
    return Scores(draws.random(6), draws.random((6, 6, 6), dtype=np.float32))


def test_equal_detectors_and_images_are_asked_once(synthetic: Synthetic) -> None:
    first, second = some(0), some(1)
    assert asked(synthetic(), first) and not asked(synthetic(), first, bank=BANK.clone())
    assert asked(synthetic(seed=1), second) and not asked(synthetic(), first)


def test_another_detector_or_version_is_asked_itself(synthetic: Synthetic, monkeypatch: pytest.MonkeyPatch) -> None:
    assert asked(synthetic(), some(0))
    moved = BANK.clone()
    moved[7, 3] = torch.nextafter(moved[7, 3], torch.tensor(9.0))
    assert asked(synthetic(), some(1), bank=moved)
    assert asked(synthetic(), some(2), bank=BANK[:19])
    assert asked(synthetic(), some(3), spec=replace(SPEC, reweight_neighbours=3))
    monkeypatch.setattr(score_cache, "__version__", "other")
    assert asked(synthetic(), some(4))


def test_scores_of_whole_images_are_kept_too(synthetic: Synthetic) -> None:
    whole = Scores(some(0).image, None)
    assert asked(synthetic(), whole) and not asked(synthetic(), whole)


def test_damaged_scores_are_computed_again(
    synthetic: Synthetic, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert asked(synthetic(), some(0))
    (file,) = (tmp_path / score_cache.ROOM).glob("*.safetensors")
    content = bytearray(file.read_bytes())
    content[-5] ^= 1
    file.write_bytes(content)
    assert asked(synthetic(), some(0)) and not asked(synthetic(), some(0))
    assert "The cache held the scores" in "".join(capsys.readouterr())
