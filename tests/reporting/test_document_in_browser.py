"""A document as a browser shows it: its policy allows its own style and script, headings sort, narrow screens do."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from adtrack.evaluation.pictures.before_after import Pair
from adtrack.palette import LIGHT
from adtrack.reporting.document import Section, document
from adtrack.reporting.files import write_text
from adtrack.reporting.parts import Command, Pairs, Paragraph, Picture, PictureRow, SortableTable
from adtrack.reporting.table import Column, Table

playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install -e '.[test]'")

pytestmark = pytest.mark.browser
ROWS = (("b", "0.5 [0.1, 0.9]"), ("a", "–"), ("c", "−2"), ("d", "10"))
TABLE = Table("Numbers", (Column("Name", number=False), Column("Value")), ROWS, "Notes.")
PICTURE = np.full((200, 900, 3), 90, np.uint8)


@pytest.fixture
def tab(browser, tmp_path: Path) -> Iterator["playwright.Page"]:
    """A document of every part but figures; nothing may be said in its console, and it must ask for nothing."""
    row = PictureRow([("A caption", Picture(PICTURE, "a picture"))])
    sections = [
        Section("Table", [SortableTable(TABLE)]),
        Section(
            "Pictures", [row, Picture(PICTURE, "another"), Pairs([Pair(PICTURE[:, :90], PICTURE[:, :90], "x", "y")])]
        ),
    ]
    lead = [Paragraph("word " * 50 + "x" * 200), Command("adtrack score " + "y" * 200)]
    file = write_text(tmp_path / "page.html", document("z" * 200, sections, lead))
    page = browser.new_page(viewport={"width": 1000, "height": 800}, color_scheme="light")
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda asked: said.append(asked.url) if not asked.url.startswith(("file:", "data:")) else None)
    page.goto(file.as_uri())
    yield page
    page.close()
    assert said == []


def names(tab: "playwright.Page") -> str:
    return "".join(tab.locator("tbody td:first-child").all_text_contents())


def test_headings_sort_by_number_and_by_name(tab) -> None:
    value, name = tab.locator("th button").nth(1), tab.locator("th button").nth(0)
    value.focus()
    tab.keyboard.press("Enter")
    assert names(tab) == "dbca" and tab.locator("th").nth(1).get_attribute("aria-sort") == "descending"
    tab.keyboard.press("Enter")
    assert names(tab) == "cbda"
    name.click()
    assert names(tab) == "abcd" and tab.locator("[aria-sort]").count() == 1


def test_its_own_style_counts(tab) -> None:
    ground = tab.evaluate("getComputedStyle(document.body).getPropertyValue('--ground')")
    assert ground.strip() == LIGHT.ground
    assert tab.locator("img").evaluate_all("all => all.every(one => one.naturalWidth > 0)")


def test_a_narrow_screen_shows_all_of_it(tab) -> None:
    tab.set_viewport_size({"width": 320, "height": 600})
    assert tab.evaluate("document.documentElement.scrollWidth") == 320
