"""The sign of life of a trial: while its process works on it, Optuna's storage is told so again and again.

Other machines cannot see whether a process runs. They take a trial whose heart has stopped to be one that was killed.
"""

import contextlib
import threading
from collections.abc import Iterator

from optuna.exceptions import StorageInternalError
from optuna.storages._heartbeat import BaseHeartbeat
from optuna.study import Study
from optuna.trial import Trial

INTERVAL, GRACE = 60, 300  # seconds between two beats, and without one until a trial counts as given up


def heart_of(study: Study) -> BaseHeartbeat:
    """The study's storage, as the keeper of heartbeats. Optuna has no public name for either."""
    storage = study._storage
    if not isinstance(storage, BaseHeartbeat):
        raise TypeError(f"{type(storage).__name__} keeps no heartbeats")
    return storage


@contextlib.contextmanager
def heartbeat(study: Study, trial: Trial, interval: float = INTERVAL) -> Iterator[None]:
    """Record every ``interval`` seconds that the trial is being worked on, until the ``with`` block ends."""
    storage, ended = heart_of(study), threading.Event()

    def beat() -> None:
        while True:
            # The trial goes on when the database misses a beat, and so must the beats.
            with contextlib.suppress(StorageInternalError):
                storage.record_heartbeat(trial._trial_id)
            if ended.wait(interval):
                return

    thread = threading.Thread(target=beat, name=f"heartbeat of trial {trial.number}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
