"""doctor: check everything that adtrack relies on, and mend what can be mended safely if the user asks for it."""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from adtrack.cache import cache_folder
from adtrack.findings import BROKEN, Check, Finding, first_line

Look = Callable[[], Sequence[Check]]


@dataclass(frozen=True)
class DoctorReport:
    """All checks as they are after the mending. ``mended`` says what was done, ``failed`` what could not be done."""

    checks: tuple[Check, ...]
    mended: tuple[str, ...]
    failed: tuple[str, ...]

    @property
    def findings(self) -> list[Finding]:
        """The findings of all checks, in the order of the checks."""
        return [finding for check in self.checks for finding in check.findings]

    @property
    def broken(self) -> bool:
        """Whether something does not work."""
        return any(finding.level == BROKEN for finding in self.findings)


def doctor(storage: str | None, fix: bool) -> DoctorReport:
    """Check everything. With ``fix``, mend what is safe and check again."""
    checks = examine(storage)
    mended, failed = [], []
    for finding in (finding for check in checks for finding in check.findings):
        if fix and finding.mend:
            try:
                mended.append(finding.mend())
            except Exception as error:  # the others shall be mended all the same
                failed.append(f"{finding.what}: {first_line(error)}")
    return DoctorReport(tuple(examine(storage) if mended else checks), tuple(mended), tuple(failed))


def examine(storage: str | None) -> list[Check]:
    """Check everything without changing anything.

    Each group imports what it needs when its turn comes. So the first group can name a package that is missing or
    broken, and the other groups still do their checks.
    """
    looks = (
        ("Versions", _versions),
        ("Cache", _caches),
        ("Machine", _machine),
        ("Tracking store", lambda: _store(storage)),
    )
    return [check for group, look in looks for check in _guarded(group, look)]


def _guarded(group: str, look: Look) -> list[Check]:
    """The checks that ``look`` makes, or a check that says that it could not be made."""
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
    with contextlib.suppress(Exception):  # the checks of the store say what is wrong with it
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
    if not usable or any(one.level == BROKEN for one in place):  # else everything in the store would be called missing
        return [check, *place]
    found = [check, *place, *_guarded("Tracking store", lambda: [look_at_experiment(), look_at_runs(), look_at_tags()])]
    found += _guarded("Models", look_at_models)
    return found + _guarded("Studies", lambda: [look_at_studies(storage or default_storage(uri))])
