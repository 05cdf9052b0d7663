"""The command line: ``adtrack VERB``, also ``python -m adtrack VERB``. Parses, calls, prints."""

import sys

import click

from adtrack import __version__
from adtrack.cli import banks, completion, edge, maintenance, models, study
from adtrack.cli.experiment import experiment
from adtrack.cli.fine_tune import fine_tune
from adtrack.command import run_command

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 110, "show_default": True}
VERBS = (
    *(banks.tune, banks.build_bank, banks.evaluate, fine_tune),
    *(models.score, models.adapt, models.compare, models.promote, models.rollback),
    *(edge.export_model, edge.benchmark_model),
    *(study.export, study.make_shift, experiment, study.demo_data),
    *(maintenance.doctor, maintenance.cache, completion.completion),
)


class _InOrder(click.Group):
    """Lists its verbs as they were added, which is about the order of their use."""

    def list_commands(self, context: click.Context) -> list[str]:
        return list(self.commands)


@click.group(cls=_InOrder, context_settings=CONTEXT)
@click.version_option(__version__, prog_name="adtrack")
@click.option("--debug", is_flag=True, help="Show tracebacks.")
def cli(debug: bool) -> None:
    """Find, compare, register and use the anomaly detector that works for your product.

    \b
    adtrack tune --class zipper                     search on the built-in demo data
    adtrack tune --class screw --data mvtec/        ... or on your own images
    adtrack build-bank --class photos --data data/  ... or on good images alone
    adtrack score --model models:/adtrack-zipper@champion photos/ --out scored/
    adtrack export --class zipper --out tables/     tables for your report
    """


for verb in VERBS:
    cli.add_command(verb)


def main() -> None:
    """Run a verb: 0 done, 1 done with failures, 2 wrong usage, 130 stopped."""
    run_command(cli, sys.argv[1:])
