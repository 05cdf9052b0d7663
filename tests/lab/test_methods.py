"""All methods beside each other: scores, costs and pictures of each, and a row for one that fails."""

import math
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from adtrack.data.imageset import TEST_SETS, parse_name
from adtrack.detectors import DETECTORS
from adtrack.detectors.knn import KnnSpec
from adtrack.errors import UserError
from adtrack.evaluation.intervals import difference
from adtrack.evaluation.pictures.side_by_side import SIDE
from adtrack.lab import efficiency, methods
from adtrack.lab.cells import Cells
from adtrack.lab.efficiency import COLUMNS
from adtrack.lab.method_pictures import PICTURE, as_strip, from_strip, method_sheet, pictured_images
from adtrack.lab.method_tables import (
    METRICS,
    auroc_chart,
    cost_chart,
    method_costs,
    method_lines,
    methods_frame,
    ranking_frame,
    ranking_table,
    reference_of,
    scores_table,
    standings,
)
from adtrack.lab.methods import MethodScores, measure_methods
from adtrack.lab.own_process import in_own_process
from adtrack.lab.regimes import model_cell
from adtrack.lab.rows import MACRO
from adtrack.lab.setup import Setup
from adtrack.tracking.run_contents import run_file
from tests.another_method import FarImage, FarImageSpec


@pytest.fixture
def found(cells: Cells, setup: Setup, monkeypatch: pytest.MonkeyPatch) -> list[MethodScores]:
    """A method with maps, one whose layer is nowhere, one without maps, and the reference last."""
    monkeypatch.setitem(DETECTORS, "far-image", FarImage)
    monkeypatch.setattr(efficiency, "_IMAGES", 2)
    monkeypatch.setattr(methods, "in_own_process", lambda measure, *given: measure(*given))
    patchcore, padim = setup.detectors
    lost = KnnSpec(("layer9",))
    return measure_methods(cells, replace(setup, detectors=(padim, lost, FarImageSpec(1.0, "layer2"), patchcore)))


def test_methods_are_compared_on_the_same_images(found: list[MethodScores], cells: Cells, setup: Setup) -> None:
    assert [bool(one.failure) for one in found] == [False, True, False, False]
    assert cells.failed == [f"knn: {found[1].failure}"] and "layer9" in found[1].failure
    assert reference_of(found) == "patchcore" and reference_of(found[:3]) == "padim"
    alone = model_cell(cells, setup.bench("part"), setup.detectors[0], "clean", ("val_clean", *TEST_SETS))
    for test in TEST_SETS:
        assert found[3].samples[test]["part"].scores.tolist() == alone.scores("part", test).scores.tolist()
        assert found[3].pixel[test]["part"] == alone.pixel("part", test)
        assert math.isnan(found[2].pixel[test]["part"]["pixel_auroc"])

    lines = method_lines(found, "test_shift")
    assert [line.names["method"] for line in lines] == ["padim", "far-image", "patchcore"]
    assert [bool(line.differences) for line in lines] == [True, True, False]
    samples = [one.samples["test_shift"] for one in (found[0], found[3])]
    assert lines[0].differences == {metric: difference(*samples, metric) for metric in METRICS}

    tables_say_what_is_missing_and_why(found)
    of_several_classes_the_mean_is_ranked(found)


def tables_say_what_is_missing_and_why(found: list[MethodScores]) -> None:
    table = scores_table(found, "test_clean")
    headings = [column.heading for column in table.columns]
    assert headings == [
        *("class", "method", "image AUROC", "AUPRC", "F1"),
        *("image AUROC\ndifference", "AUPRC\ndifference", "F1\ndifference", "pixel AUROC", "AU-PRO 0.30"),
    ]
    assert [row[1] for row in table.rows] == ["padim", "far-image", "patchcore", "knn"]
    assert set(table.rows[3][2:]) == {"–"} and table.rows[1][-2:] == ("–", "–") and table.rows[2][5:8] == ("",) * 3
    assert f"knn could not be measured: {found[1].failure}" in table.notes
    assert "Differences are to patchcore. far-image scores whole images only" in table.notes

    numbers = methods_frame(found)
    assert list(numbers["method"]) == [*["padim", "far-image", "patchcore"] * 2, "knn"]
    assert list(numbers["set"][:6]) == ["test_clean"] * 3 + ["test_shift"] * 3
    assert list(numbers["failure"].notna()) == [False] * 6 + [True]
    assert {*METRICS, "image_auroc_diff_low", "f1_diff_high", "pixel_auroc", *COLUMNS} <= set(numbers)
    costs = method_costs(found)
    assert [row[1] for row in costs.rows] == ["padim", "far-image", "patchcore"]
    assert costs.rows[2][2] == str(round(0.1 * 8 * 64)) and float(costs.rows[2][-1]) > 50

    ranked = standings(found)
    assert [(one.class_name, one.test, len(one.ranked)) for one in ranked] == [("part", test, 3) for test in TEST_SETS]
    told = ranking_table(ranked)
    assert [row[1] for row in told.rows] == ["Test-clean"] * 3 + ["Test-shift"] * 3
    assert told.rows[0][5] == "" and told.rows[1][5].startswith(("−", "0"))
    assert len(ranking_frame(ranked)) == 6
    for chart in (auroc_chart(found, "Methods"), cost_chart(found, "Methods")):
        assert chart.title == "Methods (part)" and set(chart.kind.series) == {"Test-clean", "Test-shift"}


def of_several_classes_the_mean_is_ranked(found: list[MethodScores]) -> None:
    def twice(one: MethodScores) -> MethodScores:
        samples = {test: {**some, "other": some["part"]} for test, some in one.samples.items()}
        pixel = {test: {**some, "other": some["part"]} for test, some in one.pixel.items()}
        costs = {**one.costs, "other": replace(one.costs["part"], size_mb=one.costs["part"].size_mb + 2)}
        return replace(one, samples=samples, pixel=pixel, costs=costs)

    both = [twice(found[0]), twice(found[3])]
    assert [one.class_name for one in standings(both)] == [MACRO] * 2
    rows = method_costs(both).rows
    assert [row[0] for row in rows] == ["part"] * 2 + ["other"] * 2 + [MACRO] * 2
    assert float(rows[4][3]) == pytest.approx(found[0].costs["part"].size_mb + 1, abs=0.05)


def test_the_sheet_has_a_column_for_every_method_and_cells_are_kept(
    found: list[MethodScores], setup: Setup, fresh: Callable[[], Cells], monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = setup.unseen().bench("part")
    chosen = pictured_images(bench)
    labels = bench.opened.images("test_clean").labels
    assert [name for name, _ in chosen] == list(TEST_SETS) * (len(chosen) // 2)
    assert [int(labels[index]) for _, index in chosen[::2]] == [1] * (len(chosen) // 2 - 1) + [0]
    sizes = [bench.display(name, index).mask.sum() for name, index in chosen[:-2:2]]
    assert sizes == sorted(sizes) and len(set(chosen)) == len(chosen)

    one, other = ({some.method: some.cells["part"] for some in found[at:]} for at in (3, 2))
    narrow, wide = (method_sheet(bench, columns) for columns in (one, other))
    column = wide.shape[1] - narrow.shape[1]
    assert column > SIDE and narrow.shape[0] == wide.shape[0] and narrow.shape[1] // column == 2
    cell = found[3].cells["part"]
    squares = from_strip(run_file(cell.run_id, PICTURE), len(chosen))
    assert all((wide == square[64, 64]).all(axis=-1).any() for square in squares)
    with pytest.raises(UserError, match="3 squares of 128 pixels"):
        from_strip(run_file(cell.run_id, PICTURE), 3)

    monkeypatch.setattr(methods, "in_own_process", lambda *given: pytest.fail("it is measured again"))
    cells = fresh()
    (again,) = measure_methods(cells, replace(setup, detectors=setup.detectors[:1]))
    assert again.costs == found[3].costs and [cell.reused for cell in cells.used] == [True]


def test_pictures_lie_in_the_middle_of_their_squares(tmp_path: Path) -> None:
    tall = np.full((SIDE, 60, 3), 7, dtype=np.uint8)
    strip = as_strip([tall, tall[:10]])
    Image.fromarray(strip).save(tmp_path / "strip.png")
    first, second = from_strip(tmp_path / "strip.png", 2)
    assert (first[:, 34:94] == 7).all() and (first[:, :34] == 255).all() and (second[59:69, 34:94] == 7).all()
    (tmp_path / "strip.png").write_bytes(b"no picture")
    with pytest.raises(UserError, match="delete its run"):
        from_strip(tmp_path / "strip.png", 2)


def test_all_methods_may_fail(cells: Cells, setup: Setup) -> None:
    failed = measure_methods(cells, replace(setup, detectors=(KnnSpec(("layer9",)),)))
    assert len(scores_table(failed, "test_clean").rows) == len(methods_frame(failed)) == 1
    assert standings(failed) == []


def test_a_process_of_its_own_tells_what_it_refuses_and_that_it_was_killed() -> None:
    assert in_own_process(math.sqrt, 4.0) == 2.0
    with pytest.raises(UserError, match="an image set must be called") as refused:
        in_own_process(parse_name, "nothing")
    assert refused.value.hint.startswith("a severity follows")
    with pytest.raises(UserError, match="more memory than there is"):
        in_own_process(os._exit, 1)
