"""The way from inputs to scores and maps: in pieces that fit into memory, and alike in any."""

from collections.abc import Callable, Mapping
from types import SimpleNamespace

import numpy as np
import pytest
from torch import Tensor

from adtrack.config import VIEW, ImageSpec
from adtrack.detectors import known_patches, scoring
from adtrack.detectors.contract import SMOOTHING, Scores
from adtrack.detectors.maps import anomaly_map
from adtrack.detectors.scoring import AnomalyMaps, map_of, score_features
from adtrack.features.feature_set import FeatureSet
from adtrack.features.grids import Grid

SPEC = ImageSpec(48, 0)


def method(*inputs: str, grid: Grid | None = None, seen: list[tuple[int, set[str]]] | None = None) -> SimpleNamespace:
    """A method whose image score is the mean of its inputs and, with a grid, whose patch scores are layer a's means."""

    def score(batch: Mapping[str, Tensor]) -> Scores:
        if seen is not None:
            seen.append((len(next(iter(batch.values()))), set(batch)))
        image = sum(part.double().mean(dim=(1, 2, 3)) for part in batch.values()).numpy()
        return Scores(image, batch["a"].mean(dim=1).numpy() if grid else None)

    about = SimpleNamespace(inputs=inputs)
    return SimpleNamespace(spec=about, score=score, grid=grid, smoothing=SMOOTHING, name="M", patch_digest=None)


@pytest.mark.parametrize(("room", "sizes"), [(4 * 12 * 36 * 4, [3, 3]), (1, [1] * 6), (2**27, [6])])
def test_pieces_fit_into_the_room_with_all_layers_on_the_finest_grid(
    synthetic: Callable[..., FeatureSet], monkeypatch: pytest.MonkeyPatch, room: int, sizes: list[int]
) -> None:
    features, seen = synthetic(), []
    whole = score_features(method("a", "b", grid=Grid(0.0, 8.0)), features, "Scoring")
    monkeypatch.setattr(scoring, "_PIECE_BYTES", room)
    found = score_features(method("a", "b", grid=Grid(0.0, 8.0), seen=seen), features, "Scoring")
    assert [count for count, _ in seen] == sizes
    assert np.array_equal(found.image, whole.image) and np.array_equal(found.patches, whole.patches)


def test_only_what_is_asked_for_is_read_and_counted(
    synthetic: Callable[..., FeatureSet], monkeypatch: pytest.MonkeyPatch
) -> None:
    features = synthetic()
    views = np.zeros((6, 3, 48, 48), np.float32)
    features = FeatureSet(
        "k", {**features.layers, VIEW: views}, {**features.grids, VIEW: Grid(0.0, 1.0)}, features.device, 48
    )
    monkeypatch.setattr(scoring, "_PIECE_BYTES", 2 * views[0].nbytes)
    for inputs, first in {(VIEW,): 2, ("b",): 6, ("b", VIEW): 1}.items():
        seen: list[tuple[int, set[str]]] = []
        found = score_features(method(*inputs, seen=seen), features, "Scoring")
        assert seen[0] == (first, set(inputs)) and len(found.image) == 6 and found.patches is None


def test_maps_are_each_images_own_size_with_the_methods_smoothing(synthetic: Callable[..., FeatureSet]) -> None:
    draws = np.random.default_rng(0)
    one = method("a", grid=Grid(0.0, 8.0))
    one.smoothing = 2.0
    patches = draws.random((2, 6, 6), dtype=np.float32)
    maps = AnomalyMaps(one, synthetic(2), SPEC, [(50, 70), (48, 48)], patches)
    assert [plane.shape for plane in maps] == [(50, 70), (48, 48)] and len(maps) == 2
    assert np.array_equal(maps[0], map_of(one, patches[0], SPEC, 50, 70))
    assert np.array_equal(maps[0], anomaly_map(patches[0], Grid(0.0, 8.0), SPEC, 50, 70, 2.0))


def test_patches_that_were_not_scored_are_scored_once_when_their_map_is_read(
    synthetic: Callable[..., FeatureSet],
) -> None:
    features, seen = synthetic(3), []
    sizes = [(50, 70), (48, 48), (10, 10)]
    known = score_features(method("a", grid=Grid(0.0, 8.0)), features, "Scoring").patches
    maps = AnomalyMaps(method("a", grid=Grid(0.0, 8.0), seen=seen), features, SPEC, sizes)
    for _ in range(2):
        assert np.array_equal(maps.patches(1), known[1]) and maps[1].shape == (48, 48)
    assert seen == [(1, {"a"})]
    assert all(map(np.array_equal, maps, AnomalyMaps(method("a", grid=Grid(0.0, 8.0)), features, SPEC, sizes, known)))
    with pytest.raises(ValueError, match="scores whole images only"):
        AnomalyMaps(method("a"), features, SPEC, sizes)[0]


def test_patches_need_a_place() -> None:
    with pytest.raises(ValueError, match="must say where they lie"):
        map_of(method("a"), np.zeros((6, 6), np.float32), SPEC, 50, 70)


def test_equal_detectors_score_an_images_patches_once(
    synthetic: Callable[..., FeatureSet], monkeypatch: pytest.MonkeyPatch
) -> None:
    known_patches.forget()
    features, seen, sizes = synthetic(3), [], [(50, 70)] * 3

    def maps(digest: str | None, of: FeatureSet = features) -> AnomalyMaps:
        one = method("a", grid=Grid(0.0, 8.0), seen=seen)
        one.patch_digest = digest
        return AnomalyMaps(one, of, SPEC, sizes)

    first = maps("one").patches(1)
    assert maps("one").patches(1) is first and len(seen) == 1
    for other in (maps("two"), maps(None), maps("one", synthetic(3, seed=1))):
        assert other.patches(1) is not first
    assert len(seen) == 4
    monkeypatch.setattr(known_patches, "_BYTES", first.nbytes)  # one more set than there is room for
    maps("three").patches(0)
    assert np.array_equal(maps("one").patches(1), first) and len(seen) == 6
    known_patches.forget()
