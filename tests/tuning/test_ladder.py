"""A trial's ladder: its rungs, and what the images' scores are worth on the way."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import roc_auc_score

from adtrack.detectors.padim import PadimSpec
from adtrack.detectors.patchcore_spec import PatchCoreSpec
from adtrack.evaluation.calibrating import find_threshold
from adtrack.evaluation.evaluate import ScoredSet, evaluate
from adtrack.threshold_spec import ThresholdSpec
from adtrack.tuning.ladder import image_values, paired, rungs
from adtrack.tuning.spec import Objective


class Images:
    """The labels of an image set, which is all that is asked of it here."""

    def __init__(self, labels: np.ndarray) -> None:
        self.labels = labels


def scored(scores: list[float], labels: list[int]) -> ScoredSet:
    return ScoredSet(Images(np.array(labels)), np.array(scores), None)


def test_the_smaller_values_of_the_space_come_first() -> None:
    spec = PatchCoreSpec(("layer2",), 3, 0.05)
    climbed = rungs(spec, (0.25, 0.01, 0.05, 0.025))
    assert [one.coreset_fraction for one in climbed] == [0.01, 0.025, 0.05] and climbed[-1] is spec
    assert {(one.layers, one.patch_size, one.seed) for one in climbed} == {(("layer2",), 3, spec.seed)}


def test_without_a_ladder_there_is_the_detector_alone() -> None:
    padim, patchcore = PadimSpec(("layer2",)), PatchCoreSpec(("layer2",))
    assert rungs(padim, ()) == (padim,) and rungs(patchcore, ()) == (patchcore,)


@pytest.mark.parametrize("metric", ["image_auroc", "image_auprc", "f1", "precision"])
@pytest.mark.parametrize("of", ["both", "clean", "shift", "worst", "pareto"])
@pytest.mark.parametrize("spec", [ThresholdSpec(), ThresholdSpec("val_clean"), ThresholdSpec("both", "good_quantile")])
def test_values_by_scores_alone_are_those_of_the_evaluation(metric: str, of: str, spec: ThresholdSpec) -> None:
    draws, goal = np.random.default_rng(0), Objective(metric, of)
    labels = [0] * 9 + [1] * 6
    sets = {name: scored(draws.random(15).tolist(), labels) for name in ("val_clean", "val_shift")}
    threshold = find_threshold(sets, spec)
    metrics = {
        f"{name}/{key}": value
        for name, one in sets.items()
        for key, value in evaluate(one, None, None, threshold).metrics.items()
    }
    assert image_values(sets, goal, spec) == goal.values(metrics)


@given(arrays(np.float64, 20, elements=st.sampled_from([0.0, 0.5, 1.0, 2.0, 3.0])), st.integers(1, 19))
def test_the_mean_over_the_defective_images_is_the_auroc(scores: np.ndarray, good: int) -> None:
    labels = [0] * good + [1] * (20 - good)
    sets = {"val_clean": scored(scores.tolist(), labels)}
    shares = paired(sets, Objective("image_auroc", "clean"))
    assert len(shares) == 20 - good and shares.mean() == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)
