"""The Ray cluster that work is sent to: one that runs already, or one that is started on this machine."""

import contextlib
import importlib.metadata
import logging
import os
import platform
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from adtrack.errors import UserError
from adtrack.findings import first_line

_PACKAGES = ("adtrack", "torch", "torchvision", "numpy", "scipy", "pillow")  # the bits of scores depend on these


@dataclass(frozen=True)
class Cluster:
    """A cluster that this process is connected to. ``machines`` are the names of the hosts that its nodes run on."""

    cores: int
    machines: tuple[str, ...]
    own: bool

    @property
    def words(self) -> str:
        """``the Ray cluster on 3 machines with 48 cores``."""
        count = len(self.machines)
        place = "this machine" if self.machines == (platform.node(),) else f"{count} machine{'s' * (count > 1)}"
        return f"{'a local Ray cluster' if self.own else 'the Ray cluster'} on {place} with {self.cores} cores"


def ray_library() -> ModuleType:
    """Ray. UserError if it is not installed."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # else Ray tells its makers of every cluster
    try:
        import ray
    except ImportError as error:
        raise UserError(
            "workers must be a number where Ray is not installed, but got ray.",
            "pip install 'adtrack[scale]' brings it.",
        ) from error
    return ray


@contextlib.contextmanager
def connected() -> Iterator[Cluster]:
    """Connect to the cluster that RAY_ADDRESS or ``ray start`` names, or start one here, which ends with the block.

    A program that is connected already stays so. UserError: the cluster cannot be reached, or a machine of it has other
    versions of what the bits of scores depend on.
    """
    ray = ray_library()
    if ray.is_initialized():
        yield _found(ray, own=False)
        return
    own = _connect(ray)
    try:
        yield _found(ray, own)
    finally:
        ray.shutdown()


def _connect(ray: ModuleType) -> bool:
    """Connect; whether the cluster was started for it. What SIGTERM does to this process stays as it was."""
    heeded = signal.getsignal(signal.SIGTERM)
    try:
        return _connect_or_start(ray)
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, heeded)


def _connect_or_start(ray: ModuleType) -> bool:
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
    try:
        ray.init("auto", **quiet)
        return False
    except (ConnectionError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        address = os.environ.get("RAY_ADDRESS")
        if address or not isinstance(error, ConnectionError):
            raise UserError(
                "the Ray cluster must be one that this Python and this Ray can be connected to, but "
                f"{f'that of RAY_ADDRESS, {address},' if address else 'that of this machine'} is not "
                f"({' '.join(str(error).split())}).",
                "ray status tells how it is; without RAY_ADDRESS and ray start, adtrack starts one on this machine.",
            ) from error
    ray.init("local", include_dashboard=False, **quiet)
    return True


def _found(ray: ModuleType, own: bool) -> Cluster:
    """The cluster as it is now. UserError: its machines differ in what bits depend on."""
    alive = [node for node in ray.nodes() if node["Alive"]]
    asked = ray.remote(num_cpus=0)(versions)
    placed = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy
    told = [asked.options(scheduling_strategy=placed(node["NodeID"], soft=False)).remote() for node in alive]
    here = versions()
    for node, answer in zip(alive, told, strict=True):
        there = _answered(ray, answer, node["NodeManagerHostname"])
        for name in here:
            if there[name] != here[name]:
                raise UserError(
                    f"every machine of the cluster must have {name} {here[name]}, as this one has, but "
                    f"{node['NodeManagerHostname']} has {there[name]}.",
                    "scores have the same bits only where versions are the same.",
                )
    machines = tuple(sorted({node["NodeManagerHostname"] for node in alive}))
    return Cluster(int(ray.cluster_resources().get("CPU", 0)), machines, own)


def _answered(ray: ModuleType, answer: Any, machine: str) -> dict[str, str]:
    """The versions that a machine tells. UserError: it tells none."""
    try:
        told: dict[str, str] = ray.get(answer)
        return told
    except ray.exceptions.RayError as error:
        raise UserError(
            f"every machine of the cluster must have {', '.join(_PACKAGES)}, but {machine} tells no versions "
            f"({first_line(getattr(error, 'cause', error))}).",
            "install there what this machine has; ray status tells whether the machine itself is well.",
        ) from error


def versions() -> dict[str, str]:
    """The versions of what the bits of scores depend on, here."""
    return {"Python": platform.python_version(), **{name: importlib.metadata.version(name) for name in _PACKAGES}}
