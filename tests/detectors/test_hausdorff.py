"""Image scores without the scores of all patches: the same bits, bank after bank."""

import errno
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from adtrack.detectors import hausdorff, scoring
from adtrack.detectors.bank import MemoryBank
from adtrack.detectors.distance_cache import ROOM
from adtrack.detectors.exact.bounds import Bounds
from adtrack.detectors.patch_space import PatchSpace
from adtrack.detectors.patchcore import PatchCore
from adtrack.detectors.patchcore_spec import PatchCoreSpec
from adtrack.detectors.scoring import image_scores, score_features
from adtrack.features import tensor_file
from adtrack.features.feature_set import FeatureSet
from tests.detectors.exact.plans import SMALL

Synthetic = Callable[..., FeatureSet]
SPEC = PatchCoreSpec(layers=("a", "b"))


@pytest.fixture(autouse=True)
def nothing_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("ADTRACK_CACHE", str(tmp_path))
    hausdorff.forget()
    yield
    hausdorff.forget()


def rows(seed: int = 0) -> torch.Tensor:
    return torch.randn(60, 12, generator=torch.Generator().manual_seed(seed)) / 2


def detector(features: FeatureSet, bank: torch.Tensor, spec: PatchCoreSpec = SPEC) -> PatchCore:
    return PatchCore(spec, MemoryBank(bank, SMALL), features.grids)


def check(one: PatchCore, features: FeatureSet) -> None:
    assert np.array_equal(image_scores(one, features, "Scoring").image, score_features(one, features, "Scoring").image)


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
@pytest.mark.parametrize("distance", ["euclidean", "cosine"])
def test_equal_patches_and_equal_rows(synthetic: Synthetic, b: int, distance: str) -> None:
    features = synthetic(4)
    constant = FeatureSet(
        "constant",
        {name: np.ones_like(layer[:2]) for name, layer in features.layers.items()},
        *(features.grids, features.device, features.view),
    )
    spec = PatchCoreSpec(layers=("a", "b"), patch_size=1, reweight_neighbours=b, distance=distance)
    for bank in (rows()[:1].repeat(5, 1), rows()[[0, 0, 1, 1, 0, 2]], rows()):
        check(detector(features, bank, spec), constant)
        check(detector(features, bank, spec), features)


def test_other_layers_and_patch_sizes_are_not_mixed_up(synthetic: Synthetic) -> None:
    features = synthetic(4)
    for other in ({"layers": ("b", "a")}, {"patch_size": 1}, {"distance": "cosine"}, {"stride": 2}, {}):
        check(detector(features, rows(), replace(SPEC, **other)), features)


def test_a_larger_bank_reads_images_again_only_if_it_must(
    synthetic: Synthetic, monkeypatch: pytest.MonkeyPatch
) -> None:
    features, merged = synthetic(6), list[int]()
    patches = PatchSpace.patches

    def counted(self: PatchSpace, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        merged.append(len(batch["a"]))
        return patches(self, batch)

    monkeypatch.setattr(PatchSpace, "patches", counted)
    spec = PatchCoreSpec(layers=("a", "b"))
    for count in (20, 60):
        one = PatchCore(spec, MemoryBank(rows()[:count]), features.grids)
        found = image_scores(one, features, "Scoring").image
        read = sum(merged)
        assert read == (7 if count == 20 else 0)  # 64 patches are remembered, more than an image has
        assert np.array_equal(found, score_features(one, features, "Scoring").image)
        merged.clear()


@pytest.mark.parametrize("distance", ["euclidean", "cosine"])
@pytest.mark.parametrize("top", [0.001, 0.1, 0.5, 1.0])
def test_means_of_the_farthest_patches_have_the_bits_of_whole_maps(
    synthetic: Synthetic, top: float, distance: str
) -> None:
    features, spec = synthetic(5, seed=3), PatchCoreSpec(layers=("a", "b"), score_top=top, distance=distance)
    for count in (3, 20, 60, 10):
        one = detector(features, rows()[:count], spec)
        check(one, features)
        scores = one.score(features.chunk(0, 5, spec.inputs))
        distances = np.sort(scores.patches.reshape(5, -1), axis=1)[:, -max(1, int(top * 36 + 0.5)) :]
        np.testing.assert_allclose(scores.image, distances.astype(np.float64).mean(axis=1), rtol=1e-15)


def test_few_sets_stay_in_memory(synthetic: Synthetic) -> None:
    for seed in range(7):
        features = synthetic(2, seed=seed)
        check(detector(features, rows()), features)
    assert len(hausdorff._known) == hausdorff._SETS


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """For each image whose patches are bounded from the beginning, their number."""
    counts, begin = [], Bounds.begin

    def counted(self: Bounds, bank: MemoryBank, patches: torch.Tensor) -> None:
        counts.append(len(patches))
        begin(self, bank, patches)

    monkeypatch.setattr(Bounds, "begin", counted)
    return counts


def test_another_process_goes_on_from_what_the_cache_holds(synthetic: Synthetic, begun: list[int]) -> None:
    features = synthetic(4)
    check(detector(features, rows()[:20]), features)
    assert begun == [36] * 4
    for count in (40, 20, 60, 10):  # 10 rows are not known to be the same: no digest of so few was kept
        hausdorff.forget()
        check(detector(features, rows()[:count]), features)
        assert len(begun) == (8 if count == 10 else 4)
    hausdorff.forget()
    check(detector(features, torch.cat([rows()[:30], rows(1)])), features)  # the first 20 are
    assert len(begun) == 8
    check(detector(features, torch.cat([rows()[:1], rows(1)])), features)
    check(detector(features, rows(2)), features)
    assert len(begun) == 16


@pytest.mark.parametrize("damage", [b"", b"\x80\x04garbage", None])
def test_damaged_distances_are_found_again(
    synthetic: Synthetic, tmp_path: Path, begun: list[int], capsys: pytest.CaptureFixture[str], damage: bytes | None
) -> None:
    features = synthetic(2)
    check(detector(features, rows()), features)
    (file,) = (tmp_path / ROOM).glob("*.safetensors")
    raw = bytearray(file.read_bytes())
    raw[-30] ^= 1
    file.write_bytes(raw if damage is None else damage)
    hausdorff.forget()
    check(detector(features, rows()), features)
    assert len(begun) == 4 and "damaged; they are found again" in capsys.readouterr().err
    hausdorff.forget()
    check(detector(features, rows()), features)
    assert len(begun) == 4 and not list((tmp_path / ROOM).glob("*.partial"))


def test_without_room_on_the_disk_scores_are_the_same(
    synthetic: Synthetic, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tensor_file, "save_file", full)
    check(detector(synthetic(2), rows()), synthetic(2))
    assert "The cache is full" in capsys.readouterr().err
