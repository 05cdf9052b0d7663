"""doctor's look at the cache: entries that are really damaged, and what killed processes really leave."""

import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from filelock import FileLock
from PIL import Image
from safetensors.torch import load_file, save_file

from adtrack.config import BackboneSpec
from adtrack.data import demo, remembered
from adtrack.data.checking import check_images
from adtrack.data.classes import ImageRecord
from adtrack.data.layouts import read_class
from adtrack.detectors.order_cache import OrderStore
from adtrack.features.entry import EntryWriter
from adtrack.features.weights import Trunk, keep_trunk, load_trunk
from adtrack.findings import BROKEN, NOTE, OK, Check
from adtrack.verbs.doctor import caches
from adtrack.verbs.doctor.caches import look_at_caches

KEY = "a" * 64


def checks() -> dict[str, Check]:
    return {check.name: check for check in look_at_caches()}


def make_features(cache: Path, name: str = KEY) -> Path:
    """An entry as the feature store writes it."""
    (cache / "features").mkdir(exist_ok=True)
    with contextlib.closing(EntryWriter(cache / "features" / name, name, 4)) as writer:
        writer.add(np.ones((4, 8, 6, 6), np.float32))
        writer.finish()
    return cache / "features" / name / "features.npy"


def make_order(key: str = KEY) -> None:
    next(OrderStore().orders(key, [9], lambda prefix: iter([torch.arange(9)])))


def make_trunk() -> Path:
    return keep_trunk(load_trunk(BackboneSpec("resnet18", "random"), ("layer1",), "demo"))


def test_an_empty_cache_is_not_made(own_cache: Path) -> None:
    own_cache.rmdir()
    assert {check.level for check in look_at_caches()} == {OK} and not own_cache.exists()


def test_whole_entries_are_ok_and_stay_as_they_are(own_cache: Path) -> None:
    make_features(own_cache)
    make_order()
    make_trunk()
    keep_trunk(Trunk.none())  # of a study of detectors that look at views alone

    def state() -> dict[Path, int]:
        return {path: path.stat().st_mtime_ns for path in own_cache.rglob("*")}

    before, found = state(), checks()
    assert {check.level for check in found.values()} == {OK} and state() == before
    counted = {room: found[room].detail.split(",")[0] for room in ("features", "orders", "trunks")}
    assert counted == {"features": "1 entry", "orders": "1 entry", "trunks": "2 entries"}


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-9])


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


@pytest.mark.parametrize("spoil", [cut, flip, lambda file: file.write_bytes(b"garbage"), Path.unlink])
def test_damaged_features_are_found_and_removed_by_the_mend_alone(own_cache: Path, spoil) -> None:
    whole, damaged = make_features(own_cache), make_features(own_cache, "b" * 64)
    spoil(damaged)
    check = checks()["features"]
    (finding,) = check.findings
    assert check.level == BROKEN and finding.items == (str(damaged.parent),) and damaged.parent.is_dir()
    assert "bbbb" in finding.mend()
    assert whole.is_file() and not damaged.parent.exists() and checks()["features"].level == OK


@pytest.mark.parametrize("spoil", [cut, flip, lambda file: file.write_bytes(b"garbage")])
def test_damaged_orders_are_found_and_removed(own_cache: Path, spoil) -> None:
    for key in (KEY, "b" * 64):
        make_order(key)
    spoil(own_cache / "orders" / f"{KEY}.safetensors")
    (finding,) = checks()["orders"].findings
    assert finding.level == BROKEN and finding.items == (str(own_cache / "orders" / f"{KEY}.safetensors"),)
    finding.mend()
    assert [file.name[:1] for file in (own_cache / "orders").glob("*.safetensors")] == ["b"]


@pytest.mark.parametrize("spoil", [cut, flip, lambda file: file.write_bytes(b"garbage")])
def test_damaged_memories_of_checks_are_found_and_removed(
    own_cache: Path, tmp_path: Path, spoil, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remembered, "_SETTLED_NS", -(10**12))
    Image.new("RGB", (9, 9)).save(tmp_path / "a.png")
    check_images(tmp_path, [ImageRecord("a.png", 0, "good")])
    (memory,) = (own_cache / "checked").iterdir()
    assert checks()["checked"].level == OK and checks()["checked"].detail.startswith("1 entry")
    spoil(memory)
    (finding,) = checks()["checked"].findings
    assert finding.level == BROKEN and finding.items == (str(memory),)
    finding.mend()
    assert not memory.exists()


def test_entries_of_earlier_versions_have_no_checksum_and_count_by_their_form(own_cache: Path) -> None:
    make_features(own_cache).with_name("checksum.json").unlink()
    order = own_cache / "orders" / f"{KEY}.safetensors"
    make_order()
    save_file(load_file(order), order)
    assert {checks()[room].level for room in ("features", "orders")} == {OK}
    cut(own_cache / "features" / KEY / "features.npy")
    cut(order)
    assert {checks()[room].level for room in ("features", "orders")} == {BROKEN}


@pytest.mark.parametrize("spoil", [cut, flip])
def test_a_trunk_is_known_by_its_name(own_cache: Path, spoil) -> None:
    file = make_trunk()
    assert checks()["trunks"].level == OK
    spoil(file)
    (finding,) = checks()["trunks"].findings
    assert finding.level == BROKEN and finding.items == (str(file),)
    finding.mend()
    assert not file.exists()


@pytest.fixture
def small_demo(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The demo data set with one picture of a kind."""
    monkeypatch.setattr(demo, "COUNTS", demo.Counts(1, 1, 1))
    return demo.make_demo(own_cache / "demo" / demo.VERSION, counts=demo.COUNTS)


def test_demo_data_must_be_complete_and_readable(own_cache: Path, small_demo: Path) -> None:
    assert checks()["demo"].level == OK
    picture = small_demo / "zipper/train/good/000.png"
    content = picture.read_bytes()
    flip(picture)
    assert checks()["demo"].level == BROKEN
    picture.write_bytes(content)
    assert checks()["demo"].level == OK
    (small_demo / "carpet/test/good/000.png").unlink()
    (finding,) = checks()["demo"].findings
    finding.mend()
    assert not small_demo.exists() and checks()["demo"].level == OK


FEATURES = """
import os, sys
from pathlib import Path
from filelock import FileLock
from PIL import Image
from safetensors.torch import load_file, save_file
folder = Path(sys.argv[1])
folder.mkdir(parents=True)
lock = FileLock(folder / "x.lock")
lock.acquire()
(folder / "tmp-1").mkdir()
(folder / "tmp-1" / "features.npy").write_bytes(bytes(1000))
print("ready", flush=True)
sys.stdin.read()
"""


def test_an_unfinished_pass_is_left_over_once_its_process_was_killed(own_cache: Path) -> None:
    """What the feature store has on disk in the middle of a pass: a lock that is held and a temporary folder."""
    folder = own_cache / "features"
    process = subprocess.Popen(
        [sys.executable, "-c", FEATURES, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert process.stdout.readline() == b"ready\n"
        assert checks()["features"].level == OK  # somebody is at work on it
    finally:
        process.kill()
        process.communicate()
    check = checks()["features"]
    (finding,) = check.findings
    assert check.level == NOTE and finding.items == (str(folder / "tmp-1"),)
    assert finding.mend() == "removed unfinished features: tmp-1" and not (folder / "tmp-1").exists()


def test_other_rooms_leave_unfinished_files_too(own_cache: Path) -> None:
    make_order()
    order = own_cache / "orders" / f"{KEY}.partial"
    trunk, fresh = (own_cache / "trunks" / f"{KEY}.{name}" for name in ("0123", "4567"))
    partial = own_cache / "demo" / f"{demo.VERSION}.partial-x"
    for file in (order, trunk, fresh, partial / "zipper/000.png"):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"unfinished")
    os.utime(trunk, (time.time() - 3600,) * 2)
    with FileLock(own_cache / "orders" / f"{KEY}.safetensors.lock"):
        assert checks()["orders"].level == OK
    found = {name: check.findings[0] for name, check in checks().items() if check.findings}
    assert {name: finding.items for name, finding in found.items()} == {
        "orders": (str(order),),
        "trunks": (str(trunk),),
        "demo": (str(partial),),
    }
    assert {finding.level for finding in found.values()} == {NOTE}
    for finding in found.values():
        finding.mend()
    assert fresh.exists() and not any(path.exists() for path in (order, trunk, partial))


@pytest.mark.parametrize("place", ["a file in the way", "/proc/adtrack"])
def test_a_cache_that_cannot_be_written_to_is_broken(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a file in the way").touch()
    monkeypatch.setenv("ADTRACK_CACHE", str(tmp_path / place))
    (finding,) = checks()["folder"].findings
    assert finding.level == BROKEN and str(tmp_path / place) in finding.what and finding.mend is None
    assert "ADTRACK_CACHE" in finding.remedy


def test_the_limit_is_minded(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_features(own_cache)
    monkeypatch.setenv("ADTRACK_CACHE_GB", "0.000001")
    assert checks()["folder"].level == NOTE and "ADTRACK_CACHE_GB allows 1e-06" in checks()["folder"].findings[0].what
    monkeypatch.setenv("ADTRACK_CACHE_GB", "plenty")
    assert checks()["folder"].level == BROKEN and "'plenty'" in checks()["folder"].findings[0].what
    assert caches.size_of(own_cache / "features") == caches.size_of(own_cache) > 1000


def test_what_was_checked_is_looked_at_too(own_cache: Path, tiny_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adtrack.data.remembered._SETTLED_NS", -1)
    images = read_class(tiny_data, "part")
    check_images(tiny_data, images.records)
    memories = sorted((own_cache / "checked").iterdir())
    assert checks()["checked"].level == OK and checks()["checked"].detail.startswith(f"{len(memories)} entries")
    flip(memories[0])
    left = memories[1].with_suffix(".partial")
    left.write_text("half")
    assert checks()["checked"].level == BROKEN, "the unfinished one may still be written"
    os.utime(left, (time.time() - 3600,) * 2)
    damaged, unfinished = checks()["checked"].findings
    assert damaged.items == (str(memories[0]),) and unfinished.items == (str(left),)
    damaged.mend(), unfinished.mend()
    assert checks()["checked"].level == OK and sorted((own_cache / "checked").iterdir()) == memories[1:]
