"""promote and rollback: choose the champion among the versions of a class's model, and record who did it and why."""

import getpass
import math
from dataclasses import dataclass
from datetime import UTC, datetime

import torch

from adtrack.errors import UserError
from adtrack.naming import argument
from adtrack.tracking.champions import PROMOTED, ROLLED_BACK, Move, move_champion, previous_champion
from adtrack.tracking.models import load_model
from adtrack.tracking.registry import RegisteredVersion, champion_of, registry_name, version_of
from adtrack.tracking.store import open_store
from adtrack.verbs.promote.checks import PromotionCheck, checks

LONGEST_REASON = 1000  # characters


@dataclass(frozen=True)
class Promotion:
    """A version that was to become champion, the checks, and the move of the champion; None if it was not moved."""

    candidate: RegisteredVersion
    champion: RegisteredVersion | None
    checks: tuple[PromotionCheck, ...]
    move: Move | None

    @property
    def failed(self) -> tuple[PromotionCheck, ...]:
        """The checks that failed."""
        return tuple(check for check in self.checks if not check.passed)


@dataclass(frozen=True)
class Rollback:
    """The version that was champion, and the move to an earlier one; None if there is no earlier one."""

    name: str
    champion: int | None
    move: Move | None


def promote(
    class_name: str, number: int | None, margin: float, reason: str, data: str | None, device: str, force: bool
) -> Promotion:
    """Make version ``number`` champion if all checks pass, or even if some fail with ``force``.

    ``number`` None means the candidate. ``margin`` is how much image AUROC the version may lose against the champion on
    any image set. Without labelled anomalies it is how many more false alarms it may raise, as a share of the good
    images, and ``reason`` must be given. ``data`` says where the images lie now, if they have moved.
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
    """Make the previous champion the champion again; called once more, the one before that. It has served before, so it
    is only checked for damage."""
    _check_reason(reason)
    open_store()
    champion = champion_of(class_name)
    name, now = registry_name(class_name), champion.version if champion else None
    earlier = previous_champion(name)
    if earlier is None:
        return Rollback(name, now, None)
    _require_intact(RegisteredVersion(name, earlier, champion=False))
    move = _move(earlier, now, ROLLED_BACK, reason or "no reason given")
    move_champion(name, move)
    return Rollback(name, now, move)


def _require_intact(version: RegisteredVersion) -> None:
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
