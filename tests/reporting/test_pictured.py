"""A page of images as points: it holds all that it shows; pointing at one shows its image, and a click keeps it."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from adtrack.reporting.charts import Cloud, Swarm
from adtrack.reporting.pictured import write_pictured

HOSTILE = "<script src='http://evil'></script> </title>"
SWARMS = [Swarm("Train", "good", [(0, 0), (1, 1)], ["a", HOSTILE]), Swarm("Test", "dent", [(2, 3)], ["c"])]


@pytest.fixture
def page(tmp_path: Path) -> Path:
    pictures = [[np.full((30, 20, 3), 90, np.uint8)] * len(swarm.points) for swarm in SWARMS]
    return write_pictured(f"Map {HOSTILE}", "A note.", Cloud(SWARMS), pictures, tmp_path / "new", "map")


def test_the_page_holds_its_pictures_and_fetches_nothing(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert HOSTILE not in text
    images = json.loads(re.search(r'<script type="application/json" id="images">(.*?)</script>', text)[1])
    assert [[one["words"] for one in some] for some in images] == [["a", HOSTILE], ["c"]]
    assert all(one["jpeg"].startswith("/9j/") for some in images for one in some)
    tags = re.findall(r"<(?:script|link|img|iframe)\b[^>]*>", text.split("plotly.js v")[0] + text[-20_000:])
    assert tags and not any("src=" in tag or "href=" in tag for tag in tags)


@pytest.mark.browser
def test_pointing_shows_an_image_and_a_click_keeps_it(page: Path, browser) -> None:
    tab = browser.new_page(viewport={"width": 1200, "height": 800})
    said: list[str] = []
    tab.on("console", lambda message: said.append(message.text))
    tab.on("pageerror", lambda error: said.append(str(error)))
    tab.on("request", lambda asked: said.append(asked.url) if not asked.url.startswith(("file:", "data:")) else None)
    tab.goto(page.as_uri())
    points = tab.locator(".scatterlayer .point")
    assert points.count() == 3
    centre = points.nth(1).bounding_box()
    tab.mouse.move(centre["x"] + centre["width"] / 2, centre["y"] + centre["height"] / 2)
    tab.wait_for_selector("#shown img")
    assert tab.locator("#shown figcaption").inner_text() == HOSTILE
    assert tab.evaluate("document.querySelector('#shown img').naturalHeight") == 30
    tab.mouse.down()
    tab.mouse.up()
    tab.wait_for_selector("#kept img")
    tab.locator("#kept button").click()
    assert tab.locator("#kept img").count() == 0 and said == []
    tab.close()
