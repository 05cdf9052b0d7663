"""What the pages say of the methods: words that follow from the numbers that were kept."""

import json
from pathlib import Path

import numpy as np
import pytest

from adtrack.data.imageset import TEST_SETS
from adtrack.evaluation.evaluate import PIXEL_METRICS
from adtrack.evaluation.resampling import Sample
from adtrack.lab.efficiency import Cost
from adtrack.lab.method_tables import methods_frame, ranking_frame, ranking_table, scores_table, standings
from adtrack.lab.methods import MethodScores
from adtrack.reporting.tables import markdown_table
from experiments.method_figures import kept_standings, methods_lines, methods_section

LABELS = np.repeat([0, 1], 60)


def method(name: str, scores: np.ndarray, mark: float, ms: float) -> MethodScores:
    sample, pixel = {"tile": Sample(scores, LABELS, 0.5)}, {"tile": dict.fromkeys(PIXEL_METRICS, mark)}
    cost = Cost("tile", name, 10.0, 0.25, 1.5, ms, 30.0, 900.0)
    return MethodScores(name, dict.fromkeys(TEST_SETS, sample), dict.fromkeys(TEST_SETS, pixel), {"tile": cost}, {})


FOUND = [
    method("patchcore", LABELS * 1.0, 0.5, 70.0),
    method("padim", LABELS * 2.0, 0.75, 95.0),
    method("knn", -LABELS * 1.0, np.nan, 80.0),
    MethodScores("dfm", {}, {}, {}, {}, "layers must be those of the network."),
]


def kept(folder: Path, found: list[MethodScores]) -> Path:
    """The folder with what the experiment leaves in it."""
    (folder / "methods").mkdir()
    methods_frame(found).to_csv(folder / "methods" / "methods.csv", index=False)
    ranking_frame(standings(found)).to_csv(folder / "methods" / "methods_ranking.csv", index=False)
    about = {"command": "adtrack experiment methods", "seed": 42, "device": "cpu", "versions": {"adtrack": "1"}}
    (folder / "methods" / "about.json").write_text(json.dumps(about))
    return folder


def test_the_words_follow_from_the_numbers(tmp_path: Path) -> None:
    told = methods_lines(kept(tmp_path, FOUND))
    assert "- **On clean images** `patchcore` comes first, with an image AUROC of 1.000 [" in told
    told = " ".join(told.split())
    assert "These images cannot tell it from `padim` (1.000). Clearly behind it is `knn` (0.000)." in told
    assert "by `padim` on clean images (AU-PRO 0.750) and by `padim` on shifted images (AU-PRO 0.750)" in told
    assert "An image takes 70 ms (`patchcore`) to 95 ms (`padim`)" in told
    assert told.endswith("- `dfm` could not be measured: layers must be those of the network.")
    assert max(map(len, methods_lines(tmp_path).splitlines())) <= 120


def test_the_tables_are_those_of_the_experiment(tmp_path: Path) -> None:
    told = methods_section(kept(tmp_path, FOUND))
    assert kept_standings(tmp_path) == standings(FOUND)
    assert markdown_table(ranking_table(standings(FOUND))) in told
    for test in TEST_SETS:
        assert markdown_table(scores_table(FOUND[:3], test)) in told
    assert "knn scores whole images only, so it has no pixel metrics." in told
    assert told.endswith("`adtrack experiment methods` (seed 42, cpu; adtrack 1).\n")


@pytest.mark.parametrize("found", [FOUND[:1], FOUND[2:]])
def test_one_method_is_enough(found: list[MethodScores], tmp_path: Path) -> None:
    told = methods_lines(kept(tmp_path, found))
    assert "comes first" in told and "cannot tell" not in told and "Clearly" not in told
    assert ("marked best" in told) == (found[0].method == "patchcore")
    assert "| 1 | " in methods_section(tmp_path)


def test_without_results_the_pages_say_nothing(tmp_path: Path) -> None:
    assert methods_lines(tmp_path) == methods_section(tmp_path) == ""
