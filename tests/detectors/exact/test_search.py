"""Searches: whatever an encoding leaves to be looked at, few pairs need their float64 distance, and the result is the
same."""

from dataclasses import replace

import pytest
import torch

from adtrack.detectors.exact import reference
from adtrack.detectors.exact.plan import USUAL, SearchPlan
from adtrack.detectors.exact.search import Search

from .plans import count_pairs
from .test_principal import like_features

BLUNT = replace(USUAL, directions=12, crowd=1)  # too few directions to tell the vectors apart


@pytest.mark.parametrize("plan", [replace(BLUNT, encoding=name) for name in ("principal", "principal codes")])
def test_pairs_that_look_near_are_told_apart_without_their_distances(
    plan: SearchPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    patches, queries = like_features(3000, 60), like_features(200, 60, seed=5)
    patches[2000:2100] = patches[:100]  # twins
    queries[:20], queries[20] = patches[:20], patches[2050]
    expected, where = reference.distances(queries, patches).min(dim=1)
    counts = count_pairs(monkeypatch)
    search = Search(patches, plan)
    distances, rows = search.nearest(queries, 1)
    assert rows[:, 0].equal(where) and distances[:, 0].equal(expected.float())
    few = sum(counts)
    counts.clear()
    monkeypatch.setattr(Search, "_sifted", lambda self, queries, query, row: (query, row))
    again = search.nearest(queries, 1)
    assert again[0].equal(distances) and again[1].equal(rows) and sum(counts) > 3 * few


@pytest.mark.parametrize("start", [0, 704, 2880])  # whole blocks: rows close to a range may be looked at, too
def test_a_range_of_rows_is_searched_alike(start: int) -> None:
    patches, queries = like_features(3000, 60), like_features(200, 60, seed=5)
    own = torch.arange(200)
    among = torch.cat([own[:, None], torch.arange(start, 3000).expand(200, -1)], dim=1)
    apart = reference.distances(queries, patches).gather(1, among)
    distances, rows = Search(patches, replace(BLUNT, encoding="principal codes")).nearer(queries, own, start, 3000)
    assert distances.equal(apart.amin(dim=1))
    lowest = torch.where(apart == apart.amin(dim=1, keepdim=True), among, 3000).amin(dim=1)
    assert rows.equal(lowest)
