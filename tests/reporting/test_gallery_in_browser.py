"""The gallery as a browser shows it: sorted, filtered, enlarged; nothing hostile runs, and nothing outside is asked."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from adtrack.reporting.gallery import Gallery, ScoredImage, SmallPicture

playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install -e '.[test]'")

pytestmark = [pytest.mark.slow, pytest.mark.browser]
NAME = "</script><script>document.title = 'run'</script><img src=x onerror=\"document.title='run'\">"


@pytest.fixture
def tab(browser) -> Iterator["playwright.Page"]:
    """A page whose console must stay silent and which must ask for nothing but files."""
    page = browser.new_page(viewport={"width": 1200, "height": 900})
    said, asked = [], []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    yield page
    page.close()
    assert said == [] and {url.partition(":")[0] for url in asked} <= {"file", "data"}


PICTURE = np.full((30, 40, 3), 90, np.uint8)


def scored(name: str, score: float, image: str = "", overlay: str = "") -> ScoredImage:
    return ScoredImage(name, score, score >= 2, SmallPicture.of(PICTURE, PICTURE + 100), image, overlay)


@pytest.fixture
def gallery(tmp_path) -> Path:
    """Three images and a failed one of nine; the files of one are there in full, though smaller than promised."""
    Image.new("RGB", (20, 15)).save(tmp_path / "full.png")
    with Gallery(tmp_path / "page.html", "models:/adtrack-part/3", 2.0, 9) as gallery:
        gallery.add(scored("low.png", 1.25))
        gallery.add(scored("high.png", 4.5, "full.png", "full.png"))
        gallery.add(scored(NAME, 2.0))
        gallery.add_failure("broken.png", "image must be readable, but <b>broken.png</b> is corrupt.")
    return tmp_path / "page.html"


def shown(tab: "playwright.Page") -> list[str]:
    return tab.locator("#grid b").all_text_contents()


def test_most_anomalous_first_under_a_histogram(tab, gallery):
    tab.goto(gallery.as_uri())
    assert tab.title() == "Scores of 9 images"
    assert "models:/adtrack-part/3 calls 2 of 3 images anomalous (score ≥ 2.000). 1 could not" in tab.inner_text("body")
    assert "No score so far: 5 of 9 (scoring was stopped or is still running)." in tab.inner_text("#summary")
    assert shown(tab) == ["4.500 anomalous", "2.000 anomalous", "1.250 good", "not scored"]
    kinds = tab.locator("#grid > *").evaluate_all("all => all.map(one => one.className || one.tagName)")
    assert kinds == ["anomalous", "anomalous", "HR", "good", "failed"]
    assert NAME in tab.inner_text("#grid") and "<b>broken.png</b>" in tab.inner_text("#grid .failed")
    bars = tab.locator("#histogram rect").evaluate_all("all => all.map(one => one.getAttribute('class'))")
    assert bars == ["good", "anomalous", "anomalous"]
    assert "threshold 2.000" in tab.text_content("#histogram")


def test_filter_order_and_search(tab, gallery):
    tab.goto(gallery.as_uri())
    for button, found in {"Anomalous 2": 2, "Good 1": 1, "Failed 1": 1, "All 4": 4}.items():
        tab.get_by_role("button", name=button).click()
        assert len(shown(tab)) == found
    tab.select_option("#order", "near")
    assert shown(tab) == ["2.000 anomalous", "1.250 good", "4.500 anomalous", "not scored"]
    tab.select_option("#order", "name")
    assert shown(tab)[1:3] == ["4.500 anomalous", "1.250 good"]
    tab.fill("#search", "HIGH")
    assert shown(tab) == ["4.500 anomalous"]


def test_a_click_enlarges_from_the_files_or_without_them(tab, gallery):
    tab.goto(gallery.as_uri())
    tab.locator("#grid > button").first.click()
    assert tab.inner_text("dialog b") == "4.500 anomalous"
    for side in ("left", "right"):
        playwright.expect(tab.locator(f".pane.{side} img")).to_have_js_property("naturalWidth", 20)
    tab.keyboard.press("ArrowRight")
    assert tab.inner_text("dialog b") == "2.000 anomalous" and tab.locator(".pane img").count() == 0
    box = tab.locator(".pane.left").bounding_box()
    assert abs(box["width"] / box["height"] - 40 / 30) < 0.05 and box["width"] > 300
    assert "data:image/jpeg" in tab.locator(".pane.left").evaluate("one => getComputedStyle(one).backgroundImage")
    tab.keyboard.press("Escape")
    assert not tab.locator("dialog").is_visible()


def test_a_model_without_heatmaps_has_images_and_scores(tab, tmp_path):
    Image.new("RGB", (20, 15)).save(tmp_path / "full.png")
    with Gallery(tmp_path / "page.html", "models:/m-1", 2.0, 2) as gallery:
        gallery.add(replace(scored("low.png", 1.25, "full.png"), small=SmallPicture.of(PICTURE, None)))
        gallery.add_failure("broken.png", "corrupt.")
    tab.goto((tmp_path / "page.html").as_uri())
    assert "no heatmap" in tab.inner_text("body") and "Bright regions" not in tab.inner_text("body")
    assert tab.locator("#grid img").get_attribute("alt") == "The image"
    tab.locator("#grid > button").first.click()
    playwright.expect(tab.locator(".pane.left img")).to_have_js_property("naturalWidth", 20)
    assert not tab.locator(".pane.right").is_visible()
    box = tab.locator(".pane.left").bounding_box()
    assert abs(box["width"] / box["height"] - 40 / 30) < 0.05 and box["width"] > 300


def test_a_narrow_screen_shows_all_of_a_page(tab, gallery):
    tab.set_viewport_size({"width": 320, "height": 600})
    tab.goto(gallery.as_uri())
    assert tab.evaluate("document.documentElement.scrollWidth") == 320


def test_a_page_that_was_cut_off_in_an_image_shows_the_others(tab, gallery):
    text = gallery.read_text(encoding="utf-8")
    cut = gallery.with_name("cut.html")
    cut.write_text(text[: text.index('{"name": "high.png"') + 200], encoding="utf-8")
    tab.goto(cut.as_uri())
    assert shown(tab) == ["1.250 good"] and "No score so far: 8 of 9" in tab.inner_text("#summary")


def test_images_are_drawn_as_far_as_the_window_reaches(tab, tmp_path):
    with Gallery(tmp_path / "page.html", "models:/m-1", 2.0, 700) as gallery:
        for number in range(700):
            gallery.add(scored(f"{number}.png", number / 100))
    tab.goto((tmp_path / "page.html").as_uri())
    tab.wait_for_timeout(300)
    assert tab.locator("#grid img").count() < 200
    tab.set_viewport_size({"width": 3000, "height": 2000})
    playwright.expect(tab.locator("#grid img").nth(150)).to_be_attached()
    tab.wait_for_timeout(300)
    drawn = tab.locator("#grid img").count()
    assert drawn < 700
    tab.mouse.wheel(0, 100_000)
    playwright.expect(tab.locator("#grid img").nth(drawn)).to_be_attached()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_stand_out_from_their_ground(tab, gallery, scheme):
    """Contrast of at least 4.5, which WCAG 2.1 asks for (success criterion 1.4.3)."""
    tab.emulate_media(color_scheme=scheme)
    tab.goto(gallery.as_uri())
    colours = tab.evaluate(
        """() => [["#summary", "body"], ["#grid .anomalous b", "#grid .anomalous"], ["#grid .good span", "#grid .good"],
        ["nav [aria-pressed=true]", "nav [aria-pressed=true]"]].map(([words, ground]) => [
        getComputedStyle(document.querySelector(words)).color,
        getComputedStyle(document.querySelector(ground)).backgroundColor])"""
    )
    for words, ground in colours:
        light, dark = sorted((luminance(words), luminance(ground)), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5, (words, ground)


def luminance(colour: str) -> float:
    """Relative luminance of ``rgb(r, g, b)`` (WCAG 2.1)."""
    channels = [int(part) / 255 for part in colour.removeprefix("rgb(").removesuffix(")").split(",")]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in channels]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_a_page_of_some_says_of_which(tab, tmp_path):
    with Gallery(tmp_path / "page.html", "models:/m-1", 2.0, 700, only="the 2 with the highest scores") as gallery:
        gallery.add(scored("high.png", 4.5))
        gallery.add_failure("broken.png", "corrupt.")
    tab.goto((tmp_path / "page.html").as_uri())
    said = "Shown are the 2 with the highest scores of 700 images, scored by models:/m-1 (anomalous: score ≥ 2.000)"
    assert tab.inner_text("#summary") == f"{said}. 1 could not be scored."
    assert shown(tab) == ["4.500 anomalous", "not scored"]
