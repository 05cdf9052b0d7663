"""What promote and rollback print."""

from collections.abc import Callable

from adtrack.naming import argument
from adtrack.verbs.promote.verb import Promotion, Rollback

Say = Callable[[str], None]


def print_promotion(found: Promotion, say: Say) -> None:
    """Print the checks one by one, and whether the version is now the champion."""
    name, version = found.candidate.name, found.candidate.version
    if found.candidate.champion:
        say(f"{name} version {version} is the champion already.")
        return
    there = f"champion now: version {found.champion.version}" if found.champion else "there is no champion yet"
    say(f"{name} version {version}; {there}")
    for check in found.checks:
        say(f"  {'ok  ' if check.passed else 'FAIL'}  {check.what}: {check.words}")
    failed = f"{len(found.failed)} of {len(found.checks)} checks failed"
    if found.move is None:
        say(f"Not promoted: {failed}. --force promotes it all the same, and records that.")
        return
    in_spite = f", although {failed} (recorded)" if found.failed else ""
    say(f"Promoted: {name} version {version} is the champion{in_spite}.")
    say(f"Score with it:  adtrack score --model {argument(f'models:/{name}@champion')} photos/ --out scored/")
    if found.champion:
        say(f"Undo:           adtrack rollback --class {argument(name.removeprefix('adtrack-'))}")


def print_rollback(found: Rollback, say: Say) -> None:
    """Print which version is the champion now."""
    if found.move is None:
        now = f"version {found.champion} stays" if found.champion else "there is none"
        say(f"Not rolled back: {found.name} has had no earlier champion that is still there; {now}.")
        return
    say(f"Rolled back: the champion of {found.name} is version {found.move.version} again, no longer {found.champion}.")
