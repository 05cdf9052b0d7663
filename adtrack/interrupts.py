"""A KeyboardInterrupt that Python ignores: it comes again."""

import _thread
import sys
import threading

_SOON = 0.05  # seconds, after which a callback has long ended


def never_ignored() -> None:
    """From now on, a KeyboardInterrupt that Python says it ignores is raised again in the main thread.

    Python cannot let an exception out of a finalizer or of a weak reference's callback. A signal that arrives during
    one of these would be lost, and the process would go on as if nobody had stopped it.
    """
    sys.unraisablehook = _raise_again


def _raise_again(ignored: "sys.UnraisableHookArgs") -> None:
    if issubclass(ignored.exc_type, KeyboardInterrupt):
        threading.Timer(_SOON, _thread.interrupt_main).start()
    else:
        sys.__unraisablehook__(ignored)
