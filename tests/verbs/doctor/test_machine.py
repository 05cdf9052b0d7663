"""doctor's look at the machine: what it says of GPUs, threads, disks and weights."""

import hashlib
from pathlib import Path

import pytest

from adtrack.findings import BROKEN, NOTE, OK
from adtrack.verbs.doctor import machine
from adtrack.verbs.doctor.machine import (
    disk_check,
    gpu_check,
    look_at_machine,
    threads_check,
    usable_cores,
    weights_check,
)


def test_a_gpu_is_named_and_one_that_is_not_used_is_a_note() -> None:
    used = gpu_check(["NVIDIA H200, 150 GB"], True, "2.9.0+cu128", "12.8")
    assert (used.level, used.detail) == (OK, "NVIDIA H200, 150 GB (CUDA 12.8)")
    assert gpu_check([], False, "2.9.0+cpu", None).level == OK
    for built_for, said in ((None, "torch 2.9.0 is built for the CPU"), ("12.8", "built for CUDA 12.8")):
        check = gpu_check([], True, "2.9.0", built_for)
        assert check.level == NOTE and said in check.findings[0].what


def test_more_threads_than_cores_are_a_note() -> None:
    assert threads_check(2, 2).level == OK and threads_check(1, 8).detail == "1 thread on 8 cores"
    check = threads_check(16, 2)
    assert check.level == NOTE and "OMP_NUM_THREADS=2" in check.findings[0].remedy and usable_cores() >= 1


def test_a_disk_that_is_nearly_full_is_a_note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    places = {"cache": tmp_path / "not/there/yet", "store": tmp_path}
    check = disk_check(places)
    assert check.detail.endswith("GB free for cache and store") and not (tmp_path / "not").exists()
    monkeypatch.setattr(machine, "_LITTLE", 1e18)
    (finding,) = disk_check(places).findings
    assert finding.level == NOTE and finding.items == (f"cache: {tmp_path}/not/there/yet", f"store: {tmp_path}")


def test_weights_are_known_by_the_hash_in_their_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    content = b"these are the weights"
    name = f"net-{hashlib.sha256(content).hexdigest()[:8]}.pth"
    file = tmp_path / "hub/checkpoints" / name

    def check():
        return weights_check("net", f"https://example.org/models/{name}", 97.8)

    missing = check()
    assert missing.level == NOTE and "98 MB" in missing.findings[0].means and not (tmp_path / "hub").exists()
    file.parent.mkdir(parents=True)
    file.write_bytes(content)
    assert check().level == OK
    file.write_bytes(content[:-1])
    (finding,) = check().findings
    assert finding.level == BROKEN and finding.items == (str(file),) and finding.mend is None and file.exists()


def test_the_default_backbone_is_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    found = {check.name: check for check in look_at_machine({"cache": tmp_path})}
    assert list(found) == ["gpu", "threads", "disk", "weights"]
    assert found["weights"].detail == "resnet50: not here yet" and not any(tmp_path.iterdir())
