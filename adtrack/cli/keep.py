"""The verbs that look after what adtrack keeps: cache."""

import click


@click.command("cache")
@click.option("--clear", is_flag=True, help="Remove everything that can be made again.")
def cache(clear: bool) -> None:
    """Show what adtrack keeps on disk, and empty it."""
    from adtrack.verbs.cache import clear_cache, describe_cache

    click.echo(clear_cache() if clear else describe_cache())
