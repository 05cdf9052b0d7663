"""Precision: full within, what it was without, however somebody has set it."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch

from adtrack.detectors.bank import MemoryBank
from adtrack.detectors.coreset import greedy_order
from adtrack.detectors.exact import rounds, search
from adtrack.features.precision import OPERATIONS, full_precision

ROOT = Path(__file__).resolve().parents[2]
WAYS = {
    "legacy": "torch.set_float32_matmul_precision('medium')",
    "new": "torch.backends.fp32_precision = 'tf32'; torch.backends.cudnn.conv.fp32_precision = 'tf32'",
    "none": "",
}
STATES = """
import torch
from adtrack.features.backbone import same_bits
from adtrack.features.precision import OPERATIONS
{way}
def states():
    return [operation.fp32_precision for operation in OPERATIONS]
before = states()
for device in ("cpu", "cuda"):
    with same_bits(torch.device(device)):
        assert states() == ["ieee"] * len(before), (device, states())
        assert device == "cpu" or (torch.backends.cudnn.deterministic and not torch.backends.cudnn.benchmark)
    assert states() == before and not torch.backends.cudnn.deterministic, (device, states())
"""


@pytest.mark.parametrize("way", WAYS)
def test_a_network_passes_in_full_precision_and_leaves_what_it_found(way: str) -> None:
    code = STATES.format(way=WAYS[way])  # in a process of its own: torch does not forget in which way it was told
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def test_searches_and_orders_work_in_full_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def spying(real):
        def spy(*arguments):
            seen.append({operation.fp32_precision for operation in OPERATIONS})
            return real(*arguments)

        return spy

    monkeypatch.setattr(search.Search, "nearest", spying(search.Search.nearest))
    monkeypatch.setattr(rounds.Rounds, "next", spying(rounds.Rounds.next))
    vectors = torch.randn(300, 8, generator=torch.Generator().manual_seed(0))
    MemoryBank(vectors).nearest(vectors[:3])
    greedy_order(vectors, 20)
    assert len(seen) >= 2 and all(found == {"ieee"} for found in seen)


def test_the_last_thread_to_leave_puts_back_what_was_before() -> None:
    def states() -> set[str]:
        return {operation.fp32_precision for operation in OPERATIONS}

    before, inside, go_on = states(), threading.Event(), threading.Event()

    def other() -> None:
        with full_precision:
            inside.set()
            go_on.wait(60)
            seen.append(states())

    seen: list[set[str]] = []
    thread = threading.Thread(target=other)
    with full_precision:
        thread.start()
        inside.wait(60)
    assert states() == {"ieee"}  # of the other, which came in later
    go_on.set()
    thread.join()
    assert seen == [{"ieee"}] and states() == before != {"ieee"}


def test_an_error_within_leaves_nothing_behind() -> None:
    before = [operation.fp32_precision for operation in OPERATIONS]
    with pytest.raises(ZeroDivisionError), full_precision:
        raise ZeroDivisionError
    assert [operation.fp32_precision for operation in OPERATIONS] == before
