"""Are a store's studies in order in Optuna's database? Looks without changing anything; stale trials may be settled."""

import datetime
import warnings
from collections.abc import Callable, Collection, Mapping, Sequence

import optuna
from optuna.pruners import NopPruner
from optuna.samplers import RandomSampler
from optuna.storages import RDBStorage
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from adtrack.findings import BROKEN, NOTE, Check, Finding, counted
from adtrack.naming import argument
from adtrack.tracking.layout import database_tables
from adtrack.tracking.locks import one_at_a_time
from adtrack.tracking.run_contents import run_params
from adtrack.tracking.sqlite import check_sqlite
from adtrack.tracking.store import what_it_says, without_password
from adtrack.tracking.trials import study_parent, study_storages, study_trials
from adtrack.tracking.workers import is_gone
from adtrack.tuning.heartbeat import heart_of
from adtrack.tuning.shared_study import FINISHED
from adtrack.tuning.spec import Objective
from adtrack.tuning.storage import RecoveredTrial, open_study, put_in_order, storage_options

GROUP = "Studies"
_DIGESTS = ("data_digest", "spec_digest")  # what a study of adtrack has, and other programs' have not
_NAMELESS = 10.0  # seconds: a trial gets its worker's name at once


def look_at_studies(url: str) -> Check:
    """The studies in Optuna's database at ``url``, and those of their trials that nobody works on any more."""
    shown = without_password(url)
    try:
        check_sqlite(url)
        studies = _studies(url)
    except Exception as error:  # SQLAlchemy's and Optuna's errors, a wrong URL, a missing driver
        finding = Finding(
            BROKEN,
            f"Optuna's database cannot be used ({what_it_says(error, url)})",
            "No study can begin or go on; finished ones can be compared and exported all the same.",
            "Start the database, check --storage or ADTRACK_STORAGE; a database of an older Optuna is brought up to "
            f"date by: optuna storage upgrade --storage {argument(shown)}",
        )
        return Check(GROUP, "studies", shown, (finding,))
    stale = {study.study_name: numbers for study in studies if (numbers := _stale(study))}
    known = {name: parent for name in stale if (parent := study_parent(name))}
    findings = (
        *_left_behind(url, {name: stale[name] for name in known}, known),
        *_elsewhere({name: stale[name] for name in stale if name not in known}),
        *_not_here({study.study_name for study in studies}),
    )
    running = sum(len(_running(study)) for study in studies) - sum(map(len, stale.values()))
    detail = f"{counted(len(studies), 'study', 'studies')} in {shown}" if studies else f"none yet ({shown})"
    return Check(GROUP, "studies", detail + (f", {counted(running, 'trial')} at work" if running else ""), findings)


def _studies(url: str) -> list[Study]:
    """adtrack's studies in the database; nothing is laid out where there is none."""
    if not {"studies", "trials", "version_info", "alembic_version"} <= database_tables(url):
        return []
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    storage = RDBStorage(url, **storage_options(url), skip_table_creation=True)
    summaries = optuna.get_all_study_summaries(storage=storage, include_best_trial=False)
    names = [summary.study_name for summary in summaries if set(_DIGESTS) <= set(summary.user_attrs)]
    return [optuna.load_study(study_name=name, storage=storage) for name in names]


def _running(study: Study) -> list[FrozenTrial]:
    return study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))


def _stale(study: Study) -> list[int]:
    """Numbers of the trials whose process has gone from this machine, or has been silent for long on another one."""
    silent = heart_of(study)._get_stale_trial_ids(study._study_id)  # what fail_stale_trials asks; it has no other name
    return [trial.number for trial in _running(study) if trial._trial_id in silent or _is_abandoned(trial)]


def _is_abandoned(trial: FrozenTrial) -> bool:
    if "worker" in trial.user_attrs:
        return is_gone(trial.user_attrs["worker"])
    begun = trial.datetime_start
    return begun is not None and (datetime.datetime.now() - begun).total_seconds() > _NAMELESS


def _left_behind(url: str, stale: Mapping[str, Sequence[int]], parents: Mapping[str, str]) -> tuple[Finding, ...]:
    if not stale:
        return ()

    def settle() -> str:
        return "; ".join(_settle(url, name, numbers, parents[name]) for name, numbers in stale.items())

    finding = Finding(
        BROKEN,
        f"{counted(sum(map(len, stale.values())), 'trial')} RUNNING although nobody works on them",
        "Their process was killed. Their cells of the search space count as taken, and as not finished.",
        "adtrack doctor --fix settles them: COMPLETE if the run has its objective, else failed and queued again. The "
        "same adtrack tune command does so too, and goes on with the study.",
        tuple(map(_title, stale, stale.values())),
        settle,
    )
    return (finding,)


def _title(name: str, numbers: Sequence[int]) -> str:
    return f"study {name}: {'trial' if len(numbers) == 1 else 'trials'} {', '.join(map(str, numbers))}"


def _settle(url: str, name: str, numbers: Sequence[int], parent: str) -> str:
    study = next(study for study in _studies(url) if study.study_name == name)
    digests = {key: study.user_attrs[key] for key in _DIGESTS}
    sampler = RandomSampler()  # nothing is sampled
    study = open_study(url, [(name, digests)], sampler, NopPruner(), len(study.directions))
    with one_at_a_time(url, f"{name}/trial"):
        put_in_order(study, _recovery(name, parent))
    trials = study.get_trials(deepcopy=False)
    finished = sum(trials[number].state in FINISHED for number in numbers)
    return f"study {name}: {counted(finished, 'trial')} COMPLETE, {len(numbers) - finished} queued again"


def _recovery(name: str, parent: str) -> Callable[[FrozenTrial], RecoveredTrial | None]:
    """What a trial has found that had done its work, from its run; what the study asks for is on its run ``parent``."""
    asked = run_params(parent)
    goal = Objective(asked["metric"], asked["objective"])
    finished = {record.number: record for record in study_trials(name)}

    def recover(trial: FrozenTrial) -> RecoveredTrial | None:
        record = finished.get(trial.number)
        return RecoveredTrial(goal.values(record.metrics), bool(record.aim)) if record else None

    return recover


def _not_here(names: Collection[str]) -> tuple[Finding, ...]:
    """Studies of the tracking store whose trials are in another database: they have not been looked at."""
    others = {name: place for name, place in study_storages().items() if name not in names}
    if not others:
        return ()
    finding = Finding(
        NOTE,
        f"{counted(len(others), 'study keeps its', 'studies keep their')} trials in another database",
        "Their stale trials have not been looked for; their runs and models have.",
        "adtrack doctor --storage URL looks there. If that database is gone, the studies cannot go on; all they have "
        "found is kept.",
        tuple(f"study {name}: {place}" for name, place in others.items()),
    )
    return (finding,)


def _elsewhere(stale: Mapping[str, Sequence[int]]) -> tuple[Finding, ...]:
    if not stale:
        return ()
    finding = Finding(
        NOTE,
        f"stale trials of {counted(len(stale), 'study', 'studies')} that this tracking store does not know",
        "The database is shared with another tracking store, which alone can tell whether they had done their work.",
        "Run adtrack doctor with that store's MLFLOW_TRACKING_URI.",
        tuple(map(_title, stale, stale.values())),
    )
    return (finding,)
