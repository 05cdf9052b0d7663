"""Records of what ``adtrack doctor`` checks and finds, and small helpers that put them into words."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

OK, NOTE, BROKEN = "ok", "note", "broken"


@dataclass(frozen=True)
class Finding:
    """A problem: what it is, what it means for the user, what to do about it, and the things that it concerns.

    ``level`` is NOTE (adtrack works, but the user should know) or BROKEN. ``mend`` repairs it safely and returns a
    sentence that says what was done. It is None if only a person can decide what to do.
    """

    level: str
    what: str
    means: str
    remedy: str
    items: tuple[str, ...] = ()
    mend: Callable[[], str] | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True)
class Check:
    """A thing that was checked, its state in a few words, and the problems that were found."""

    group: str
    name: str
    detail: str
    findings: tuple[Finding, ...] = ()

    @property
    def level(self) -> str:
        """The worst level among the findings, OK if there are none."""
        levels = {finding.level for finding in self.findings}
        return next((level for level in (BROKEN, NOTE) if level in levels), OK)


def counted(number: int, thing: str, things: str | None = None) -> str:
    """A number with its noun: ``1 run``, ``2 runs``, ``2 copies``."""
    return f"{number} {thing if number == 1 else things or thing + 's'}"


def listed(names: Sequence[str], most: int = 3) -> str:
    """The first names, joined by commas: ``a, b``, or ``a, b, c and 4 more``."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def first_line(error: BaseException) -> str:
    """The first line of an error's text, or the name of its class if it has no text."""
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


def without_logins(text: str) -> str:
    """A text without the user names and passwords of the addresses in it."""
    return re.sub(r"//[^/\s]*@", "//", text)


def what_it_told(error: BaseException) -> str:
    """The first line of an error's text, of moderate length and without user names and passwords in addresses."""
    return without_logins(first_line(error))[:300]
