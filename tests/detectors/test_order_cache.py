"""Orders on disk: read, cut, continued; damaged files are made again; the time that an order takes is remembered."""

import struct
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from adtrack.detectors.order_cache import Grow, Order, OrderStore

KEY = "a" * 64


def computing(total: int, asked: list[int], pause: float = 0.0) -> Grow:
    """Computes 0, 1, 2, … ``total`` − 1, ten at a time, and notes how many were known already."""

    def grow(prefix: Tensor | None) -> Iterator[Tensor]:
        asked.append(0 if prefix is None else len(prefix))
        for found in range(asked[-1], total, 10):
            time.sleep(pause)
            yield torch.arange(found)
        yield torch.arange(total)

    return grow


def order(store: OrderStore, key: str, count: int, grow: Grow) -> Order:
    return next(store.orders(key, [count], grow))


def test_an_order_is_computed_once_and_cut(tmp_path: Path) -> None:
    asked: list[int] = []
    assert order(OrderStore(tmp_path), KEY, 50, computing(50, asked)).indices.tolist() == list(range(50))
    assert order(OrderStore(tmp_path), KEY, 50, computing(50, asked)).indices.tolist() == list(range(50))
    assert order(OrderStore(tmp_path), KEY, 7, computing(50, asked)).indices.tolist() == list(range(7))
    assert asked == [0]


def test_a_longer_order_continues_the_known_one(tmp_path: Path) -> None:
    asked: list[int] = []
    store = OrderStore(tmp_path)
    order(store, KEY, 20, computing(20, asked))
    assert order(store, KEY, 60, computing(60, asked)).indices.tolist() == list(range(60))
    order(store, KEY, 40, computing(40, asked))
    assert asked == [0, 20]


def test_a_climb_asks_for_no_more_than_the_next_count(tmp_path: Path) -> None:
    asked: list[int] = []
    store = OrderStore(tmp_path)
    orders = store.orders(KEY, [15, 35, 60], computing(60, asked))
    assert next(orders).indices.tolist() == list(range(15))
    assert len(load_file(tmp_path / f"{KEY}.safetensors")["order"]) == 20  # the round that has reached it
    # While nobody asks for more, another process may: neither waits for the other.
    assert order(store, KEY, 35, computing(60, asked)).indices.tolist() == list(range(35)) and asked == [0, 20]
    assert [found.indices.tolist() for found in orders] == [list(range(35)), list(range(60))] and asked == [0, 20]
    assert len(load_file(tmp_path / f"{KEY}.safetensors")["order"]) == 60


def test_orders_of_different_keys_stay_apart(tmp_path: Path) -> None:
    asked: list[int] = []
    for key in (KEY, "b" * 64):
        order(OrderStore(tmp_path), key, 10, computing(10, asked))
    assert asked == [0, 0]


@pytest.mark.parametrize("content", [b"", b"garbage" * 50, None])
def test_a_damaged_order_is_made_again(tmp_path: Path, content: bytes | None) -> None:
    asked: list[int] = []
    store = OrderStore(tmp_path)
    order(store, KEY, 30, computing(30, asked))
    file = tmp_path / f"{KEY}.safetensors"
    file.write_bytes(file.read_bytes()[:-9] if content is None else content)
    assert order(store, KEY, 30, computing(30, asked)).indices.tolist() == list(range(30))
    order(store, KEY, 30, computing(30, asked))
    assert asked == [0, 0]


@pytest.mark.parametrize("part", ["header", "numbers"])
def test_a_flipped_bit_never_makes_another_order(tmp_path: Path, part: str, capsys: pytest.CaptureFixture) -> None:
    asked: list[int] = []
    draws, file = np.random.default_rng(0), tmp_path / f"{KEY}.safetensors"
    order(OrderStore(tmp_path), KEY, 30, computing(30, asked))
    (length,) = struct.unpack("<Q", file.read_bytes()[:8])
    places = range(8 + length) if part == "header" else range(8 + length, file.stat().st_size)
    for place in draws.choice(places, 40):
        content = bytearray(file.read_bytes())
        content[place] ^= 1 << int(draws.integers(8))
        file.write_bytes(content)
        assert order(OrderStore(tmp_path), KEY, 30, computing(30, asked)).indices.tolist() == list(range(30))
    assert len(asked) >= 40  # but for flips in the header's blanks each was made again
    assert f"the order {KEY[:12]}… damaged; it is found again" in capsys.readouterr().err


def test_an_order_under_another_ones_name_or_of_an_earlier_version_is_made_again(tmp_path: Path) -> None:
    asked: list[int] = []
    store = OrderStore(tmp_path)
    order(store, KEY, 30, computing(30, asked))
    (tmp_path / f"{KEY}.safetensors").rename(tmp_path / f"{'b' * 64}.safetensors")
    assert order(store, "b" * 64, 20, computing(20, asked)).indices.tolist() == list(range(20))
    known = load_file(tmp_path / f"{'b' * 64}.safetensors")
    save_file(known | {"order": known["order"] + 1}, tmp_path / f"{KEY}.safetensors")  # without a digest
    assert order(store, KEY, 20, computing(20, asked)).indices.tolist() == list(range(20)) and asked == [0, 0, 0]


def test_an_interrupted_order_leaves_the_known_one(tmp_path: Path) -> None:
    asked: list[int] = []
    store = OrderStore(tmp_path)
    order(store, KEY, 30, computing(30, asked))

    def interrupted(prefix: Tensor | None) -> Iterator[Tensor]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        order(store, KEY, 60, interrupted)
    assert order(store, KEY, 30, computing(30, asked)).indices.tolist() == list(range(30)) and asked == [0]
    order(store, KEY, 60, computing(60, asked))
    assert asked == [0, 30] and not list(tmp_path.glob("*.partial"))


def test_an_interrupted_order_goes_on_where_it_was(tmp_path: Path) -> None:
    asked: list[int] = []

    def interrupted(prefix: Tensor | None) -> Iterator[Tensor]:
        yield torch.arange(40)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        order(OrderStore(tmp_path), KEY, 60, interrupted)
    assert order(OrderStore(tmp_path), KEY, 60, computing(60, asked)).indices.tolist() == list(range(60)) and asked == [
        40
    ]


def test_nothing_is_kept_of_an_order_that_has_not_begun(tmp_path: Path) -> None:
    def failing(prefix: Tensor | None) -> Iterator[Tensor]:
        raise MemoryError

    with pytest.raises(MemoryError):
        order(OrderStore(tmp_path), KEY, 60, failing)
    assert not list(tmp_path.glob("*.safetensors"))


def test_a_killed_process_loses_what_it_found_last(tmp_path: Path) -> None:
    file = tmp_path / f"{KEY}.safetensors"
    kept: list[int] = []

    def grow(prefix: Tensor | None) -> Iterator[Tensor]:
        for found in (20, 40):
            yield torch.arange(found)
            kept.append(len(load_file(file)["order"]))
        yield torch.arange(60)

    order(OrderStore(tmp_path, kept_after=0.0), KEY, 60, grow)
    assert kept == [20, 40]


def test_the_seconds_are_those_of_the_computation(tmp_path: Path) -> None:
    whole = order(OrderStore(tmp_path), KEY, 50, computing(50, [], pause=0.02)).seconds
    assert 0.1 <= whole < 2
    again = OrderStore(tmp_path)
    assert order(again, KEY, 50, computing(50, [])).seconds == whole
    assert 0.02 < order(again, KEY, 25, computing(50, [])).seconds < whole  # a part of it
    longer = order(again, KEY, 100, computing(100, [], pause=0.02))
    assert longer.seconds >= whole + 0.1  # what was known took time as well


def test_the_default_folder_is_in_the_cache(own_cache: Path) -> None:
    order(OrderStore(), KEY, 5, computing(5, []))
    assert (own_cache / "orders" / f"{KEY}.safetensors").is_file()


def test_an_order_that_finds_no_room_is_used_all_the_same(small_disk, capsys) -> None:
    folder, asked = small_disk("cache", 4), []
    assert order(OrderStore(folder), KEY, 2000, computing(2000, asked)).indices.tolist() == list(range(2000))
    assert "is not kept" in capsys.readouterr().err and not list(folder.glob("*.safetensors"))
    assert not list(folder.glob("*.partial"))
