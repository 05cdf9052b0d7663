"""How a class's champion moves among its versions: promoted, rolled back, by whom and why."""

import contextlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from mlflow import MlflowClient

from adtrack.config import from_json
from adtrack.tracking.registry import CHAMPION, aliases_of, tags_by_version
from adtrack.tracking.tags import CHAMPION_MOVE

PROMOTED, ROLLED_BACK = "promoted", "rolled back"


@dataclass(frozen=True)
class Move:
    """The champion became ``version``; until then it was ``before`` (None: there was none).

    ``what`` is PROMOTED or ROLLED_BACK, ``when`` ISO 8601 in UTC; ``forced`` names the checks that had failed.
    """

    version: int
    before: int | None
    what: str
    who: str
    when: str
    why: str
    forced: tuple[str, ...] = ()


def move_champion(name: str, move: Move) -> None:
    """Make the move: set the alias, and keep the move among the version's tags."""
    client = MlflowClient()
    numbers = [number for number, _ in _numbered_moves(name)]
    # The alias first: if the process is killed in between, the history lacks a move, but says nothing untrue.
    client.set_registered_model_alias(name, CHAMPION, str(move.version))
    text = {key: value for key, value in asdict(move).items() if key != "version"}
    key = f"{CHAMPION_MOVE}{max(numbers, default=0) + 1:04}"
    client.set_model_version_tag(name, str(move.version), key, json.dumps(text, ensure_ascii=False))


def moves(name: str) -> list[Move]:
    """How the champion has moved, the first move first. Moves to versions that have been deleted are gone with them."""
    return [move for _, move in _numbered_moves(name)]


def previous_champion(name: str) -> int | None:
    """The version that a rollback goes to: the latest champion before the present one that still exists.

    Versions that were promoted and rolled back do not count, so a second rollback goes further back. If the alias was
    moved by hand, the rollback goes to the champion before that.
    """
    known, now = tags_by_version(name), aliases_of(name).get(CHAMPION)
    line = [version for version in champion_line(moves(name)) if version in known]
    while line and line[-1] == now:
        line.pop()
    return line[-1] if line else None


def champion_line(history: Sequence[Move]) -> list[int]:
    """The champions in their order, as if versions that were rolled back had never been promoted."""
    line: list[int] = []
    for move in history:
        if move.before is not None and line[-1:] != [move.before]:
            line.append(move.before)  # no move made it champion: it was registered first, or set by hand
        if move.what == ROLLED_BACK:
            while line and line[-1] != move.version:
                line.pop()
        if line[-1:] != [move.version]:
            line.append(move.version)
    return line


def _numbered_moves(name: str) -> list[tuple[int, Move]]:
    found = []
    for version, tags in tags_by_version(name).items():
        for key, text in tags.items():
            # Tags can be edited in the UI: a tag that is no move any more is left out, and the others still count.
            with contextlib.suppress(ValueError, TypeError, KeyError):
                if key.startswith(CHAMPION_MOVE):
                    found.append((int(key.removeprefix(CHAMPION_MOVE)), _move(version, from_json(text))))
    return sorted(found, key=lambda item: item[0])


def _move(version: int, text: Mapping[str, Any]) -> Move:
    before = None if text["before"] is None else int(text["before"])
    what, who, when, why = (str(text[key]) for key in ("what", "who", "when", "why"))
    return Move(version, before, what, who, when, why, tuple(map(str, text["forced"])))
