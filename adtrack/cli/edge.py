"""The verbs that take models to machines without torch: export-model."""

import sys
from pathlib import Path

import click

from adtrack.cli.completion import complete_data
from adtrack.command import loading, say
from adtrack.edge.formats import FORMATS, ONNX, check_format
from adtrack.verbs.checks import check_data
from adtrack.verbs.export_model.folder import check_folder


@click.command("export-model", short_help="Write a model as a file that ONNX Runtime or OpenVINO runs.")
@click.option("--model", required=True, help="A model URI, such as models:/adtrack-zipper@champion.")
@click.option("--format", "format_name", default=ONNX, help=f"{' or '.join(FORMATS)}.")
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="New folder for the model, and all that it needs."
)
@click.option(
    "--data",
    shell_complete=complete_data,
    help="Where Val's images lie now, if not where they were: 'demo' or a folder.",
)
def export_model(model: str, format_name: str, out: Path, data: str | None) -> None:
    """Write a registered model as one file, from the view of an image to score, label and anomaly map.

    Val's images are scored again with the file: if a score or a map is not the registered model's, no file is kept.

    \b
    adtrack export-model --model models:/adtrack-zipper@champion --format onnx --out line/
    """
    check_format(format_name)
    check_data(data)
    check_folder(out)
    with loading():
        from adtrack.verbs.export_model import report
        from adtrack.verbs.export_model.verb import export_model as run_export

    made = run_export(model, format_name, out, data)
    report.print_export(made, say)
    if made.uri is None:
        sys.exit(1)
