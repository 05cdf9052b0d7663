"""The verbs that take models to machines without torch: export-model, benchmark-model."""

import shutil
import sys
from pathlib import Path

import click

from adtrack.cli.completion import complete_data
from adtrack.command import loading, say
from adtrack.edge.formats import FORMATS, ONNX, check_format
from adtrack.errors import UserError
from adtrack.verbs.benchmark_model.asked import ENGINES, parse_engines
from adtrack.verbs.checks import check_data, check_sources
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
@click.option(
    "--int8",
    is_flag=True,
    help="Compute the network with 8 bits: a detector fitted anew to the model's Train images, with its own threshold.",
)
def export_model(model: str, format_name: str, out: Path, data: str | None, int8: bool) -> None:
    """Write a registered model as one file, from the view of an image to score, label and anomaly map.

    Val's images are scored again with the file: if a score or a map is not the registered model's, no file is kept.
    With --int8 it is a smaller and faster model of its own, and you are told what it loses on Val.

    \b
    adtrack export-model --model models:/adtrack-zipper@champion --format onnx --out line/
    adtrack export-model --model models:/adtrack-zipper@champion --format openvino --int8 --out line/
    """
    check_format(format_name, int8)
    check_data(data)
    check_folder(out)
    with loading():
        from adtrack.verbs.export_model import report
        from adtrack.verbs.export_model.verb import export_model as run_export

    made = run_export(model, format_name, out, data, int8)
    report.print_export(made, say)
    if made.uri is None:
        sys.exit(1)


@click.command("benchmark-model", short_help="Measure how fast a model is, by torch and exported.")
@click.argument("photos", nargs=-1, type=click.Path(path_type=Path))
@click.option("--model", required=True, help="A model URI, such as models:/adtrack-zipper@champion.")
@click.option(
    "--engines",
    default="torch,onnx,openvino,openvino-int8",
    help=f"Which to compare, joined by commas: {', '.join(ENGINES)}. The first is what the others are compared with.",
)
@click.option("--images", default=60, help="How many images each engine scores with each number of threads.")
@click.option(
    "--data",
    shell_complete=complete_data,
    help="Where the model's images lie now, if not where they were: 'demo' or a folder.",
)
def benchmark_model(photos: tuple[Path, ...], model: str, engines: str, images: int, data: str | None) -> None:
    """Measure how long a model takes from an image's file to its score, and how much memory, on this machine.

    The engines score the same images in turn, those of Val or PHOTOS, with one thread and then with all cores. The
    memory is that of a fresh process. Engines with 8 bits are fitted anew to the model's Train images.

    \b
    adtrack benchmark-model --model models:/adtrack-zipper@champion
    adtrack benchmark-model --model models:/adtrack-zipper@champion --engines torch,onnx,onnx-int8 photos/
    """
    asked = parse_engines(engines)
    if images < 1:
        raise UserError(f"images must be a whole number of at least 1, but got {images}.")
    check_data(data)
    check_sources(photos)
    with loading():
        from adtrack.verbs.benchmark_model import report
        from adtrack.verbs.benchmark_model.verb import benchmark_model as run_benchmark

    found = run_benchmark(model, asked, images, photos, data)
    report.print_benchmark(found, say, shutil.get_terminal_size().columns if sys.stdout.isatty() else None)
