"""A table that is wider than its page, in a browser."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from adtrack.reporting.document import Section, document
from adtrack.reporting.files import write_text
from adtrack.reporting.parts import SortableTable
from adtrack.reporting.table import Column, Table
from adtrack.reporting.tables import page

pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install -e '.[test]'")

TABLE = Table(
    "Trials",
    tuple(Column(f"Val-clean\nmetric {place}") for place in range(12)),
    (tuple(f"{place}.123 [0.111, 0.999]" for place in range(12)),) * 2,
    "",
    frozenset({0}),
)
PLACES = "[...document.querySelectorAll('tbody td')].slice(0, 12).map(cell => cell.getBoundingClientRect())"


def wait_until(done: Callable[[], bool]) -> None:
    """Not by the page itself: its policy lets no other script run than its own."""
    deadline = time.monotonic() + 30
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.browser
@pytest.mark.parametrize("kind", ["report", "tables"])
def test_every_column_comes_into_sight_and_the_first_one_stays(browser, tmp_path: Path, kind: str) -> None:
    text = page([TABLE], "t") if kind == "tables" else document("t", [Section("Trials", [SortableTable(TABLE)])])
    file = write_text(tmp_path / "page.html", text)
    shown = browser.new_page(viewport={"width": 900, "height": 600})
    shown.goto(file.as_uri())
    assert shown.evaluate("document.documentElement.scrollWidth") == 900  # the page itself stays where it is
    places = shown.evaluate(PLACES)
    assert places[0]["left"] >= 0 and places[-1]["right"] > 900
    assert places[0]["width"] < 200 and places[0]["height"] > 40  # the interval is below its number
    shown.locator(".wide").focus()
    for _ in range(60):
        shown.keyboard.press("ArrowRight")
    wait_until(lambda: shown.evaluate(PLACES)[-1]["right"] <= 900)
    assert shown.evaluate(PLACES)[0]["left"] == places[0]["left"]
    shown.set_viewport_size({"width": 2600, "height": 600})
    wait_until(lambda: shown.evaluate(PLACES)[0]["height"] < 40)  # where there is room, it is beside it
    shown.close()
