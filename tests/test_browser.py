"""What people see: a study in MLflow's own pages, and its report, in a real browser."""

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from experiments.browser import mlflow_ui, visit
from experiments.screenshots import WIDTH, Shown, save, take

playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install -e '.[test]'")

pytestmark = [pytest.mark.slow, pytest.mark.browser]
WAIT = 60_000  # milliseconds: MLflow's pages are large, and the machine may be busy
LOCAL = ("file:", "data:", "blob:")


@pytest.fixture(scope="module")
def page(browser) -> "playwright.Page":
    """A page as wide as a laptop's."""
    page = browser.new_page(viewport={"width": 1600, "height": 1000})
    page.set_default_timeout(WAIT)
    return page


@pytest.fixture(scope="module")
def shot(page: "playwright.Page", tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], None]:
    """Keeps a picture of the page in ADTRACK_SCREENSHOTS."""
    folder = Path(os.environ.get("ADTRACK_SCREENSHOTS") or tmp_path_factory.mktemp("screenshots"))
    folder.mkdir(parents=True, exist_ok=True)

    def shoot(name: str) -> None:
        page.screenshot(path=folder / f"{name}.png")

    return shoot


@pytest.fixture(scope="module")
def ui(_finished_study) -> Iterator[str]:
    """``mlflow ui`` on the study's store: its address."""
    with mlflow_ui(f"sqlite:///{_finished_study.folder}/mlflow.db") as address:
        yield address


@pytest.fixture(scope="module")
def runs(ui: str) -> str:
    """The address of its experiment's runs."""
    return f"{ui}/#/experiments/1/runs"


def _scroll_to(page: "playwright.Page", wanted: "playwright.Locator") -> None:
    """MLflow draws the part of a list that is in sight: scroll until what is wanted is there."""
    page.get_by_text("cost", exact=True).wait_for()
    page.mouse.move(600, 600)
    for _ in range(60):
        if wanted.count() and wanted.first.is_visible():
            wanted.first.scroll_into_view_if_needed()
            return
        page.mouse.wheel(0, 300)
        page.wait_for_timeout(300)
    raise AssertionError(f"{wanted} is nowhere on the page.")


def test_the_parent_run_tells_the_story(page, shot, runs, _finished_study):
    visit(page, f"{runs}/{_finished_study.parent}")
    page.get_by_text(re.compile("Best of 3 trials: trial ")).wait_for()
    page.get_by_text(re.compile(r"Image AUROC: Val-clean [01]\.\d+ \[")).wait_for()
    shot("parent")
    page.get_by_text("Show more").first.click()
    page.get_by_text(re.compile(r"adtrack score --model models:/adtrack-part/1")).wait_for()
    assert page.get_by_role("cell", name="Test-shift").is_visible()
    shot("parent-note")
    with page.expect_popup() as opened:
        page.get_by_role("link", name="the best trial").click()
    opened.value.wait_for_url(re.compile(_finished_study.best))
    opened.value.close()


def test_the_note_links_to_a_report_that_mlflow_shows(page, runs, _finished_study):
    visit(page, f"{runs}/{_finished_study.parent}")
    with page.expect_popup() as opened:
        page.get_by_role("link", name="The report").click()
    frame = opened.value.frame_locator("iframe")
    frame.get_by_role("heading", name=re.compile("part: the best of 3 trials")).wait_for(timeout=WAIT)
    frame.locator("#optimisation_history .main-svg").first.wait_for(timeout=WAIT)
    opened.value.close()


def test_charts_of_a_trial_are_grouped_by_split(page, shot, runs, _finished_study):
    visit(page, f"{runs}/{_finished_study.best}/model-metrics")
    for group in ("cost", "val_clean", "val_shift", "test_clean"):
        _scroll_to(page, page.get_by_text(group, exact=True))
        shot(f"trial-charts-{group}")


def test_pictures_appear_in_the_image_view(page, shot, runs, _finished_study):
    visit(page, f"{runs}/{_finished_study.best}/model-metrics")
    picture = page.locator("img[src*='val_clean~']").first
    _scroll_to(page, picture)
    assert picture.evaluate("element => element.decode().then(() => element.naturalWidth)") > 100
    shot("trial-images")


def test_a_heatmap_and_the_table_of_images_are_shown(page, shot, runs, _finished_study):
    visit(page, f"{runs}/{_finished_study.best}/artifacts/heatmaps/val_clean.png")
    picture = page.locator("img[src^='blob:'], img[src*='val_clean']").first
    picture.wait_for()
    assert picture.evaluate("element => element.decode().then(() => element.naturalWidth)") > 100
    shot("trial-heatmap")
    visit(page, f"{runs}/{_finished_study.best}/artifacts/scores/val_clean.json")
    page.get_by_text("verdict").first.wait_for()
    page.get_by_text("part/test/spot").first.wait_for()
    shot("trial-scores")


@pytest.fixture
def report(page, _finished_study) -> Iterator[tuple["playwright.Page", list[str]]]:
    """The report opened as a file, and everything it asks for elsewhere or complains of."""
    complaints: list[str] = []
    file = next(_finished_study.folder.glob(f"mlruns/*/{_finished_study.parent}/artifacts/report.html"))
    assert file.stat().st_size < 10e6
    page.on("request", lambda asked: complaints.append(asked.url) if not asked.url.startswith(LOCAL) else None)
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(file.as_uri())
    page.locator("#roc .main-svg").first.wait_for()
    yield page, complaints
    for event in ("request", "console", "pageerror"):
        for listener in page._impl_obj.listeners(event):
            page._impl_obj.remove_listener(event, listener)


def test_the_report_opens_offline_without_a_complaint(report, shot):
    page, complaints = report
    page.wait_for_timeout(1000)
    assert complaints == []
    drawn = page.locator(".plotly-graph-div").evaluate_all("all => all.map(one => [one.id, one.clientWidth])")
    assert {"optimisation_history", "parallel_coordinates", "bank_mb", "shift", "roc", "pro"} <= {
        name for name, _ in drawn
    }
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    shot("report")


def test_the_report_is_sorted_by_a_click(report):
    page, _ = report
    table = page.locator("table.sortable").nth(1)

    def numbers() -> list[float]:
        return [float(text) for text in table.locator("tbody tr td:nth-child(2)").all_inner_texts()]

    heading = table.locator("th", has_text="Trial").first
    heading.locator("button").click()
    assert numbers() == sorted(numbers(), reverse=True) and heading.get_attribute("aria-sort") == "descending"
    heading.locator("button").click()
    assert numbers() == sorted(numbers())


def test_the_report_is_dark_where_the_system_is(report, shot):
    page, _ = report
    page.emulate_media(color_scheme="dark")
    page.wait_for_function("getComputedStyle(document.querySelector('#roc .xtick text')).fill === 'rgb(228, 232, 238)'")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 24, 30)"
    shot("report-dark")
    page.emulate_media(color_scheme="light")


def test_the_pictures_of_the_readme_are_taken(browser, ui, _finished_study, tmp_path):
    report = next(_finished_study.folder.glob(f"mlruns/*/{_finished_study.parent}/artifacts/report.html"))
    taken = take(browser, ui, Shown("1", _finished_study.parent, _finished_study.best, report))
    assert set(taken) == {"report", "mlflow_study", "mlflow_compare", "mlflow_trial"}
    for name, picture in taken.items():
        assert picture.width >= WIDTH and 300 < picture.height < 3000, name
        assert save(picture, tmp_path / f"{name}.png").stat().st_size < 300_000, name
