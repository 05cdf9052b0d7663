"""What a study is asked to do: the objectives, and what is refused."""

import math

import pytest

from adtrack.detectors.patchcore_spec import PatchCoreSpec
from adtrack.errors import UserError
from adtrack.tuning.space import Space
from adtrack.tuning.spec import Objective, StudySpec

METRICS = {
    **{"val_clean/image_auroc": 0.75, "val_shift/image_auroc": 0.5},
    **{"val_clean/f1": 0.25, "val_shift/f1": 1.0},
}


@pytest.mark.parametrize(
    ("objective", "metric", "values", "one"),
    [
        ("both", "image_auroc", (0.625,), 0.625),
        ("clean", "image_auroc", (0.75,), 0.75),
        ("shift", "image_auroc", (0.5,), 0.5),
        ("worst", "image_auroc", (0.5,), 0.5),
        ("worst", "f1", (0.25,), 0.25),
        ("pareto", "f1", (0.25, 1.0), 0.625),
    ],
)
def test_objectives(objective, metric, values, one):
    goal = Objective(metric, objective)
    assert goal.values(METRICS) == values and goal.value(METRICS) == one
    assert goal.count == len(values)


@pytest.mark.parametrize(("objective", "undefined"), [("both", 1), ("clean", 0), ("worst", 1), ("pareto", 1)])
@pytest.mark.parametrize("order", [1, -1])
def test_what_is_undefined_on_a_set_that_counts_is_undefined(objective, undefined, order):
    values = dict(zip(("val_shift/f1", "val_clean/f1")[::order], (math.nan, 0.5), strict=True))
    if objective == "clean" and order == -1:
        objective = "shift"  # the other set of the two
    found = Objective("f1", objective).values(values)
    assert sum(map(math.isnan, found)) == undefined


def test_objectives_have_names_for_people():
    assert Objective().words == "mean image AUROC of Val-clean and Val-shift"
    assert Objective("f1", "shift").words == "F1 on Val-shift"
    assert Objective("pixel_aupro_030", "clean").words == "pixel AU-PRO 0.30 on Val-clean"
    names = {Objective(of=name).words for name in ("both", "clean", "shift", "worst", "pareto")}
    assert len(names) == 5


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"trials": 0}, "trials must be at least 1, but got 0"),
        ({"sampler": "bayes"}, "sampler must be one of tpe, random, grid, but got 'bayes'"),
        ({"metric": "auroc"}, "metric must be one of image_auroc, .*pixel_aupro_030.*, but got 'auroc'"),
        ({"objective": "best"}, "objective must be one of both, clean, shift, worst, pareto, but got 'best'"),
        ({"max_bank_mb": -1.0}, "max_bank_mb must be 0"),
        ({"max_bank_mb": float("nan")}, "max_bank_mb must be 0"),
    ],
)
def test_what_makes_no_sense_is_refused(fields, said):
    with pytest.raises(UserError, match=said):
        StudySpec(Space.of(PatchCoreSpec), **fields)
