"""A signal to stop waits for the end of a block, and is heeded then."""

import signal

import pytest

from adtrack.tracking.stopping import stopped_later


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_is_heeded_at_the_end_of_the_block(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    before = signal.signal(number, signal.default_int_handler)
    done: list[str] = []
    try:
        with pytest.raises(KeyboardInterrupt), stopped_later():
            signal.raise_signal(number)
            done.append("all of the block")
        assert done and signal.getsignal(number) is signal.default_int_handler
    finally:
        signal.signal(number, before)


def test_an_error_of_the_block_comes_first_and_an_ignored_signal_stays_ignored() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with pytest.raises(ZeroDivisionError), stopped_later():
            signal.raise_signal(signal.SIGINT)
            raise ZeroDivisionError
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
