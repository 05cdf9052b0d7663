"""Names with markup in them, of a class, a defect and images, are text on every page that adtrack writes."""

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install -e '.[test]'")

EVIL = "<img src=x onerror=evil=1>"  # a folder's name has no slash, so this is the worst that one can hold
VIEW = ("--resize", "64", "--crop", "0", "--backbone", "resnet18", "--weights", "random", "--device", "cpu")
SPACE = ("--space-layers", "layer2", "--space-patch-size", "1,3", "--space-coreset-fraction", "0.1")
INJECTED = "[window.evil, document.querySelectorAll('[src=x], [onerror]').length]"


@pytest.fixture
def hostile(tmp_path: Path, write_part) -> Path:
    """A data root whose class, one of whose defects and all of whose images have markup in their names."""
    root = write_part(tmp_path / "hostile")
    for folder in ("test", "ground_truth"):
        (root / "part" / folder / "spot").rename(root / "part" / folder / f"spot{EVIL}")
    for file in list(root.rglob("*.png")):
        file.rename(file.with_name(f"{EVIL}{file.name}"))
    (root / "part").rename(root / f"part{EVIL}")
    return root


@pytest.fixture
def pages(workplace: Path, adtrack, hostile: Path) -> Iterator[Path]:
    """Every page that the verbs write of it."""
    options = ("--class", f"part{EVIL}", "--data", hostile)
    for command in (
        ("tune", *options, *VIEW, *SPACE, "--trials", 2),
        ("score", "--model", f"models:/adtrack-part{EVIL}/1", hostile, "--out", "scored"),
        ("export", "--class", f"part{EVIL}", "--out", "exported"),
        ("make-shift", *options, "--out", "shifted"),
    ):
        done = adtrack(*command)
        assert done.code == 0, done.err
    from adtrack.tracking.store import search_runs

    trials = [run.info.run_id for run in search_runs("tags.`adtrack.role` = 'trial'")]
    done = adtrack("compare", *trials, "--out", "compared")
    assert done.code == 0, done.err
    return workplace


@pytest.mark.slow
@pytest.mark.browser
def test_no_name_becomes_a_node(pages: Path, browser) -> None:
    files = sorted(path for path in pages.rglob("*.html") if hostile_text(path))
    names = {file.name for file in files}
    assert {"report.html", "best_trials.html", "gallery.html", "pairs.html", "compare.html"} <= names
    assert {"optimisation_history.html", "parallel_coordinates.html"} <= names
    for file in files:
        page = browser.new_page()
        page.goto(file.as_uri())
        page.wait_for_load_state("load")
        if file.name == "gallery.html":
            page.locator("#grid > button").first.click()
        page.wait_for_timeout(500)  # an image that is not there says so a moment later
        assert page.evaluate(INJECTED) == [None, 0], file
        page.close()


def hostile_text(file: Path) -> bool:
    """Whether a page tells of the names at all."""
    return "onerror" in file.read_text(encoding="utf-8")
