"""Work that is streamed through processes: all of it is done, little is in progress, and what kills is found out."""

import itertools
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from adtrack.errors import UserError
from adtrack.scale.streaming import stream
from adtrack.scale.workers import Workers
from tests.clusters import cluster_of

POISON = -1


class Squares:
    """Squares whole numbers, and notes each one in a folder, with the process. A poisonous one ends the process."""

    def __init__(self, folder: Path, seconds: float = 0.0) -> None:
        self.folder, self.seconds = folder, seconds

    def __call__(self, threads: int) -> Callable[[Iterable[int]], Iterator[int]]:
        (self.folder / f"made {os.getpid()} {time.time_ns()}").touch()
        return self.work

    def work(self, items: Iterable[int]) -> Iterator[int]:
        for item in items:
            (self.folder / f"did {item} {machine()} {time.time_ns()}").touch()
            if item == POISON:
                os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(self.seconds)
            yield item * item


def machine() -> str:
    """Which machine of a cluster this is."""
    ray = sys.modules.get("ray")
    return ray.get_runtime_context().get_node_id() if ray and ray.is_initialized() else "here"


class Unmade:
    """Work that cannot begin."""

    def __call__(self, threads: int) -> Callable[[Iterable[int]], Iterator[int]]:
        raise UserError("the model must be there, but is not.")


class Interrupted(Squares):
    """A user presses Ctrl-C in the first moments of each process, while it still loads what it needs."""

    def __setstate__(self, state: dict[str, object]) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        self.__dict__.update(state)


def lost(item: int) -> int:
    return item


def noted(folder: Path, what: str) -> int:
    return len(list(folder.glob(f"{what} *")))


def test_every_item_is_done_once_by_processes_that_are_made_once(tmp_path: Path) -> None:
    found = list(stream(Squares(tmp_path), range(40), Workers(2), lost))
    assert sorted(found) == [number**2 for number in range(40)]
    assert noted(tmp_path, "did") == 40 and noted(tmp_path, "made") <= 2


def test_no_more_is_taken_up_than_is_in_progress(tmp_path: Path) -> None:
    taken = itertools.count()
    endless = stream(Squares(tmp_path), taken, Workers(2), lost)
    assert len(list(itertools.islice(endless, 30))) == 30
    endless.close()
    assert next(taken) <= 30 + 4 * 4 * Workers(2).threads


def test_an_item_that_kills_its_process_is_lost_alone(tmp_path: Path) -> None:
    items = [*range(20), POISON, *range(20, 40)]
    found = list(stream(Squares(tmp_path), items, Workers(2), lost))
    assert sorted(found) == [POISON, *(number**2 for number in range(40))]
    assert noted(tmp_path, f"did {POISON}") == 2


def test_ctrl_c_ends_processes_amid_their_work(tmp_path: Path) -> None:
    def until_one_is_at_work() -> Iterator[int]:
        yield from range(4 * Workers(2).threads)  # a handful
        while not noted(tmp_path, "did"):
            time.sleep(0.01)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(stream(Squares(tmp_path, seconds=2), until_one_is_at_work(), Workers(2), lost))
    assert noted(tmp_path, "did") == 1


def test_processes_pay_no_heed_to_ctrl_c_from_their_first_moment(tmp_path: Path) -> None:
    assert sorted(stream(Interrupted(tmp_path), range(8), Workers(2), lost)) == [number**2 for number in range(8)]


def test_where_every_process_is_killed_the_work_ends(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="worker processes must live long enough"):
        list(stream(Squares(tmp_path), itertools.repeat(POISON), Workers(2), lost))


def test_what_the_processes_cannot_begin_with_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^the model must be there, but is not\.$"):
        list(stream(Unmade(), range(4), Workers(2), lost))


def test_processes_end_with_the_one_that_hands_out_work(tmp_path: Path, in_a_process) -> None:
    def killed_while_at_work() -> None:
        for _ in stream(Squares(tmp_path), itertools.count(), Workers(2), lost):
            os.kill(os.getpid(), signal.SIGKILL)

    assert os.WIFSIGNALED(os.waitpid(in_a_process(killed_while_at_work), 0)[1])
    pids = {int(file.name.split()[1]) for file in tmp_path.glob("made *")}
    end = time.monotonic() + 60
    while any(map(_runs, pids)) and time.monotonic() < end:
        time.sleep(0.05)
    assert pids and not any(map(_runs, pids))


def _runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"  # nobody waits for a child whose parent was killed, in a container


@pytest.fixture(scope="module")
def nodes() -> Iterator:
    """Two nodes of a Ray cluster with two cores each, to which this process is connected."""
    with cluster_of(2, 2) as (cluster, others):
        yield cluster, others[0]


def test_on_a_cluster_an_item_that_kills_its_process_is_lost_alone(nodes, tmp_path: Path) -> None:
    found = list(stream(Squares(tmp_path), [*range(30), POISON, *range(30, 60)], Workers(ray=True), lost))
    assert sorted(found) == [POISON, *(number**2 for number in range(60))]
    assert noted(tmp_path, f"did {POISON}") == 2


def test_on_a_cluster_what_cannot_begin_is_told(nodes) -> None:
    with pytest.raises(UserError, match=r"^the model must be there, but is not\.$"):
        list(stream(Unmade(), range(4), Workers(ray=True), lost))


def test_a_cluster_without_graphics_cards_is_refused_where_one_is_asked_for(nodes, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="must have a graphics card"):
        list(stream(Squares(tmp_path), range(4), Workers(ray=True), lost, gpu=True))


def test_a_machine_that_goes_takes_no_work_with_it(nodes, tmp_path: Path) -> None:
    cluster, second = nodes
    results = stream(Squares(tmp_path, 0.02), range(600), Workers(ray=True), lost)
    found = [next(results)]
    while len({file.name.split()[2] for file in tmp_path.glob("did *")}) < 2:
        found.append(next(results))  # StopIteration: the second machine has done nothing
    cluster.remove_node(second, allow_graceful=False)
    found += results
    assert sorted(found) == [number**2 for number in range(600)]
