"""The trials of one or several studies, shared out among workers: processes that take part in all of these studies."""

import contextlib
import time
from collections import deque
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from threading import Thread

from adtrack.errors import UserError
from adtrack.evaluation.workbench import TrunkLoader
from adtrack.findings import counted
from adtrack.progress import Progress, above, bar
from adtrack.scale.team import Team
from adtrack.tracking.store import open_store
from adtrack.tracking.weights import find_trunk
from adtrack.tracking.workers import Worker, working
from adtrack.troubles import TroubleError, trouble
from adtrack.tuning.estimate import Pace
from adtrack.tuning.finish import StudyResult
from adtrack.tuning.one_trial import error_text
from adtrack.tuning.runner import PAUSE, Turn, begin_trials
from adtrack.tuning.shared_study import SharedStudy
from adtrack.verbs.bench_setup import Say
from adtrack.verbs.tune import LOADED_AHEAD
from adtrack.verbs.tune.joining import joined, opened
from adtrack.verbs.tune.question import Question

_SHORT_PAUSE = 0.1  # seconds

Turns = Generator[None, None, StudyResult | None]


@dataclass(frozen=True)
class Share:
    """What a worker brings back, by class: the studies that it has finished, and why others have failed."""

    finished: dict[str, StudyResult] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    def note(self, class_name: str, error: Exception) -> None:
        """Note that a class has failed with this error. An error of the surroundings, which all classes have in common,
        is raised again."""
        if isinstance(error, TroubleError) or trouble(error):
            raise error
        self.failed[class_name] = str(error) if isinstance(error, UserError) else error_text(error)

    def add(self, other: "Share") -> None:
        """Add what another worker brings back."""
        self.finished.update(other.finished)
        self.failed.update(other.failed)

    def knows(self, class_name: str) -> bool:
        """Whether the class needs no more work."""
        return class_name in self.finished or class_name in self.failed


def share_out(
    team: Team, questions: Sequence[Question], studies: Sequence[SharedStudy], say: Say, several: bool = False
) -> list[Share]:
    """Have the team run all trials that are left of these studies, which are those of ``questions``, and show how many
    are done; see ``TakePart``.

    There are not more workers than trials, and none if there is no trial.
    """
    left = sum(max(0, study.asked.trials - study.done) for study in studies)
    count = min(team.size, left)
    if not count:
        return []
    loading = Thread(target=import_module, args=(LOADED_AHEAD,), daemon=True)  # this process will end the study
    loading.start()
    say(f"{counted(left, 'trial')} are shared out among {counted(count, 'worker')}: {team.words}.")
    with bar(left, "Tuning", "trial") as shown:
        work = TakePart(tuple(questions), count, several)
        shares = team.run(work, count, above(say), _counting(studies, shown))
    loading.join()  # two threads that import the same modules could find them half loaded
    return shares


def _counting(studies: Sequence[SharedStudy], shown: Progress) -> Callable[[], None]:
    """Shows how many trials have been finished since now, whenever it is called; it looks every few seconds."""
    before, last = sum(study.done for study in studies), time.monotonic()

    def count() -> None:
        nonlocal last
        if time.monotonic() - last > PAUSE:
            last = time.monotonic()
            if more := sum(study.done for study in studies) - before - shown.n:
                shown.update(more)

    return count


@dataclass(frozen=True)
class TakePart:
    """The work of one of ``count`` workers: it runs trials of all studies until none of them has any left.

    Each worker begins with another study. Where nothing is left to begin, it goes on to the next, and comes back later:
    if the others die, it repeats their trials. If there are ``several`` studies, each is tested, registered and written
    up by the worker that has begun with it, and one that fails does not end the others.
    """

    questions: tuple[Question, ...]
    count: int = 1
    several: bool = False

    def __call__(self, number: int, say: Say) -> Share:
        open_store()
        share, load = Share(), cache(find_trunk)
        with working() as worker:
            places = [(number + place) % len(self.questions) for place in range(len(self.questions))]
            waiting = deque(
                (self.questions[place].class_name, self._turns(place, number, worker, load, say)) for place in places
            )
            vain = 0  # studies that had nothing to begin, one after the other
            pause = _SHORT_PAUSE
            try:
                while waiting:
                    class_name, turns = waiting.popleft()
                    began = time.monotonic()
                    if self._takes_turn(class_name, turns, share):
                        waiting.append((class_name, turns))
                        vain += 1
                    else:
                        vain = 0
                    if time.monotonic() - began > PAUSE:  # there was a trial
                        pause = _SHORT_PAUSE
                    if waiting and vain >= len(waiting):
                        time.sleep(pause)
                        pause, vain = min(PAUSE, 1.1 * pause), 0  # others that take long may end a little unnoticed
            except BaseException as error:
                for _, turns in waiting:
                    with contextlib.suppress(BaseException):
                        turns.throw(error)
                raise
        return share

    def _takes_turn(self, class_name: str, turns: Turns, share: Share) -> bool:
        """Run the trials that can be begun; whether there may be others later. The end is noted in ``share``."""
        try:
            next(turns)
        except StopIteration as end:
            if end.value is not None:
                share.finished[class_name] = end.value
            return False
        except Exception as error:
            if not self.several:
                raise
            share.note(class_name, error)
            return False
        return True

    def _turns(self, place: int, number: int, worker: Worker, load: TrunkLoader, say: Say) -> Turns:
        """Take part in one study; comes back whenever there is nothing to begin while others are at work."""
        question = self.questions[place]

        def told(text: str) -> None:
            say(f"{question.class_name}: {text}" if self.several else text)

        with (
            opened(question, worker, _unsaid, _unsaid, load) as study,
            joined(study, question.name, _unsaid) as part,
        ):
            pace = Pace(study.bench)
            while begin_trials(study, part.run, pace, told) is Turn.WAIT:
                yield
            return part.finish(told) if self.several and place % self.count == number else None


def _unsaid(text: str) -> None:
    """What the first process has said already."""
