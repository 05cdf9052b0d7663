"""How the work of one member of a team ends, in a form that travels between processes."""

import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from adtrack.errors import UserError
from adtrack.troubles import TroubleError, trouble

Say = Callable[[str], None]
Result = TypeVar("Result")
Given = TypeVar("Given", covariant=True)
RESTARTS = 3  # how often a member that was killed is started again


class Work(Protocol[Given]):
    """What every member does. It must be a function of a module, or an object of a class of one, with plain data."""

    def __call__(self, number: int, say: Say) -> Given:
        """The member of this ``number``, counted from 0, does its work; ``say`` reaches the user."""
        ...


@dataclass(frozen=True)
class Ending(Generic[Result]):
    """The ``result`` of a member, or why it gave up: a sentence for the user, or the traceback of an unknown error."""

    result: tuple[Result, ...] = ()
    rule: str = ""
    hint: str = ""
    is_trouble: bool = False
    unknown: str = ""

    def unpacked(self) -> Result:
        """The result. UserError, TroubleError, RuntimeError: the member gave up."""
        if self.rule:
            raise (TroubleError if self.is_trouble else UserError)(self.rule, self.hint)
        if self.unknown:
            raise RuntimeError(f"a worker has failed:\n{self.unknown}")
        return self.result[0]


def ending_of(work: Callable[[], Result]) -> Ending[Result]:
    """Do the work, and tell how it has ended."""
    try:
        return Ending((work(),))
    except Exception as error:
        known = error if isinstance(error, UserError) else trouble(error)
        if known is None:
            return Ending(unknown=traceback.format_exc())
        return Ending(rule=known.rule, hint=known.hint, is_trouble=isinstance(known, TroubleError))


def lost(number: int, how: str) -> TroubleError:
    """The error for a member that was killed once too often; ``how`` says what ended it."""
    return TroubleError(
        f"a worker must run to its end, but worker {number + 1} was ended {RESTARTS + 1} times, the last time {how}.",
        "too little memory is the usual reason: fewer --workers need less. What is finished is kept.",
    )
