"""Counting normal scores by bins gives what counting one by one gives, whatever the scores and thresholds are."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adtrack.evaluation import normal_scores
from adtrack.evaluation.normal_scores import NormalScores

KINDS = {
    "near": lambda draws, size: draws.normal(5, 0.5, size),
    "ties": lambda draws, size: draws.integers(0, 5, size) / 4,
    "neighbours": lambda draws, size: (draws.integers(0, 9, size) + 2**30).astype(np.int32).view(np.float32),
    "page edges": lambda draws, size: (draws.integers(-2, 3, size) + 2**30 + 2**16).astype(np.int32).view(np.float32),
    "wide": lambda draws, size: np.exp(draws.uniform(-80, 80, size)),
    "signs": lambda draws, size: draws.choice([-2.5, -1e-40, -0.0, 0.0, 1e-40, 3.0, 3e38], size),
}


@pytest.fixture(autouse=True)
def few_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(normal_scores, "_AT_ONCE", 100)


@given(
    st.integers(0, 2**32 - 1),
    st.lists(st.tuples(st.sampled_from([*KINDS]), st.integers(0, 400), st.booleans()), max_size=5),
    st.sampled_from([0, 1, 2, 40]),
    st.sampled_from([np.float32, np.float64]),
)
def test_counts_are_those_of_comparing_each_score(
    seed: int, maps: list[tuple[str, int, bool]], pages: int, kind: type[np.floating]
) -> None:
    """Also where pages run out, where some maps are finer, and for thresholds between numbers of 32 bits."""
    draws = np.random.default_rng(seed)
    planes = [
        np.atleast_2d(KINDS[name](draws, size)).astype(np.float64 if fine else np.float32) for name, size, fine in maps
    ]
    masks = [draws.random(plane.shape) < draws.choice([0, 0.3, 1]) for plane in planes]
    normal = np.concatenate([np.empty(0), *(plane[~mask] for plane, mask in zip(planes, masks, strict=True))])
    scores = NormalScores(len(normal))
    scores._bins = np.zeros((pages, 2**16), dtype=np.int32)
    for plane, mask in zip(planes, masks, strict=True):
        scores.add(plane, mask)
    asked = np.concatenate([normal, np.nextafter(normal, np.inf), *(make(draws, 9) for make in KINDS.values())])
    thresholds = np.unique(asked.astype(kind))[::-1]
    above, reached = scores.counted(thresholds)
    assert above.tolist() == [np.count_nonzero(normal > one) for one in thresholds]
    assert reached.tolist() == [np.count_nonzero(normal >= one) for one in thresholds]
    assert above.dtype == reached.dtype == np.int64


def test_nearly_all_scores_of_many_large_maps_are_counted_and_not_sorted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(normal_scores, "_AT_ONCE", 2**15)
    draws, mask = np.random.default_rng(0), np.zeros((512, 512), dtype=bool)
    scores = NormalScores(64 * mask.size)
    for _ in range(64):
        scores.add(draws.normal(5, 0.3, mask.shape).astype(np.float32), mask)
    assert scores._filled < 0.1 * 64 * mask.size
