"""A page takes the light or the dark theme, as the reader's system is set, and so do its figures."""

from pathlib import Path

import pytest

from adtrack.palette import DARK, LIGHT
from adtrack.reporting.charts import Chart, Spot, write_chart
from adtrack.reporting.description import Scatter

pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install -e '.[test]'")

CHART = Chart("Title", "x", "y", Scatter({"a": [Spot(1, 2), Spot(2, 3)]}))
COLOURS = """() => [getComputedStyle(document.body).backgroundColor,
  document.querySelector('.main-svg').style.backgroundColor || document.querySelector('.main-svg').style.background,
  document.querySelector('.xtick text').style.fill]"""


def rgb(colour: str) -> str:
    """A hexadecimal colour as browsers tell it."""
    return f"rgb({', '.join(str(part) for part in bytes.fromhex(colour[1:]))})"


@pytest.mark.browser
def test_a_figure_follows_the_readers_system(browser, tmp_path: Path) -> None:
    file, _ = write_chart(CHART, tmp_path, "chart")
    said: list[str] = []
    shown = browser.new_page(color_scheme="dark")
    shown.on("pageerror", lambda error: said.append(str(error)))
    shown.goto(file.as_uri())
    for scheme, theme in (("dark", DARK), ("light", LIGHT)):
        shown.emulate_media(color_scheme=scheme)
        shown.wait_for_function(f"({COLOURS})()[2] === '{rgb(theme.ink)}'")
        assert shown.evaluate(COLOURS) == [rgb(theme.ground), rgb(theme.ground), rgb(theme.ink)]
    shown.close()
    assert said == []
