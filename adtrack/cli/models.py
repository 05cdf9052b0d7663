"""The verbs that use models: score, adapt, compare, promote, rollback."""

import sys
from pathlib import Path

import click

from adtrack.cli.completion import complete_data
from adtrack.cli.options import class_option, device_option, workers_option
from adtrack.command import loading, say
from adtrack.scale.workers import Workers
from adtrack.verbs.checks import check_data, check_sources, check_writable
from adtrack.verbs.score.asked import ALL, AskedPictures


@click.command("score", short_help="Score images with a model: a table, heatmaps, a page to look through.")
@click.argument("images", nargs=-1, required=True, type=click.Path())
@click.option("--model", required=True, help="A model URI, such as models:/adtrack-zipper@champion.")
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    help="Folder for gallery.html, scores.csv, overlays/ and parts/.",
)
@click.option(
    "--pictures",
    default=ALL,
    help="Which images get heatmaps and a place on the page: all, anomalous, none, or a number: those with the highest "
    "scores.",
)
@workers_option
@device_option
def score(images: tuple[str, ...], model: str, out: Path, pictures: str, workers: Workers, device: str) -> None:
    """Score images, or all images below folders, with a model. Folders may lie where fsspec opens them, as on S3.

    What --out holds of this model is kept: the same command goes on where it was stopped, and scores only images that
    are new or have changed.

    \b
    adtrack score --model models:/adtrack-zipper@champion photos/ --out scored/
    adtrack score --model models:/adtrack-zipper@champion s3://plant/photos/ --out scored/ --workers ray --pictures 100
    """
    check_sources(images)
    check_writable(out)
    asked = AskedPictures.parse(pictures)
    with loading():
        from adtrack.verbs import report
        from adtrack.verbs.score.verb import score_images

    result = score_images(model, images, out, device, workers, asked)
    report.print_scores(result, say)
    if result.left or result.failed:
        sys.exit(130 if result.left else 1)


@click.command("adapt", short_help="Move a model's threshold to a new light by a few photos without labels.")
@click.argument("photos", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--model", required=True, help="A model URI, such as models:/adtrack-zipper@champion.")
@device_option
def adapt(photos: tuple[Path, ...], model: str, device: str) -> None:
    """Move the threshold of a model with the scores of photos of a new light or camera.

    16 photos or more of parts as they come, nearly all of them good, without labels. The model with the new threshold
    becomes the class's candidate, and says how its threshold went.

    \b
    adtrack adapt --model models:/adtrack-zipper@champion photos/
    """
    check_sources(photos)
    with loading():
        from adtrack.verbs.adapt import report
        from adtrack.verbs.adapt.verb import adapt_model

    found = adapt_model(model, photos, device)
    report.print_adaptation(found, say)
    if found.failed:
        sys.exit(1)


@click.command("compare", short_help="Compare runs image by image: which is better, and how sure that is.")
@click.argument("runs", nargs=-1, required=True, metavar="RUN RUN...")
@click.option("--out", type=click.Path(path_type=Path), help="Folder for the HTML page and its tables.")
@click.option("--any-split", is_flag=True, help="Compare other splits too, on the images that they have in common.")
@click.option(
    "--data",
    shell_complete=complete_data,
    help="Where the images for the page's pictures lie now, if not where they were: 'demo' or a folder.",
)
@click.option("--device", default="auto", help="auto, cpu or cuda: what the page's pictures are computed on.")
def compare(runs: tuple[str, ...], out: Path | None, any_split: bool, data: str | None, device: str) -> None:
    """Compare runs with the first, image by image: which is better, how sure that is, and where they disagree.

    A run is named by its id or the start of it, or by its model: models:/adtrack-zipper/3 or …@champion. The page that
    --out writes shows the images that they call differently as each of them sees them.

    \b
    adtrack compare models:/adtrack-zipper@champion models:/adtrack-zipper@candidate --out compared/
    """
    check_data(data)
    if out:
        check_writable(out)
    with loading():
        from adtrack.verbs.compare import report
        from adtrack.verbs.compare.pictures import Pictures, draw
        from adtrack.verbs.compare.verb import compare as run_compare

    found = run_compare(runs, any_split)
    pictures = draw(found, data, device) if out else Pictures()
    files = report.write_comparison(found, pictures, out) if out else []
    report.print_comparison(found, pictures, files, say)


@click.command("promote", short_help="Make a version the champion if it is not worse.")
@class_option
@click.option("--version", type=int, help="Version that shall be champion; without it, the candidate.")
@click.option(
    "--margin",
    default=0.01,
    help="How much image AUROC it may lose against the champion on any image set; without labelled anomalies, how much "
    "larger its share of false alarms may be.",
)
@click.option("--reason", default="", help="Why, for the record; needed if no anomalies are labelled.")
@click.option(
    "--data", shell_complete=complete_data, help="Where the images lie now, if not where they were: 'demo' or a folder."
)
@device_option
@click.option("--force", is_flag=True, help="Promote it although checks fail, which is recorded.")
def promote(
    class_name: str, version: int | None, margin: float, reason: str, data: str | None, device: str, force: bool
) -> None:
    """Make a version the champion if it is not worse: same splits, no AUROC lost, scores that come back as logged.

    \b
    adtrack promote --class zipper --version 3 --reason "new camera"
    """
    check_data(data)
    with loading():
        from adtrack.verbs.promote import report
        from adtrack.verbs.promote.verb import promote as run_promote

    found = run_promote(class_name, version, margin, reason, data, device, force)
    report.print_promotion(found, say)
    if found.move is None and not found.candidate.champion:
        sys.exit(1)


@click.command("rollback")
@class_option
@click.option("--reason", default="", help="Why, for the record.")
def rollback(class_name: str, reason: str) -> None:
    """Make the previous champion champion again; once more, the one before it.

    \b
    adtrack rollback --class zipper --reason "too many false alarms on line 2"
    """
    with loading():
        from adtrack.verbs.promote import report
        from adtrack.verbs.promote.verb import rollback as run_rollback

    found = run_rollback(class_name, reason)
    report.print_rollback(found, say)
    if found.move is None:
        sys.exit(1)
