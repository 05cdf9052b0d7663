"""What ``--workers`` asks for: one process, several on this machine, or as many as a Ray cluster gives."""

import os
from dataclasses import dataclass

from adtrack.errors import UserError

RAY = "ray"


@dataclass(frozen=True)
class Workers:
    """``count`` processes of this machine, or those of a Ray cluster, whose number the cluster knows (``ray``)."""

    count: int = 1
    ray: bool = False

    @classmethod
    def parse(cls, text: str) -> "Workers":
        """``ray``, or a whole number of at least 1."""
        if text == RAY:
            return cls(ray=True)
        if not (text.isdecimal() and text.isascii()) or int(text) < 1:
            raise UserError(
                f"workers must be {RAY} or a whole number of at least 1, but got {text!r}.",
                f"1 is this process alone; {RAY} uses a cluster that runs, or starts one on this machine.",
            )
        return cls(int(text))

    @property
    def text(self) -> str:
        """What ``parse`` makes this of."""
        return RAY if self.ray else str(self.count)

    @property
    def alone(self) -> bool:
        """Whether this process does all the work."""
        return not self.ray and self.count == 1

    @property
    def threads(self) -> int:
        """How many threads each process of this machine gets, so that all of them together have a core each."""
        return max(1, cores() // self.count)


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
