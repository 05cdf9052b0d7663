"""Findings: a check is as bad as the worst of what it found."""

from adtrack.findings import BROKEN, NOTE, OK, Check, Finding, counted, first_line


def test_a_check_is_as_bad_as_its_worst_finding() -> None:
    note, broken = (Finding(level, "what", "means", "remedy") for level in (NOTE, BROKEN))
    assert Check("group", "name", "detail").level == OK
    assert Check("group", "name", "detail", (note,)).level == NOTE
    assert Check("group", "name", "detail", (note, broken, note)).level == BROKEN


def test_numbers_of_things() -> None:
    assert [counted(number, "run") for number in (0, 1, 2)] == ["0 runs", "1 run", "2 runs"]
    assert counted(2, "study", "studies") == "2 studies"


def test_the_first_line_of_an_error_says_something() -> None:
    assert first_line(ValueError("\nthis\nand that")) == "this"
    assert first_line(KeyError()) == "KeyError"
