import numpy as np
import pytest
from sklearn.metrics import auc, average_precision_score, roc_auc_score

from adtrack.errors import UserError
from adtrack.evaluation.curves import precision_recall, roc

DRAWS = np.random.default_rng(0)
LABELS = np.array([0, 1] * 20)
SCORES = np.round(DRAWS.normal(LABELS, 1.5), 1)  # rounded, so that some are equal


def test_the_area_below_the_roc_is_the_auroc():
    fpr, recall = roc(SCORES, LABELS)
    assert auc(fpr, recall) == pytest.approx(roc_auc_score(LABELS, SCORES), abs=1e-12)
    assert (fpr[0], recall[0], fpr[-1], recall[-1]) == (0, 0, 1, 1)


def test_the_steps_below_precision_and_recall_are_the_average_precision():
    recall, precision = precision_recall(SCORES, LABELS)
    steps = np.diff(recall, prepend=0.0)
    assert steps @ precision == pytest.approx(average_precision_score(LABELS, SCORES), abs=1e-12)
    assert np.all(steps >= 0) and recall[-1] == 1


def test_three_images_by_hand():
    # Scores 3 (anomalous), 2 (good), 1 (anomalous): the first alarm is right, the second wrong, the third right.
    recall, precision = precision_recall([3.0, 2.0, 1.0], [1, 0, 1])
    assert recall.tolist() == [0.5, 0.5, 1.0]
    assert precision.tolist() == pytest.approx([1.0, 0.5, 2 / 3])


def test_scores_that_are_no_numbers_are_refused():
    with pytest.raises(UserError, match="finite"):
        roc([1.0, np.nan], [0, 1])
