"""Do the store's RUNNING runs run? Looks without changing anything; what dead processes left may be ended."""

import datetime
import socket
from collections.abc import Sequence

from mlflow import MlflowClient
from mlflow.entities import Run

from adtrack.findings import BROKEN, NOTE, Check, Finding, counted
from adtrack.tracking.health import GROUP
from adtrack.tracking.spoilt_tags import spoilt
from adtrack.tracking.store import search_runs
from adtrack.tracking.tags import CLASS, DIGEST, MODEL, ROLE, STUDY, TRIAL, WORKER
from adtrack.tracking.workers import end_all, is_gone

_LONG = 24 * 3600.0  # seconds: a trial takes minutes, a study hours


def look_at_runs() -> Check:
    """Runs that say RUNNING: which are at work, which were left behind, which nobody here knows about."""
    running = [run for run in search_runs("attributes.status = 'RUNNING'") if WORKER in run.data.tags]
    gone = [run for run in running if is_gone(run.data.tags[WORKER])]
    old = [run for run in running if run not in gone and not _is_ours(run) and _seconds(run) > _LONG]
    findings = (*_left_behind(gone), *_long_running(old))
    at_work = len(running) - len(gone) - len(old)
    detail = f"{counted(at_work, 'run')} at work" if at_work else "none at work"
    return Check(GROUP, "runs", detail + (f", {len(gone)} left behind" if gone else ""), findings)


def look_at_tags() -> Check:
    """Finished runs that are read by tags which have been edited or deleted."""
    runs = [run for run in search_runs("attributes.status = 'FINISHED'") if WORKER in run.data.tags]
    lacking = [(run, names) for run in runs if (names := _lacking(run))]
    detail = f"of {counted(len(runs), 'finished run')}" + (f", {len(lacking)} spoilt" if lacking else "")
    if not lacking:
        return Check(GROUP, "tags", detail)
    finding = Finding(
        NOTE,
        f"tags of {counted(len(lacking), 'run')} were edited or deleted",
        "Verbs find runs by them, and leave these out.",
        "Put them back among the run's tags in mlflow ui; other runs of the same study or command show the values.",
        tuple(f"{run.info.run_id}  {run.info.run_name}: {' and '.join(names)}" for run, names in lacking),
    )
    return Check(GROUP, "tags", detail, (finding,))


def _lacking(run: Run) -> list[str]:
    is_trial = run.data.tags.get(ROLE) == "trial"
    return spoilt(run, CLASS, STUDY, DIGEST, ROLE, *((TRIAL, MODEL) if is_trial else ()))


def _left_behind(runs: Sequence[Run]) -> tuple[Finding, ...]:
    if not runs:
        return ()

    def end() -> str:
        ended = [MlflowClient().get_run(run_id).info for run_id in end_all(runs)]
        finished = sum(info.status == "FINISHED" for info in ended)
        return f"ended {counted(len(ended), 'run')}: {len(ended) - finished} as KILLED, {finished} as FINISHED"

    finding = Finding(
        BROKEN,
        f"{counted(len(runs), 'run')} RUNNING although their process has gone",
        "It was killed, or the machine went down. What they had logged is kept, but they look as if at work for ever.",
        "adtrack doctor --fix ends them: FINISHED if they are trials that have their objective, else KILLED. The same "
        "adtrack tune command does so too, and goes on with the study.",
        tuple(map(_title, runs)),
        end,
    )
    return (finding,)


def _long_running(runs: Sequence[Run]) -> tuple[Finding, ...]:
    if not runs:
        return ()
    finding = Finding(
        NOTE,
        f"{counted(len(runs), 'run')} of other machines RUNNING for more than a day",
        "Whether their process lives can only be seen on the machine that started them.",
        "Run adtrack doctor there. If that machine is gone for good: python -c "
        "\"from mlflow import MlflowClient; MlflowClient().set_terminated('RUN', 'KILLED')\"",
        tuple(f"{_title(run)}, on {_host(run)}" for run in runs),
    )
    return (finding,)


def _host(run: Run) -> str:
    return run.data.tags[WORKER].partition("|")[0]


def _is_ours(run: Run) -> bool:
    return _host(run) == socket.gethostname()


def _seconds(run: Run) -> float:
    started: int = run.info.start_time
    return datetime.datetime.now().timestamp() - started / 1000


def _title(run: Run) -> str:
    started = datetime.datetime.fromtimestamp(run.info.start_time / 1000)
    return f"{run.info.run_id}  {run.info.run_name} (since {started:%Y-%m-%d %H:%M})"
