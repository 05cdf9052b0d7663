"""What does a study look like? The README's pictures of it in MLflow's pages and of its report, from a real browser,
and of its best trial's heatmaps.

\b
Command:  python -m experiments.screenshots [--study NAME] [--out FOLDER]
          of the newest study in the store (MLFLOW_TRACKING_URI, else mlflow.db here), which mlflow ui then shows
Cost:     a minute; needs pip install -e '.[test]' and Chromium.
Result:   experiments/figures/: zipper.png, report.png, mlflow_study.png, mlflow_compare.png, mlflow_trial.png
"""

import io
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click
from PIL import Image

from adtrack.command import run_command
from adtrack.errors import UserError
from adtrack.tracking.run_contents import run_file
from adtrack.tracking.store import open_store, quoted, search_runs
from adtrack.tuning.finish import REPORT
from experiments.browser import chromium, mlflow_ui, visit

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

FIGURES = Path(__file__).resolve().parent / "figures"
WIDTH, WIDE, TALL = 1200, 1440, 900  # of the window; wide for many columns
MARGIN = 10
CHARTS_TOP = 250  # where the list of charts begins
ROWS = 8  # of the table of trials
SHEET = 560  # the headings of the sheet of heatmaps, and three of its rows
MOST_ANOMALOUS = 490  # three rows of a trial's heatmaps
WAIT = 120_000  # milliseconds: MLflow's pages are large, and the machine may be busy
# MLflow as someone sees it who has closed its assistant and chosen "Model training".
_SETTLED = """
localStorage.setItem("mlflow.assistant.fab.autoOpenedOnFirstLoad_v1", "true");
localStorage.setItem("mlflow.workflowType_v1", '"machine_learning"');
localStorage.setItem("_mlflow_dark_mode_toggle_enabled", "false");
"""


@dataclass(frozen=True)
class Shown:
    """A finished study: its parent run, its best trial's, both in this experiment, and its report."""

    experiment: str
    parent: str
    best: str
    report: Path


def shown(study: str | None) -> Shown:
    """The study of that name in the opened store, without one the newest that is finished."""
    condition = "tags.`adtrack.role` = 'study'" + (f" and tags.`adtrack.study` = {quoted(study)}" if study else "")
    finished = [run for run in search_runs(condition) if "adtrack.best_run" in run.data.tags]
    if not finished:
        reason = f"study {study} is not one" if study else "the store has none"
        raise UserError(f"there must be a finished study to show, but {reason}.", "run adtrack tune first.")
    run = finished[-1]
    report = run_file(run.info.run_id, REPORT)
    return Shown(run.info.experiment_id, run.info.run_id, run.data.tags["adtrack.best_run"], report)


def heatmaps(study: Shown) -> Image.Image:
    """The most anomalous images of Test-clean as the best trial sees them."""
    with Image.open(run_file(study.best, "heatmaps/test_clean.png")) as sheet:
        return part(sheet.convert("RGB"), 0, MOST_ANOMALOUS)


def take(browser: "Browser", address: str, study: Shown) -> dict[str, Image.Image]:
    """The pictures by name; ``address`` is where MLflow shows the store."""
    runs = f"{address}/#/experiments/{study.experiment}/runs"
    wanted = {
        "mlflow_study": (_study, WIDTH, f"{runs}/{study.parent}"),
        "mlflow_compare": (_compared, WIDE, runs),
        "mlflow_trial": (_trial, WIDTH, f"{runs}/{study.best}"),
        "report": (_report, WIDE, study.report.resolve().as_uri()),
    }
    taken = {}
    for name, (look, width, place) in wanted.items():
        page = browser.new_page(viewport={"width": width, "height": TALL}, color_scheme="light")
        page.set_default_timeout(WAIT)
        page.add_init_script(_SETTLED)
        taken[name] = look(page, place)
        page.close()
    return taken


def _study(page: "Page", address: str) -> Image.Image:
    """The parent run, its note unfolded."""
    visit(page, address)
    page.get_by_text("Show more").first.click()
    return part(_sight(page), 0, _bottom(page.get_by_text("Show less").first))


def _compared(page: "Page", runs: str) -> Image.Image:
    """The charts of all trials, the best ones first, at the metrics of Val-shift, where they differ most."""
    visit(page, f"{runs}?orderByKey=metrics.`objective`&orderByAsc=false&compareRunsMode=CHART")
    page.locator(".main-svg").first.wait_for()
    heading = page.get_by_text("val_shift", exact=True)
    page.mouse.move(WIDE - 300, TALL - 300)
    for _ in range(100):  # in steps: MLflow draws the charts in sight, and the list grows meanwhile
        beyond = _top(heading.first) - CHARTS_TOP
        if beyond < 1:
            break
        page.mouse.wheel(0, min(beyond, 200))
        page.wait_for_timeout(300)
    page.mouse.move(0, 0)  # off the charts, which show their tools below it
    return _sight(page)


def _trial(page: "Page", address: str) -> Image.Image:
    """The best trial's heatmaps among its files."""
    visit(page, f"{address}/artifacts/heatmaps/val_clean.png")
    sheet = page.locator("img[src^='blob:'], img[src*='val_clean']").first
    sheet.wait_for()
    sheet.evaluate("element => element.decode()")
    return part(_sight(page), 0, _bottom(sheet))


def _report(page: "Page", address: str) -> Image.Image:
    """Of the report: the winner, the best trials of the table, and the heatmaps of the best."""
    visit(page, address)
    page.locator("#roc .main-svg").first.wait_for()
    sight, trials, images = _sight(page), _section(page, "Trials"), _section(page, "The same images in the best trials")
    rows = trials.locator("tbody tr")
    regions = [
        (0, _bottom(page.locator("pre").first)),
        (_top(trials.locator("h2")), _bottom(rows.nth(min(ROWS, rows.count()) - 1))),
        (_top(images.locator("h2")), _top(images.locator("img").first) + SHEET),
    ]
    return stacked([part(sight, *region) for region in regions])


def _section(page: "Page", title: str) -> "Locator":
    """The part of the report below that heading."""
    return page.locator("section").filter(has=page.get_by_role("heading", name=title, exact=True))


def _sight(page: "Page") -> Image.Image:
    """The whole page, as soon as it has come to rest."""
    page.wait_for_timeout(2000)
    return Image.open(io.BytesIO(page.screenshot(full_page=True))).convert("RGB")


def _top(element: "Locator") -> float:
    return element.bounding_box()["y"]


def _bottom(element: "Locator") -> float:
    box = element.bounding_box()
    return box["y"] + box["height"] + MARGIN


def part(picture: Image.Image, top: float, bottom: float) -> Image.Image:
    """The rows from ``top`` to ``bottom``, or to the picture's end."""
    return picture.crop((0, round(top), picture.width, min(round(bottom), picture.height)))


def stacked(pictures: Sequence[Image.Image]) -> Image.Image:
    """One below the other, on white."""
    whole = Image.new("RGB", (max(one.width for one in pictures), sum(one.height for one in pictures)), "white")
    top = 0
    for one in pictures:
        whole.paste(one, (0, top))
        top += one.height
    return whole


def save(picture: Image.Image, file: Path) -> Path:
    """Write a PNG of 256 colours: a third of the size, with no difference that anybody sees."""
    file.parent.mkdir(parents=True, exist_ok=True)
    picture.quantize(256, dither=Image.Dither.NONE).save(file, optimize=True)
    return file


@click.command("screenshots", help=__doc__, context_settings={"show_default": True, "max_content_width": 110})
@click.option("--study", help="Its name; without one, the newest study in the store.")
@click.option("--out", default=FIGURES, type=click.Path(path_type=Path), help="Folder for the pictures.")
@click.option("--debug", is_flag=True, help="Show tracebacks.")
def command(study: str | None, out: Path, debug: bool) -> None:
    store = open_store()
    found = shown(study)
    with mlflow_ui(store) as address, chromium() as browser:
        pictures = {"zipper": heatmaps(found), **take(browser, address, found)}
    for name, picture in pictures.items():
        file = save(picture, out / f"{name}.png")
        click.echo(f"{file}  {picture.width} × {picture.height}, {file.stat().st_size / 1000:.0f} KB")


if __name__ == "__main__":
    run_command(command, sys.argv[1:])
