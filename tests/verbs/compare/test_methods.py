"""Models of two methods, one of them without anomaly maps: they are compared, drawn and promoted over each other."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from adtrack.detectors import DETECTORS
from adtrack.verbs.compare.pictures import draw
from adtrack.verbs.compare.tables import explanations
from adtrack.verbs.compare.verb import compare
from tests.another_method import FarImage

OWN = {"patchcore": ("--layers", "layer2", "--coreset-fraction", "0.1"), "far-image": ("--far-layer", "layer1")}


@pytest.fixture
def versions(
    workplace: Path, adtrack: Callable[..., Any], part: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> dict[str, str]:
    """What build-bank says of a registered version of each of the two methods."""
    monkeypatch.setitem(DETECTORS, "far-image", FarImage)
    told = {}
    for method, own in OWN.items():
        done = adtrack("build-bank", *part, "--method", method, *own, "--register")
        assert done.code == 0, done.err
        told[method] = done.out
    return told


@pytest.mark.slow
def test_a_method_without_maps_beside_one_with_maps(
    versions: dict[str, str], workplace: Path, adtrack: Callable[..., Any]
) -> None:
    assert re.search(r"^PatchCore: \d+ patches, ", versions["patchcore"], re.MULTILINE)
    assert re.search(r"^Far: 1 means, ", versions["far-image"], re.MULTILINE)
    assert "No pixel metrics: Far scores whole images only.\n" in versions["far-image"]
    assert "No pixel metrics" not in versions["patchcore"]

    asked = ["models:/adtrack-part/1", "models:/adtrack-part/2"]
    found = compare(asked, any_split=False)
    assert [run.method for run in found.runs] == list(OWN)
    metrics = {contrast.metric for one in found.sets for contrast in one.contrasts[0]}
    assert "image_auroc" in metrics and not any(metric.startswith("pixel") for metric in metrics)
    words = "B scores whole images only: there are no heatmaps and no pixel metrics to compare."
    assert words in explanations(found)
    done = adtrack("compare", *asked, "--out", "compared", "--device", "cpu")
    assert done.code == 0 and words in done.out and words in (workplace / "compared/compare.html").read_text()

    rows = [row for sheet in draw(found, None, "cpu").sheets for row in sheet.rows]
    assert rows and all(row.looks[0].overlay is not None and row.looks[1].overlay is None for row in rows)

    done = adtrack("promote", "--class", "part", "--version", "2", "--margin", "0.99", "--device", "cpu")
    assert done.code in (0, 1) and re.search(r"reproduces its scores: \d+ images, the same to the bit", done.out)
    assert "not worse on val_clean: image AUROC" in done.out


def test_runs_of_methods_with_maps_have_nothing_to_explain(banks: Any) -> None:
    found = compare(banks.runs[:2], any_split=False)
    assert {run.method for run in found.runs} == {"patchcore"} and len(explanations(found)) == 1
