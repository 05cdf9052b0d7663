"""A KeyboardInterrupt that Python ignores: it comes again."""

import _thread
import signal
import sys
import threading

_SOON = 0.05  # seconds, after which a callback has long ended
_ignored = threading.Event()  # there was one that has not come again


def never_ignored() -> None:
    """From now on, a KeyboardInterrupt that Python says it ignores is raised again in the main thread, which calls
    this.

    Python cannot let an exception out of a finalizer or of a weak reference's callback. A signal that arrives during
    one of these would be lost, and the process would go on as if nobody had stopped it.
    """
    sys.unraisablehook = _raise_again
    if hasattr(signal, "SIGURG"):
        signal.signal(signal.SIGURG, _interrupted)


def _raise_again(ignored: "sys.UnraisableHookArgs") -> None:
    if issubclass(ignored.exc_type, KeyboardInterrupt):
        _ignored.set()
        threading.Timer(_SOON, _interrupt).start()
    else:
        sys.__unraisablehook__(ignored)


def _interrupt() -> None:
    """Interrupt the main thread by a signal of its own, which also ends a sleep. Ctrl-C would not do: a program that
    runs in the background has often been told to ignore it."""
    main = threading.main_thread().ident
    if main is not None and hasattr(signal, "SIGURG"):
        signal.pthread_kill(main, signal.SIGURG)
    else:
        _thread.interrupt_main()


def _interrupted(*_: object) -> None:
    if _ignored.is_set():
        _ignored.clear()
        raise KeyboardInterrupt
