"""Work streamed through processes that each keep what they need for it, such as a model."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future
from itertools import islice
from typing import Generic, TypeVar

from adtrack.errors import UserError
from adtrack.scale.pools import Died, Make, Pool, pool_of
from adtrack.scale.workers import Workers

Item = TypeVar("Item")
Result = TypeVar("Result")

_HOPELESS = 3  # so many items that killed their processes, before any has a result, end the work


def stream(
    make: Make[Item, Result], items: Iterable[Item], workers: Workers, lost: Callable[[Item], Result], gpu: bool = False
) -> Generator[Result, None, None]:
    """Results of ``make(threads)(items)``, as they come, from processes that each call ``make`` once.

    ``make`` must be picklable. Each process gets a few items at a time, and about two such handfuls for each process
    are in progress or wait: memory does not grow with the number of items. Where a process dies, its items are done
    again, each by itself; an item that kills a second process has the result ``lost(item)``. With ``gpu``, each process
    of a cluster gets a graphics card of its own.

    Whatever ends this early ends processes of this machine at once.
    """
    with pool_of(make, workers, gpu) as pool:
        yield from _Stream(pool, iter(items), lost).results()


class _Stream(Generic[Item, Result]):
    """The state of one stream: what is in progress, and what was lost with a process and waits for its second turn."""

    def __init__(self, pool: Pool[Item, Result], items: Iterator[Item], lost: Callable[[Item], Result]) -> None:
        self.pool, self.items, self.lost = pool, items, lost
        self.running: dict[Future[list[Result]], list[Item]] = {}
        self.again: deque[Item] = deque()
        self.suspects: set[Future[list[Result]]] = set()
        self.gave_up = 0
        self.any_result = False

    def results(self) -> Generator[Result, None, None]:
        while self._fill():
            for future in self._finished():
                items = self.running.pop(future)
                try:
                    results = self.pool.result(future)
                except Died:
                    yield from self._died(future, items)
                else:
                    self.any_result = True
                    yield from results
                self.suspects.discard(future)

    def _fill(self) -> bool:
        """Hand out items while there is room; whether any are in progress."""
        while len(self.running) < self._room():
            if self.again:
                items = [self.again.popleft()]
                future = self.pool.submit(items)
                self.suspects.add(future)
            elif items := list(islice(self.items, self.pool.handful)):
                future = self.pool.submit(items)
            else:
                break
            self.running[future] = items
        return bool(self.running)

    def _room(self) -> int:
        """Where all processes end with one, those that may have killed it must each be alone to be found out."""
        return 1 if self.pool.die_together and (self.again or self.suspects) else self.pool.room

    def _finished(self) -> list[Future[list[Result]]]:
        done = self.pool.finished(self.running)
        return [future for future in self.running if future in done]

    def _died(self, future: Future[list[Result]], items: list[Item]) -> Iterator[Result]:
        if future not in self.suspects:
            self.again.extend(items)
            return
        self.gave_up += 1
        if self.gave_up == _HOPELESS and not self.any_result:
            raise UserError(
                f"worker processes must live long enough to finish one piece of work, but {2 * _HOPELESS} died before.",
                "the system may have killed them for memory: fewer --workers need less.",
            )
        yield from map(self.lost, items)
