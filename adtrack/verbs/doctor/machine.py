"""Checks of the machine: GPU, threads, disks, and the weights that lie on it."""

import hashlib
import os
import shutil
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from urllib.parse import urlparse

import torch
import torchvision

from adtrack.config import DEMO_NETWORK, BackboneSpec
from adtrack.findings import BROKEN, NOTE, Check, Finding, counted
from adtrack.verbs.doctor.caches import existing

GROUP = "Machine"
_LITTLE = 2e9  # bytes: a study of a usual class writes some hundred MB, its features a GB or two
_DRIVER = Path("/proc/driver/nvidia/version")


def look_at_machine(places: Mapping[str, Path]) -> list[Check]:
    """Four checks. ``places`` are the folders that adtrack writes to, by what it keeps there."""
    cuda = [torch.cuda.get_device_properties(number) for number in range(torch.cuda.device_count())]
    gpus = [f"{gpu.name}, {gpu.total_memory / 1e9:.0f} GB" for gpu in cuda] if torch.cuda.is_available() else []
    driver = _DRIVER.exists() or shutil.which("nvidia-smi") is not None
    weights = torchvision.models.get_model_weights(BackboneSpec().name).IMAGENET1K_V1
    return [
        gpu_check(gpus, driver, torch.__version__, torch.version.cuda),
        threads_check(torch.get_num_threads(), usable_cores()),
        disk_check(places),
        weights_check(BackboneSpec().name, weights.url, weights.meta["_file_size"]),
    ]


def gpu_check(gpus: list[str], driver: bool, torch_version: str, built_for: str | None) -> Check:
    """A check of the ``gpus`` that torch can use.

    ``driver`` says whether NVIDIA's driver is there, ``built_for`` for which CUDA version torch was built.
    """
    if gpus:
        return Check(GROUP, "gpu", "; ".join(gpus) + f" (CUDA {built_for})")
    if not driver:
        return Check(GROUP, "gpu", "none: everything runs on the CPU")
    reason = f"was built for CUDA {built_for}, which the driver does not offer" if built_for else "is built for the CPU"
    finding = Finding(
        NOTE,
        f"this machine has NVIDIA's driver, but torch {torch_version} {reason}",
        "Everything runs on the CPU, which takes ten times as long or more.",
        "Update the driver."
        if built_for
        else "Install torch and torchvision for CUDA: https://pytorch.org/get-started.",
    )
    return Check(GROUP, "gpu", "not used", (finding,))


def usable_cores() -> int:
    """The number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def threads_check(threads: int, cores: int) -> Check:
    """A check of the number of torch's threads: it should not exceed the cores that the process may use."""
    detail = f"{counted(threads, 'thread')} on {counted(cores, 'core')}"
    if threads <= cores:
        return Check(GROUP, "threads", detail)
    finding = Finding(
        NOTE,
        f"torch computes with {threads} threads, but may use {counted(cores, 'core')}",
        "Threads that wait for each other make everything slower.",
        f"export OMP_NUM_THREADS={cores}",
    )
    return Check(GROUP, "threads", detail, (finding,))


def disk_check(places: Mapping[str, Path]) -> Check:
    """A check of the disks that hold ``places``, with a finding for each that has less than 2 GB left."""
    disks: dict[int, list[str]] = {}
    for what, folder in places.items():
        disks.setdefault(existing(folder).stat().st_dev, []).append(what)
    details, findings = [], []
    for names in disks.values():
        what, free = " and ".join(names), shutil.disk_usage(existing(places[names[0]])).free
        details.append(f"{free / 1e9:.1f} GB free for {what}")
        if free < _LITTLE:
            findings.append(
                Finding(
                    NOTE,
                    f"{free / 1e9:.2f} GB are left for {what}",
                    f"Under {_LITTLE / 1e9:g} GB a study may come to its end before its last trial.",
                    "adtrack cache --clear empties the cache; mlflow gc removes runs that were deleted; ADTRACK_CACHE "
                    "and MLFLOW_TRACKING_URI move things elsewhere.",
                    tuple(f"{name}: {places[name]}" for name in names),
                )
            )
    return Check(GROUP, "disk", "; ".join(details), tuple(findings))


def weights_check(network: str, url: str, megabytes: float) -> Check:
    """A check that a network's ImageNet weights are in torch's cache and have the hash that their name promises.

    Torch itself never checks the hash of a file that it has. Nothing is downloaded here.
    """
    file = Path(torch.hub.get_dir(), "checkpoints", PurePosixPath(urlparse(url).path).name)
    name = "weights"
    if not file.is_file():
        finding = Finding(
            NOTE,
            f"ImageNet weights of {network}, the default backbone for your images, are not on this machine",
            f"The first verb that needs them fetches {megabytes:.0f} MB. Without network only the demo works as it is.",
            f"Nothing, if there is a network. Else copy {file.name} to {file.parent}, or pass --weights FILE, or "
            f"--backbone {DEMO_NETWORK}, which needs no download.",
        )
        return Check(GROUP, name, f"{network}: not here yet", (finding,))
    promised = file.stem.rpartition("-")[2]
    with file.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found.startswith(promised):
        return Check(GROUP, name, f"{network} with ImageNet weights, {file.stat().st_size / 1e6:.0f} MB")
    finding = Finding(
        BROKEN,
        f"ImageNet weights of {network} are not what torchvision published: SHA-256 {found[:8]}…, not {promised}…",
        "A download or copy was cut short, or somebody has changed it. It cannot be read, or numbers are wrong.",
        "Remove the file; the next verb that needs it fetches it again.",
        (str(file),),
    )
    return Check(GROUP, name, f"{network}: damaged", (finding,))
