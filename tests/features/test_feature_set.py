"""Several feature sets read as one."""

import numpy as np
import torch

from adtrack.features.feature_set import FeatureSet, part_of, pooled
from adtrack.features.grids import Grid

CPU = torch.device("cpu")


def part(key: str, count: int, seed: int) -> FeatureSet:
    values = np.random.default_rng(seed).random((count, 2, 4, 4), dtype=np.float32)
    return FeatureSet(
        key, {"layer": values, "other": values[:, :1]}, {"layer": Grid(0, 8), "other": Grid(0, 8)}, CPU, 32
    )


def test_pooled_sets_are_read_across_their_borders() -> None:
    parts = [part("a", 3, 0), part("b", 1, 1), part("c", 4, 2)]
    whole = np.concatenate([one.layers["layer"][:] for one in parts])
    features = pooled(parts)
    assert len(features) == 8 and features.layers["layer"].shape == (8, 2, 4, 4) and features.view == 32
    for start, stop in ((0, 8), (2, 5), (3, 4), (4, 8), (6, 20)):
        chunk = features.chunk(start, stop, ["layer", "other"])
        assert np.array_equal(chunk["layer"], whole[start:stop]) and np.array_equal(
            chunk["other"], whole[start:stop, :1]
        )


def test_the_order_of_the_parts_shows_in_the_key() -> None:
    one, other = part("a", 3, 0), part("b", 1, 1)
    assert len({pooled(parts).key for parts in ([one, other], [other, one], [one])}) == 3


def test_a_part_holds_its_images_alone() -> None:
    whole = part("a", 5, 0)
    some = part_of(whole, 1, 4)
    assert len(some) == 3 and some.layers["layer"].shape == (3, 2, 4, 4) and some.key != whole.key
    for start, stop in ((0, 3), (1, 2), (2, 9)):
        chunk, expected = some.chunk(start, stop, ["layer"]), whole.layers["layer"][1 + start : min(1 + stop, 4)]
        assert np.array_equal(chunk["layer"], expected)
