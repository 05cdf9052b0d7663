"""A method plain and built for drift: what of its specification counts, and what gives the threshold."""

from dataclasses import replace

import numpy as np
import pytest

from adtrack.config import DetectorSpec
from adtrack.detectors.knn import KnnSpec
from adtrack.detectors.padim import PadimSpec
from adtrack.detectors.patchcore_spec import PatchCoreSpec
from adtrack.errors import UserError
from adtrack.evaluation.thresholds import f1_threshold
from adtrack.lab.cells import Cells
from adtrack.lab.drift import built_model, drift_cell, models, plain_model
from adtrack.lab.setup import Setup

SPEC = PatchCoreSpec(("layer2",), coreset_fraction=0.1, reweight_neighbours=3)
ASKED = replace(SPEC, augment=1, augment_severity=0.5, whiten=0.1)


class Undrifting(DetectorSpec):
    """A method without settings for drift."""

    method = "undrifting"
    inputs = ()


def test_a_plain_model_is_built_as_before_there_was_anything_for_drift() -> None:
    assert plain_model(ASKED).spec == plain_model(SPEC).spec == SPEC
    assert plain_model(SPEC).threshold_from == ("val_clean",)


def test_a_model_for_drift_is_built_as_asked_or_by_the_recipe() -> None:
    assert built_model(ASKED).spec == ASKED
    assert built_model(SPEC).spec == replace(SPEC, **PatchCoreSpec.recipes[-1])
    assert built_model(SPEC).threshold_from == ("val_clean", "val_shift")
    padim = built_model(PadimSpec(("layer2",), dimensions=12)).spec
    assert padim == PadimSpec(("layer2",), dimensions=12, smooth=1.0)
    assert built_model(KnnSpec(("layer2",))).spec == KnnSpec(("layer2",), smooth=1.0, augment=3)


def test_a_part_is_held_out_of_draws_and_threshold() -> None:
    found = built_model(ASKED, "blur")
    assert found.spec == replace(ASKED, augment_family="shift_without_blur")
    assert found.spec.draws == ("train_draw1_without_blur@0.5",)
    assert found.threshold_from == ("val_clean", "val_shift_without_blur")


def test_a_method_without_settings_for_drift_is_plain_only() -> None:
    spec = Undrifting(method="undrifting")
    assert [model.spec for model in models(spec)] == [spec] and len(models(SPEC)) == 2
    with pytest.raises(UserError, match="must have settings for it, but undrifting has none"):
        built_model(spec)


def test_a_cell_is_judged_at_the_threshold_of_its_val_sets_together(cells: Cells, setup: Setup) -> None:
    bench, model = setup.bench("part"), built_model(ASKED)
    cell = drift_cell(cells, bench, model, ["test_shift"])
    val = [cell.scores("part", name) for name in model.threshold_from]
    found = cell.judged("part", model.threshold_from, "test_shift")
    assert found.threshold == f1_threshold(
        np.concatenate([one.scores for one in val]), np.concatenate([one.labels for one in val])
    )
    assert np.array_equal(found.scores, cell.scores("part", "test_shift").scores)
    assert cell.judged("part", ("val_clean",), "test_shift").threshold == val[0].threshold
    assert drift_cell(cells, bench, model, ["test_shift"]).reused
    assert not drift_cell(cells, bench, plain_model(ASKED), ["test_shift"]).reused
