from dataclasses import replace

import numpy as np
import pytest

from adtrack.config import BackboneSpec, DataSpec, ImageSpec
from adtrack.detectors.patchcore_spec import PatchCoreSpec
from adtrack.errors import UserError
from adtrack.evaluation.building import build
from adtrack.evaluation.pictures.sheets import VERDICTS
from adtrack.evaluation.pictures.side_by_side import SIDE, ComparedImage, Look, compare, comparison_sheet, look
from adtrack.evaluation.workbench import Workbench

GREY = np.full((60, 60, 3), 128, dtype=np.uint8)


def row(anomalous: bool, *scores: float) -> ComparedImage:
    mask = np.zeros((60, 60), dtype=bool)
    mask[20:30, 20:30] = anomalous
    return ComparedImage(GREY, mask, "scratch 001, clean", anomalous, [Look(score, 1.0, GREY) for score in scores])


def test_the_sheet_has_a_row_an_image_and_a_column_a_bank():
    small = comparison_sheet([row(True, 2.0)], ["1. trial 3\nlayer2"])
    wide = comparison_sheet([row(True, 2.0, 0.5)], ["1. trial 3\nlayer2", "2. trial 5\nlayer3"])
    tall = comparison_sheet([row(True, 2.0), row(False, 2.0)], ["1. trial 3\nlayer2"])
    assert wide.shape[1] - small.shape[1] >= SIDE and wide.shape[0] == small.shape[0]
    assert tall.shape[0] - small.shape[0] >= SIDE and tall.shape[1] == small.shape[1]


@pytest.mark.parametrize(("anomalous", "score"), [(True, 2.0), (True, 0.5), (False, 2.0), (False, 0.5)])
def test_the_frame_tells_right_from_wrong_calls(anomalous, score):
    sheet = comparison_sheet([row(anomalous, score)], ["a model"])
    shown = {verdict for verdict, (_, colour) in VERDICTS.items() if np.all(sheet == colour, axis=2).sum() > 4 * SIDE}
    assert shown == {(anomalous, score >= 1.0)}


def test_a_model_without_heatmaps_shows_the_image_in_the_same_frame():
    seen = row(True, 2.0)
    without = replace(seen, looks=[Look(2.0, 1.0)])
    assert np.array_equal(comparison_sheet([without], ["a model"]), comparison_sheet([seen], ["a model"]))


def test_a_look_that_is_missing_is_refused():
    with pytest.raises(UserError, match="by every model"):
        comparison_sheet([row(True, 2.0)], ["one", "two"])


def test_banks_say_of_an_image_what_they_said_when_all_were_scored(tiny_data):
    weights, layers = BackboneSpec("resnet18", "random", 1), ("layer2", "layer3")
    bench = Workbench.open(DataSpec("part", str(tiny_data)), ImageSpec(72, 64), weights, layers, "cpu")
    built = [build(bench, PatchCoreSpec((layer,), 1, 0.1)) for layer in ("layer2", "layer3")]
    rows = compare(bench, [one.scorer for one in built], [("val_clean", 0), ("val_shift", 2)])
    for at, (name, index) in enumerate((("val_clean", 0), ("val_shift", 2))):
        place = ("val_clean", "val_shift").index(name)
        for seen, one in zip(rows[at].looks, built, strict=True):
            assert seen.score == float(one.evaluations[place].scored.scores[index])
            assert seen.threshold == one.scorer.calibration.threshold
            judged = one.scorer.judge(bench.opened.images(name).image(index))
            shown = bench.display(name, index).image
            assert np.array_equal(seen.overlay, look(one.scorer, judged, shown).overlay)
    assert rows[1].name.endswith(", shift")
    assert comparison_sheet(rows, ["a", "b"]).dtype == np.uint8
