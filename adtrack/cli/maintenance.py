"""The verbs that look after what adtrack keeps: cache and doctor."""

import sys

import click

from adtrack.cli.options import AUTO
from adtrack.command import loading, say


@click.command("cache")
@click.option("--clear", is_flag=True, help="Remove everything that can be made again.")
def cache(clear: bool) -> None:
    """Show what adtrack keeps on disk, and empty it.

    \b
    adtrack cache
    adtrack cache --clear
    """
    from adtrack.verbs.cache import clear_cache, describe_cache

    for line in [clear_cache()] if clear else describe_cache():
        say(line)


@click.command("doctor", short_help="Look for what is wrong with machine, store, models and studies, and mend it.")
@click.option("--fix", is_flag=True, help="Mend what is safe: dead runs, dead trials, cut-off uploads, cache damage.")
@click.option("--storage", default=AUTO, help="Optuna's database URL; auto: as tune finds it.")
def doctor(fix: bool, storage: str) -> None:
    """Look at versions, cache, machine, tracking store, models and studies; say what is wrong and what to do.

    Changes nothing without --fix, and never removes a run or a model. Exit code 0: nothing is broken; 1: something is.

    \b
    adtrack doctor
    adtrack doctor --fix
    """
    with loading():
        from adtrack.verbs.doctor import report, verb

    found = verb.doctor(None if storage == AUTO else storage, fix)
    report.print_report(found, fix, say)
    if found.broken:
        sys.exit(1)
