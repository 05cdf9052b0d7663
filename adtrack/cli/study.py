"""The verbs for reports and data: export, make-shift, demo-data."""

from pathlib import Path

import click

from adtrack.cli.methods import AUTO
from adtrack.cli.options import bit_depth_option, class_option, data_option, parse_bit_depth
from adtrack.command import loading, say, warn
from adtrack.config import DataSpec, check_severity
from adtrack.errors import UserError
from adtrack.verbs.checks import check_class, check_writable


@click.command("export")
@click.option("--class", "class_name", default=AUTO, help="Class whose newest study is exported; auto: all classes.")
@click.option("--study", default=AUTO, help="Name of the study that is exported instead.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder for tables and plots/.")
def export(class_name: str, study: str, out: Path) -> None:
    """Write a study's tables (CSV, Markdown, LaTeX, HTML) and figures.

    \b
    adtrack export --class zipper --out tables/
    adtrack export --out tables/                    the newest study of every class
    """
    check_writable(out)
    with loading():
        from adtrack.verbs import report
        from adtrack.verbs.export import export as run_export

    one_class, one_study = (None if value == AUTO else value for value in (class_name, study))
    report.print_export(run_export(one_class, one_study, out), say)


@click.command("make-shift", short_help="Write a class through MVTec-Shift as files for any tool.")
@class_option
@data_option
@bit_depth_option
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder that the class is written below.")
@click.option("--severity", default=1.0, help="0 = no shift, 1 = the protocol's, 2 = double.")
@click.option("--seed", default=42, help="Seed of the shift of every image.")
def make_shift(class_name: str, data: str, bit_depth: str, out: Path, severity: float, seed: int) -> None:
    """Write a class through MVTec-Shift: images and masks for any tool, all parameters, a page to look at.

    \b
    adtrack make-shift --class zipper --data mvtec/ --out mvtec-shift/
    """
    spec = DataSpec(class_name, data, seed, parse_bit_depth(bit_depth))
    check_severity(severity)
    check_class(spec)
    check_writable(out)
    with loading():
        from adtrack.verbs import report
        from adtrack.verbs.make_shift import make_shift as run_make_shift

    report.print_shift(run_make_shift(spec, out, severity, warn), say)


@click.command("demo-data")
@click.option("--out", type=click.Path(path_type=Path), help="Folder to write to; without it, adtrack's cache.")
def demo_data(out: Path | None) -> None:
    """Write the generated demo data set: zipper, carpet and hazelnut in MVTec layout.

    The other verbs do so by themselves; here it goes where you can look at it.

    \b
    adtrack demo-data --out demo/
    """
    from adtrack.data.demo import demo_root, make_demo

    try:
        say(f"The demo data set is in {demo_root() if out is None else make_demo(out)}")
    except OSError as error:
        raise UserError(f"out must be a folder that can be written to, but {out} is not ({error}).") from error
