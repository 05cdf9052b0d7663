"""promote and rollback: which version of a class's model is the champion, and a record of who moved it when and why."""

import getpass
import math
from dataclasses import dataclass
from datetime import UTC, datetime

import torch

from adtrack.errors import UserError
from adtrack.naming import argument
from adtrack.tracking.champions import PROMOTED, ROLLED_BACK, Move, move_champion, previous_champion
from adtrack.tracking.models import load_model
from adtrack.tracking.registry import Registered, champion_of, registry_name, version_of
from adtrack.tracking.store import open_store
from adtrack.verbs.promote.checks import Check, checks

LONGEST_REASON = 1000  # characters


@dataclass(frozen=True)
class Promotion:
    """A version that was to become champion: what was checked, and the move, None if there was none."""

    candidate: Registered
    champion: Registered | None
    checks: tuple[Check, ...]
    move: Move | None

    @property
    def failed(self) -> tuple[Check, ...]:
        """The checks that speak against it."""
        return tuple(check for check in self.checks if not check.passed)


@dataclass(frozen=True)
class Rollback:
    """The champion before, and the move to an earlier one, None if there is no earlier one."""

    name: str
    champion: int | None
    move: Move | None


def promote(
    class_name: str, number: int | None, margin: float, reason: str, data: str | None, device: str, force: bool
) -> Promotion:
    """Make version ``number`` (the candidate without one) champion if all checks pass, or all the same with ``force``.

    ``margin`` is how much of the champion's image AUROC it may lose on any image set, or, where no anomalies are
    labelled, how many more false alarms it may raise, as a share of the good images; then ``reason`` must be given.
    ``data`` says where the images lie if not where its run found them.
    """
    if not (math.isfinite(margin) and 0 <= margin < 1):
        raise UserError(f"margin must be in [0, 1), but got {margin}.", "0.01 lets 0.01 of image AUROC go.")
    _check_reason(reason)
    open_store()
    candidate, champion = version_of(class_name, number), champion_of(class_name)
    if candidate.champion:
        return Promotion(candidate, champion, (), None)
    found = tuple(checks(candidate, champion, class_name, margin, reason, data, device))
    against = tuple(f"{check.what}: {check.words}" for check in found if not check.passed)
    move = None
    if force or not against:
        before = champion.version if champion else None
        move = _move(candidate.version, before, PROMOTED, reason or "all checks passed", against)
        move_champion(candidate.name, move)
    return Promotion(candidate, champion, found, move)


def rollback(class_name: str, reason: str) -> Rollback:
    """Make the previous champion champion again; once more, the one before it. It served before, and is only checked
    for damage since."""
    _check_reason(reason)
    open_store()
    champion = champion_of(class_name)
    name, now = registry_name(class_name), champion.version if champion else None
    earlier = previous_champion(name)
    if earlier is None:
        return Rollback(name, now, None)
    _require_intact(Registered(name, earlier, champion=False))
    move = _move(earlier, now, ROLLED_BACK, reason or "no reason given")
    move_champion(name, move)
    return Rollback(name, now, move)


def _require_intact(version: Registered) -> None:
    try:
        load_model(version.uri, torch.device("cpu"), whole=True)
    except UserError as error:
        raise UserError(
            f"a version that becomes champion again must be intact, but {version.text} is not: {error}",
            f"adtrack promote --class {argument(version.name.removeprefix('adtrack-'))} --version N takes another one.",
        ) from error


def _check_reason(reason: str) -> None:
    if len(reason) > LONGEST_REASON:
        raise UserError(f"reason must have at most {LONGEST_REASON} characters, but got {len(reason)}.")


def _move(version: int, before: int | None, what: str, why: str, forced: tuple[str, ...] = ()) -> Move:
    return Move(version, before, what, _user(), datetime.now(UTC).isoformat(timespec="seconds"), why, forced)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # a container's user may have no name
        return "unknown"
