"""A team of Ray tasks. Ray places them, and starts again what was killed, also when a whole machine has gone."""

import contextlib
import signal
import warnings
from collections.abc import Callable
from types import ModuleType
from typing import Any

from adtrack.progress import hand_over
from adtrack.scale.cluster import ray_library
from adtrack.scale.member import RESTARTS, Ending, Result, Say, Work, ending_of, lost
from adtrack.scale.surroundings import Surroundings

_LOOK = 1.0  # seconds between two looks at what was said
_LONGEST_STOP = 60.0  # seconds that tasks have to end in an orderly way


def run_on_ray(work: Work[Result], count: int, say: Say, meanwhile: Callable[[], None]) -> list[Result]:
    """What ``count`` tasks of one core each bring back, in the order of their numbers, from the cluster that this
    process is connected to.

    ``meanwhile`` is called about every second. Whatever ends this call early ends the tasks first.
    """
    ray = ray_library()
    lines = _queue(ray)
    task = ray.remote(num_cpus=1, max_retries=RESTARTS)(_member)
    surroundings = Surroundings()
    numbers = {task.remote(work, number, surroundings, lines): number for number in range(count)}
    endings: dict[int, Ending[Result]] = {}
    at_work = list(numbers)
    try:
        while at_work:
            done, at_work = ray.wait(at_work, timeout=_LOOK)
            _pass_on(lines, say)
            for one in done:
                endings[numbers[one]] = _ending(ray, one, numbers[one])
                endings[numbers[one]].unpacked()  # an error ends all of them now
            meanwhile()
        return [endings[number].unpacked() for number in sorted(endings)]
    finally:
        for one in at_work:
            ray.cancel(one)  # as Ctrl-C would
        if at_work:
            ray.wait(at_work, num_returns=len(at_work), timeout=_LONGEST_STOP)
        lines.shutdown()


def _queue(ray: ModuleType) -> Any:
    """A queue of lines on this machine, which takes no core."""
    from ray.util.queue import Queue

    here = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(
        ray.get_runtime_context().get_node_id(), soft=False
    )
    return Queue(actor_options={"num_cpus": 0, "scheduling_strategy": here})


def _pass_on(lines: Any, say: Say) -> None:
    for text in lines.get_nowait_batch(lines.qsize()):
        say(text)


def _ending(ray: ModuleType, one: Any, number: int) -> Ending[Result]:
    try:
        ending: Ending[Result] = ray.get(one)
        return ending
    except ray.exceptions.RayError as error:
        raise lost(number, f"with the words: {next(iter(str(error).strip().splitlines()), '')}") from error


def _member(work: Work[Result], number: int, surroundings: Surroundings, lines: Any) -> Ending[Result]:
    """The task."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored below a shell's "&"; ray.cancel comes this way
    warnings.simplefilter("ignore")

    def say(text: str) -> None:
        with contextlib.suppress(Exception):  # nobody listens any more
            lines.put(text)

    def begin() -> Result:
        surroundings.take_on()
        return work(number, say)

    hand_over(say)
    return ending_of(begin)
