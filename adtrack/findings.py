"""What looking at an installation finds: plain records, whoever looked."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

OK, NOTE, BROKEN = "ok", "note", "broken"


@dataclass(frozen=True)
class Finding:
    """Something that is not as it should be: what it is, what that means, what to do about it, and which it concerns.

    ``level`` is NOTE (it works, but watch out) or BROKEN. ``mend`` does what is safe about it and says what it did;
    without one, only a person can decide.
    """

    level: str
    what: str
    means: str
    remedy: str
    items: tuple[str, ...] = ()
    mend: Callable[[], str] | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True)
class Check:
    """One thing that was looked at, how it is in a few words, and what was found."""

    group: str
    name: str
    detail: str
    findings: tuple[Finding, ...] = ()

    @property
    def level(self) -> str:
        """The worst of the findings, OK without any."""
        levels = {finding.level for finding in self.findings}
        return next((level for level in (BROKEN, NOTE) if level in levels), OK)


def counted(number: int, thing: str, things: str | None = None) -> str:
    """``1 run``, ``2 runs``, ``2 copies``."""
    return f"{number} {thing if number == 1 else things or thing + 's'}"


def listed(names: Sequence[str], most: int = 3) -> str:
    """``a, b``, or ``a, b, c and 4 more``."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def first_line(error: BaseException) -> str:
    """What an error says, in one line."""
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
