"""How doctor tells what it found: a line a check, then what each finding means and what to do about it."""

import itertools
import shutil
import textwrap
from collections.abc import Callable

import click

from adtrack.findings import BROKEN, NOTE, OK, Check, Finding, counted
from adtrack.verbs.doctor import DoctorReport

_COLOURS = {OK: "green", NOTE: "yellow", BROKEN: "red"}
_SHOWN = 5  # items of a finding: all of them would hide the others
_WIDEST, _NARROWEST = 110, 60


def print_report(report: DoctorReport, fixed: bool, say: Callable[[str], None]) -> None:
    """The checks by group, the findings, what was mended, and what it comes to."""
    width = max(_NARROWEST, min(_WIDEST, shutil.get_terminal_size().columns))
    longest = max(len(check.name) for check in report.checks)
    for group, checks in itertools.groupby(report.checks, key=lambda check: check.group):
        say(click.style(group, bold=True))
        for check in checks:
            _print_check(check, longest, width, say)
    for finding in sorted(report.findings, key=lambda finding: finding.level != BROKEN):  # the worst first
        say("")
        _print_finding(finding, width, say)
    if fixed:
        say("")
        for text in report.mended or ("nothing: there was nothing that --fix mends",):
            say(_wrapped("Mended: ", text, width))
        for text in report.failed:
            say(_wrapped("Not mended: ", text, width))
    say("")
    say(_summary(report, fixed))


def _print_check(check: Check, longest: int, width: int, say: Callable[[str], None]) -> None:
    first = f"  {check.level:6}  {check.name:{longest}}  "
    text = _wrapped(first, check.detail, width)
    say(text.replace(check.level, _coloured(check.level), 1))


def _print_finding(finding: Finding, width: int, say: Callable[[str], None]) -> None:
    say(_wrapped(f"{finding.level:6}  ", finding.what, width).replace(finding.level, _coloured(finding.level), 1))
    say(_wrapped("        Means: ", finding.means, width))
    say(_wrapped("        To do: ", finding.remedy, width))
    for item in finding.items[:_SHOWN]:
        say(_wrapped("          - ", item, width))
    if len(finding.items) > _SHOWN:
        say(f"          … and {len(finding.items) - _SHOWN} more")


def _coloured(level: str) -> str:
    return click.style(level, fg=_COLOURS[level], bold=level == BROKEN)


def _wrapped(first: str, text: str, width: int) -> str:
    """``text`` after ``first``, its further lines below its beginning; what is to be copied stays in one piece."""
    lines = textwrap.wrap(text, width - len(first), break_long_words=False, break_on_hyphens=False) or [""]
    return "\n".join([first + lines[0], *(" " * len(first) + line for line in lines[1:])])


def _summary(report: DoctorReport, fixed: bool) -> str:
    counts = {level: sum(finding.level == level for finding in report.findings) for level in (BROKEN, NOTE)}
    if not report.findings:
        return "All is well."
    parts = [f"{counts[BROKEN]} broken"] if counts[BROKEN] else []
    parts += [counted(counts[NOTE], "note")] if counts[NOTE] else []
    mendable = sum(finding.mend is not None for finding in report.findings)
    offer = f" adtrack doctor --fix mends {mendable} of them." if mendable and not fixed else ""
    return f"{' and '.join(parts)}.{offer}" + ("" if counts[BROKEN] else " Nothing is broken.")
