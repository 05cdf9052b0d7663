"""doctor: everything that adtrack stands on is looked at, and what is safe to mend is mended if it is asked for."""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from adtrack.cache import cache_folder
from adtrack.findings import BROKEN, Check, Finding, first_line

Look = Callable[[], Sequence[Check]]


@dataclass(frozen=True)
class DoctorReport:
    """All checks, made after what was mended; ``mended`` says what was done, ``failed`` what could not be."""

    checks: tuple[Check, ...]
    mended: tuple[str, ...]
    failed: tuple[str, ...]

    @property
    def findings(self) -> list[Finding]:
        """What was found, in the order of the checks."""
        return [finding for check in self.checks for finding in check.findings]

    @property
    def broken(self) -> bool:
        """Whether something does not work."""
        return any(finding.level == BROKEN for finding in self.findings)


def doctor(storage: str | None, fix: bool) -> DoctorReport:
    """Look at everything; with ``fix``, mend what is safe and look again."""
    checks = examine(storage)
    mended, failed = [], []
    for finding in (finding for check in checks for finding in check.findings):
        if fix and finding.mend:
            try:
                mended.append(finding.mend())
            except Exception as error:  # one that cannot be mended must not keep the others from it
                failed.append(f"{finding.what}: {first_line(error)}")
    return DoctorReport(tuple(examine(storage) if mended else checks), tuple(mended), tuple(failed))


def examine(storage: str | None) -> list[Check]:
    """Look at everything, without changing anything.

    What a group needs is imported when its turn comes: a package that is missing or broken is named by the first
    group, and the others still have their say.
    """
    looks = (
        ("Versions", _versions),
        ("Cache", _caches),
        ("Machine", _machine),
        ("Tracking store", lambda: _store(storage)),
    )
    return [check for group, look in looks for check in _guarded(group, look)]


def _guarded(group: str, look: Look) -> list[Check]:
    """What ``look`` finds, or that it could not look."""
    try:
        return list(look())
    except Exception as error:  # doctor is called where things are broken
        finding = Finding(
            BROKEN,
            f"{group.lower()} could not be looked at ({type(error).__name__}: {first_line(error)})",
            "Something that these checks need does not work itself.",
            "Mend first what is broken above, and look again.",
        )
        return [Check(group, "all", "could not be looked at", (finding,))]


def _versions() -> list[Check]:
    from adtrack.verbs.doctor.versions import look_at_versions

    return look_at_versions()


def _caches() -> list[Check]:
    from adtrack.verbs.doctor.caches import look_at_caches

    return look_at_caches()


def _machine() -> list[Check]:
    from adtrack.verbs.doctor.machine import look_at_machine

    return look_at_machine(_places())


def _places() -> dict[str, Path]:
    """The folders of this machine that adtrack writes to."""
    from adtrack.tracking.health import local_places
    from adtrack.tracking.store import tracking_uri

    places = {"cache": cache_folder()}
    with contextlib.suppress(Exception):  # what is wrong with the store is said when it is looked at
        places |= local_places(tracking_uri())
    return places


def _store(storage: str | None) -> list[Check]:
    from adtrack.tracking.experiment_health import look_at_experiment
    from adtrack.tracking.health import look_at_store
    from adtrack.tracking.model_health import look_at_models
    from adtrack.tracking.moved import look_at_place
    from adtrack.tracking.run_health import look_at_runs, look_at_tags
    from adtrack.tracking.store import tracking_uri
    from adtrack.tuning.health import look_at_studies
    from adtrack.tuning.storage import default_storage

    uri = tracking_uri()
    check, usable = look_at_store(uri)
    place = look_at_place(uri) if usable else []
    if not usable or any(one.level == BROKEN for one in place):  # then all the rest would be said to be gone
        return [check, *place]
    found = [check, *place, *_guarded("Tracking store", lambda: [look_at_experiment(), look_at_runs(), look_at_tags()])]
    found += _guarded("Models", look_at_models)
    return found + _guarded("Studies", lambda: [look_at_studies(storage or default_storage(uri))])
