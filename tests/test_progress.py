"""Progress: a bar on a terminal, a few lines in a log."""

import sys
from collections.abc import Iterator

import pytest
from tqdm import tqdm

from adtrack import progress
from adtrack.progress import above, bar, duration, hand_over, say, track


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that stands still: the seconds in it."""
    seconds = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: seconds[0])
    return seconds


def ticking(clock: list[float], seconds: float, count: int) -> Iterator[int]:
    """``count`` items, each of which takes some seconds."""
    for item in range(count):
        clock[0] += seconds
        yield item


def test_a_log_gets_a_line_now_and_then(clock: list[float], capsys: pytest.CaptureFixture) -> None:
    assert list(track(ticking(clock, 4, 20), "Scoring", 20)) == list(range(20))
    lines = [
        "Scoring: 3 of 20, about 68 s left",
        "Scoring: 11 of 20, about 36 s left",
        "Scoring: 19 of 20, about 4 s left",
        "Scoring: done in 80 s",
    ]
    assert capsys.readouterr().err.splitlines() == lines


def test_a_log_hears_nothing_of_what_is_quick_and_no_end_of_what_fails(
    clock: list[float], capsys: pytest.CaptureFixture
) -> None:
    assert len(list(track(ticking(clock, 0.9, 10), "Scoring", 10))) == 10
    assert capsys.readouterr().err == ""
    assert len(list(track(ticking(clock, 12, 1), "Scoring", 1))) == 1  # at its first line it is over
    assert capsys.readouterr().err == ""
    with pytest.raises(OSError), bar(None, "Copying") as copying:
        clock[0] += 12
        copying.update(7)
        raise OSError
    assert capsys.readouterr().err == "Copying: 7\n"


def test_a_terminal_gets_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with bar(3, "Scoring") as shown:
        assert isinstance(shown, tqdm) and shown.total == 3


def test_time_is_told_in_units_that_fit() -> None:
    assert [duration(seconds) for seconds in (3.2, 89, 200, 9000)] == ["3 s", "89 s", "3 min", "2.5 h"]


def test_a_process_whose_lines_another_one_shows_prints_nothing(
    clock: list[float], capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "_elsewhere", [])
    shown: list[str] = []
    hand_over(shown.append)
    assert len(list(track(ticking(clock, 12, 3), "Scoring", 3))) == 3
    with bar(3, "Scoring") as counted:
        counted.update(2)
    say("a line")
    assert (counted.n, shown) == (2, ["a line"])
    assert capsys.readouterr() == ("", "")


def test_a_line_above_a_bar_is_said_as_it_is(capsys: pytest.CaptureFixture) -> None:
    shown: list[str] = []
    with tqdm(total=2, file=sys.stderr, delay=0):
        above(shown.append)("a line")
    assert shown == ["a line"]
