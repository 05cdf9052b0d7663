"""What doctor prints: a line for each check, then what each finding means and what to do about it."""

import itertools
import shutil
import textwrap
from collections.abc import Callable

from adtrack.findings import BROKEN, NOTE, OK, Check, Finding, counted
from adtrack.naming import visible
from adtrack.verbs.doctor.verb import DoctorReport

Say = Callable[..., None]
_COLOURS = {OK: "green", NOTE: "yellow", BROKEN: "red"}
_SHOWN = 5  # items of one finding: more of them would hide the other findings
_WIDEST, _NARROWEST = 110, 60
_NAME, _TEXT = 30, 25  # characters of the column of names, and the least that is left for the text beside a name


def print_report(report: DoctorReport, fixed: bool, say: Say) -> None:
    """Print the checks by group, the findings, what was mended, and a summary.

    ``say(line, word, …)`` prints a line in which the word has click's style.
    """
    width = max(_NARROWEST, min(_WIDEST, shutil.get_terminal_size().columns))
    longest = min(_NAME, max(len(check.name) for check in report.checks))
    for group, checks in itertools.groupby(report.checks, key=lambda check: check.group):
        say(group, group, bold=True)
        for check in checks:
            _print_check(check, longest, width, say)
    for finding in sorted(report.findings, key=lambda finding: finding.level != BROKEN):  # the worst first
        say("")
        _print_finding(finding, width, say)
    if fixed:
        say("")
        for text in report.mended or ("nothing: there was nothing that --fix mends",):
            _say_wrapped("Mended: ", text, width, say)
        for text in report.failed:
            _say_wrapped("Not mended: ", text, width, say)
    say("")
    say(_summary(report, fixed))


def _print_check(check: Check, longest: int, width: int, say: Say) -> None:
    _say_wrapped(f"  {check.level:6}  {check.name:{longest}}  ", check.detail, width, say, check.level)


def _print_finding(finding: Finding, width: int, say: Say) -> None:
    _say_wrapped(f"{finding.level:6}  ", finding.what, width, say, finding.level)
    _say_wrapped("        Means: ", finding.means, width, say)
    _say_wrapped("        To do: ", finding.remedy, width, say)
    for item in finding.items[:_SHOWN]:
        _say_wrapped("          - ", item, width, say)
    if len(finding.items) > _SHOWN:
        say(f"          … and {len(finding.items) - _SHOWN} more")


def _say_wrapped(first: str, text: str, width: int, say: Say, level: str = "") -> None:
    """Print ``first`` and then ``text``. Further lines of the text start below its beginning. No word is cut, so that
    commands and paths can be copied.

    ``level`` is a word in the first line that is coloured, "" if there is none.
    """
    room = max(width - len(first), _TEXT)
    lines = textwrap.wrap(visible(text), room, break_long_words=False, break_on_hyphens=False) or [""]
    style = {"fg": _COLOURS[level], "bold": level == BROKEN} if level else {}
    say(first + lines[0], level, **style)
    for line in lines[1:]:
        say(" " * len(first) + line)


def _summary(report: DoctorReport, fixed: bool) -> str:
    counts = {level: sum(finding.level == level for finding in report.findings) for level in (BROKEN, NOTE)}
    if not report.findings:
        return "All is well."
    parts = [f"{counts[BROKEN]} broken"] if counts[BROKEN] else []
    parts += [counted(counts[NOTE], "note")] if counts[NOTE] else []
    mendable = sum(finding.mend is not None for finding in report.findings)
    offer = f" adtrack doctor --fix mends {mendable} of them." if mendable and not fixed else ""
    return f"{' and '.join(parts)}.{offer}" + ("" if counts[BROKEN] else " Nothing is broken.")
