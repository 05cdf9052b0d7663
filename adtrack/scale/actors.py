"""Objects that live in processes of a Ray cluster, one on each machine, and are asked together.

Ray makes an object anew, on the same machine or another one, when its process or machine is gone, and asks it again.
Such an object knows nothing of what it was asked before.
"""

import warnings
from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

from adtrack.errors import UserError
from adtrack.scale.cluster import ray_library
from adtrack.scale.surroundings import Surroundings

Held = TypeVar("Held")
Answer = TypeVar("Answer")

_RESTARTS = 10  # of a process: one that fails more often would fail for ever


class Actors(Generic[Held]):
    """Objects that ``make(number, count)`` makes, ``count`` of them: one for each machine of the cluster that this
    process is connected to, but ``most`` at most. They end when nobody holds this any more."""

    def __init__(self, make: Callable[[int, int], Held], most: int) -> None:
        self._ray = ray = ray_library()
        machines = [node["NodeID"] for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU", 0) >= 1]
        machines = machines[:most]
        self._made = ray.put((make, Surroundings()))
        placed = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy
        kind = ray.remote(max_restarts=_RESTARTS, max_task_retries=_RESTARTS)(_Host)
        self._hosts = [
            kind.options(scheduling_strategy=placed(machine, soft=True)).remote(number, len(machines))
            for number, machine in enumerate(machines)
        ]

    def __len__(self) -> int:
        return len(self._hosts)

    def each(self, work: Callable[[Held], Answer]) -> Iterator[Answer]:
        """What ``work`` gives for each object, in their order. All of them are at work before this returns."""
        told = self._ray.put(work)  # is sent to each machine once
        answers = [host.do.remote(told, [self._made]) for host in self._hosts]
        return (self._answer(answer) for answer in answers)

    def _answer(self, answer: Any) -> Any:
        try:
            return self._ray.get(answer)
        except self._ray.exceptions.RayTaskError as error:
            raise error.cause from None
        except self._ray.exceptions.RayError as error:
            raise UserError(
                f"the processes of a cluster must live on, but one has ended more than {_RESTARTS} times.",
                "memory that does not suffice is the usual reason: more machines take smaller parts.",
            ) from error


class _Host:
    """A process of the cluster, which makes its object when it is first asked: then errors reach those who ask."""

    def __init__(self, number: int, count: int) -> None:
        self._number, self._count = number, count
        self._held: list[Any] = []

    def do(self, work: Callable[[Any], Answer], made: list[Any]) -> Answer:
        """What ``work`` gives for the object. Ray keeps what ``made`` names, and sends it where it is missing."""
        if not self._held:
            warnings.simplefilter("ignore")
            make, surroundings = ray_library().get(made[0])
            surroundings.take_on()
            self._held.append(make(self._number, self._count))
        return work(self._held[0])
