"""The memory bank: exact nearest neighbours against brute force, the same bits however it is worked through, files."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from adtrack.detectors.bank import MemoryBank
from adtrack.detectors.exact.plan import SearchPlan
from adtrack.errors import UserError

from .exact.plans import count_pairs


@pytest.fixture(params=["codes", "principal"])
def plan(request: pytest.FixtureRequest) -> SearchPlan:
    """Each encoding, whatever this machine would choose by itself."""
    return SearchPlan(encoding=request.param)


def brute_force(patches: Tensor, queries: Tensor, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Distances and rows by float64 differences of everything with everything; equal ones ordered by row."""
    rows, points = patches.double().numpy(), queries.double().numpy()
    distances = np.stack([np.sqrt(((rows - point) ** 2).sum(axis=1)) for point in points])
    order = np.argsort(distances, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(distances, order, axis=1), order


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def features(count: int, dimensions: int, seed: int = 0) -> Tensor:
    """Non-negative vectors with a few strong directions, as a network's features have."""
    strong = normal(count, 12, seed=seed) @ normal(12, dimensions, seed=9) + 0.2 * normal(
        count, dimensions, seed=seed + 1
    )
    return strong.clamp(min=0)


CASES = {
    "8 dimensions": (normal(500, 8), normal(150, 8, seed=1)),
    "600 dimensions": (normal(700, 300), normal(150, 300, seed=1)),
    "like features": (features(900, 320), features(150, 320, seed=5)),
    "queries from the bank": (features(400, 320), features(400, 320)[::3]),
    "duplicated rows": (features(60, 300).repeat(4, 1), features(50, 300, seed=5)),
    "lattice": (torch.cartesian_prod(*[torch.arange(4.0)] * 3), torch.cartesian_prod(*[torch.arange(4.0) + 0.5] * 3)),
    "constant": (torch.full((40, 260), 0.1), normal(20, 260)),
    "far from the origin": (normal(300, 300) + 1e3, normal(100, 300, seed=1) + 1e3),
    "queries far away": (normal(300, 300), normal(100, 300, seed=1) + 1e3),
    "tiny numbers": (normal(300, 300) * 1e-12, normal(100, 300, seed=1) * 1e-12),
    "fewer rows than directions": (normal(20, 400), normal(50, 400, seed=1)),
    "more rows than the basis is computed from": (features(9000, 260), features(20, 260, seed=5)),
}


@pytest.mark.parametrize("k", [1, 9])
@pytest.mark.parametrize("name", CASES)
def test_nearest_is_brute_force(name: str, k: int, plan: SearchPlan) -> None:
    patches, queries = CASES[name]
    distances, rows = MemoryBank(patches, plan).nearest(queries, k)
    expected, where = brute_force(patches, queries, k)
    assert distances.dtype == torch.float32 and rows.dtype == torch.int64
    np.testing.assert_array_equal(rows.numpy(), where)
    np.testing.assert_allclose(distances.numpy(), expected, rtol=1e-6, atol=0)


@pytest.mark.parametrize("name", ["like features", "duplicated rows", "lattice", "constant"])
def test_the_bank_knows_what_lies_around_its_rows(name: str) -> None:
    bank = MemoryBank(CASES[name][0])
    for k, rows in ((9, [3, 0, len(bank) - 1, 3]), (2, [5]), (9, [1])):
        expected = brute_force(bank.patches, bank.patches[rows], k)[1]
        np.testing.assert_array_equal(bank.around(torch.tensor(rows), k), expected)


@pytest.mark.parametrize("dimensions", [3, 300])
def test_a_bank_of_one_row(dimensions: int, plan: SearchPlan) -> None:
    patches, queries = normal(1, dimensions), normal(30, dimensions, seed=1)
    distances, rows = MemoryBank(patches, plan).nearest(queries)
    assert not rows.any()
    np.testing.assert_allclose(distances.numpy(), brute_force(patches, queries, 1)[0], rtol=1e-6)


@pytest.mark.parametrize("offset", [0.0, 1e3])
@pytest.mark.parametrize("dimensions", [8, 300])
def test_a_patch_of_the_bank_is_at_distance_zero(dimensions: int, offset: float, plan: SearchPlan) -> None:
    patches = normal(200, dimensions) + offset
    distances, rows = MemoryBank(patches, plan).nearest(patches)
    assert (distances == 0).all() and rows.squeeze(1).tolist() == list(range(200))


def test_twins_are_found_in_the_order_of_their_rows() -> None:
    patches = normal(50, 300).repeat(3, 1)
    distances, rows = MemoryBank(patches).nearest(patches[100:], 3)
    assert (distances == 0).all()
    assert rows.tolist() == [[row, row + 50, row + 100] for row in range(50)]


def still(rows: int, dimensions: int, places: int, noise: float) -> Tensor:
    """Patches of a camera that stands still: a few, again and again, which differ by ``noise`` of themselves."""
    again = torch.arange(rows) % places
    return features(places, dimensions)[again] * (1 + noise * (normal(rows, dimensions, seed=2) > 1.6))


@pytest.mark.parametrize("k", [1, 9])
@pytest.mark.parametrize("places", [1, 40])
@pytest.mark.parametrize("noise", [0.0, 2.0**-23, 2.0**-12])
@pytest.mark.parametrize("queries", ["own", "others"])
def test_a_camera_that_stands_still_is_no_more_work(
    queries: str, noise: float, places: int, k: int, plan: SearchPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Equal rows are one row to the search; of those that rounding hardly tells apart, few are compared one by one."""
    patches, asked = still(6000, 48, places, noise), features(30, 48, seed=5)
    if queries == "own":
        asked = still(30, 48, places, noise)
    bank, pairs = MemoryBank(patches, plan), count_pairs(monkeypatch)
    distances, rows = bank.nearest(asked, k)
    expected, where = brute_force(patches, asked, k)
    np.testing.assert_array_equal(rows.numpy(), where)
    np.testing.assert_allclose(distances.numpy(), expected, rtol=1e-6, atol=0)
    assert sum(pairs) < 400 * len(asked)  # of 6000: a sixteenth of them is not worth finer products


def test_all_rows_can_be_asked_for() -> None:
    patches = normal(12, 6)
    _, rows = MemoryBank(patches).nearest(normal(5, 6, seed=1), 12)
    assert all(sorted(row) == list(range(12)) for row in rows.tolist())


def test_no_queries_give_no_answers() -> None:
    distances, rows = MemoryBank(normal(5, 4)).nearest(torch.empty(0, 4), 2)
    assert distances.shape == rows.shape == (0, 2) and rows.dtype == torch.int64


@pytest.mark.parametrize("k", [1, 9])
@pytest.mark.parametrize("dimensions", [8, 320])
def test_chunks_do_not_show(dimensions: int, k: int, plan: SearchPlan) -> None:
    patches, queries = features(700, dimensions), features(300, dimensions, seed=3)
    bank = MemoryBank(patches, plan)
    whole = bank.nearest(queries, k)
    one_by_one = [bank.nearest(query[None], k) for query in queries[:20]]
    assert all(torch.cat([found[part] for found in one_by_one]).equal(whole[part][:20]) for part in (0, 1))
    for some, tile, products, numbers in ((7, (3, 64), 1, 2**18), (120, (50, 256), 50_000, 3333)):
        other = replace(plan, queries=some, tile=tile, products=products, numbers=numbers)
        again = MemoryBank(patches, other).nearest(queries, k)
        assert again[0].equal(whole[0]) and again[1].equal(whole[1])
    pair_by_pair = MemoryBank(patches, replace(plan, numbers=1)).nearest(queries[:5], k)
    assert all(part.equal(known[:5]) for part, known in zip(pair_by_pair, whole, strict=True))


@pytest.mark.parametrize("constant", ["encoded_at_once", "block", "crowd", "pairs", "sample"])
@pytest.mark.parametrize("value", [4, 32, 1024])
@pytest.mark.parametrize("k", [1, 5])
def test_how_rows_are_ruled_out_does_not_show(constant: str, value: int, k: int, plan: SearchPlan) -> None:
    patches, queries = features(600, 640), features(200, 640, seed=3)
    usual = MemoryBank(patches).nearest(queries, k)
    other = MemoryBank(patches, replace(plan, **{constant: value})).nearest(queries, k)
    assert other[0].equal(usual[0]) and other[1].equal(usual[1])


def test_threads_do_not_show() -> None:
    patches, queries = features(1200, 320), features(300, 320, seed=3)
    before = torch.get_num_threads()
    try:
        found = []
        for threads in (1, 2):
            torch.set_num_threads(threads)
            found.append(MemoryBank(patches).nearest(queries, 3))
    finally:
        torch.set_num_threads(before)
    assert found[0][0].equal(found[1][0]) and found[0][1].equal(found[1][1])


def test_a_saved_bank_is_the_same(tmp_path: Path) -> None:
    bank = MemoryBank(features(200, 300))
    bank.save(tmp_path / "new" / "folder")
    read = MemoryBank.load(tmp_path / "new" / "folder")
    queries = features(50, 300, seed=3)
    assert read.patches.equal(bank.patches) and len(read) == 200
    assert all(a.equal(b) for a, b in zip(read.nearest(queries, 9), bank.nearest(queries, 9), strict=True))


def test_megabytes_are_those_of_the_patches(tmp_path: Path) -> None:
    bank = MemoryBank(normal(1000, 250))
    bank.save(tmp_path)
    assert bank.megabytes == 1.0
    assert 0 < (tmp_path / "bank.safetensors").stat().st_size - 1e6 < 1000


@pytest.mark.parametrize("damage", ["cut", "garbage", "empty", "other", "missing"])
def test_a_damaged_file_is_refused(tmp_path: Path, damage: str) -> None:
    MemoryBank(normal(20, 8)).save(tmp_path)
    file = tmp_path / "bank.safetensors"
    if damage == "missing":
        file.unlink()
    elif damage == "other":
        save_file({"weights": torch.ones(3)}, file)
    else:
        whole = file.read_bytes()
        file.write_bytes({"cut": whole[:-5], "garbage": b"\x80\x04K\x01." * 40, "empty": b""}[damage])
    with pytest.raises(UserError, match=r"bank must be a readable safetensors file, but .*bank\.safetensors"):
        MemoryBank.load(tmp_path)


@pytest.mark.parametrize("shape", [(5,), (0, 3), (3, 0), (2, 3, 4)])
def test_patches_must_be_a_table(shape: tuple[int, ...]) -> None:
    with pytest.raises(UserError, match=r"bank must have shape \(patches, dimensions\)"):
        MemoryBank(torch.ones(shape))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_patches_and_queries_must_be_finite(value: float, tmp_path: Path) -> None:
    wrong = normal(5, 3)
    wrong[2, 1] = value
    with pytest.raises(UserError, match="bank patches must be finite"):
        MemoryBank(wrong)
    save_file({"patches": wrong}, tmp_path / "bank.safetensors")
    with pytest.raises(UserError, match="bank patches must be finite"):
        MemoryBank.load(tmp_path)
    with pytest.raises(UserError, match="queries must be finite"):
        MemoryBank(normal(5, 3)).nearest(wrong)


@pytest.mark.parametrize("shape", [(4, 7), (4,), (2, 4, 8)])
def test_queries_must_have_the_banks_dimensions(shape: tuple[int, ...]) -> None:
    with pytest.raises(UserError, match=r"queries must have shape \(N, 8\)"):
        MemoryBank(normal(20, 8)).nearest(torch.ones(shape))


@pytest.mark.parametrize("k", [-1, 0, 21])
def test_k_must_lie_among_the_rows(k: int) -> None:
    with pytest.raises(UserError, match=rf"k must be between 1 and the bank's 20 rows, but got {k}"):
        MemoryBank(normal(20, 8)).nearest(normal(4, 8), k)
