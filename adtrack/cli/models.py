"""The verbs that use banks: score."""

import sys
from pathlib import Path

import click


@click.command("score")
@click.argument("images", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--model", required=True, help="A model URI, such as models:/adtrack-zipper@champion.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder for scores.csv and overlays/.")
@click.option("--device", default="auto", help="auto, cpu or cuda.")
def score(images: tuple[Path, ...], model: str, out: Path, device: str) -> None:
    """Score images, or all images below folders, with a bank.

    \b
    adtrack score --model models:/adtrack-zipper@champion photos/ --out scored/
    """
    from adtrack.verbs import report
    from adtrack.verbs.score import score_images

    result = score_images(model, images, out, device)
    report.print_scores(result, click.echo)
    if result.failed:
        sys.exit(1)
