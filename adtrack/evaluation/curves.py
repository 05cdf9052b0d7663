"""The curves behind the image metrics, as points to be drawn."""

from collections.abc import Sequence

import numpy as np
from sklearn.metrics import precision_recall_curve, roc_curve

from adtrack.evaluation.metrics import labelled_scores

Curve = tuple[np.ndarray, np.ndarray]


def roc(scores: Sequence[float], labels: Sequence[int]) -> Curve:
    """False-positive rate and recall of N scores and labels (1 = anomalous), both float64 and ascending."""
    scores, labels = labelled_scores(scores, labels)
    fpr, recall, _ = roc_curve(labels, scores)
    return fpr, recall


def precision_recall(scores: Sequence[float], labels: Sequence[int]) -> Curve:
    """Recall, ascending, and the precision there, float64.

    It begins at the highest score: before it there is no alarm, and the precision of none is not defined.
    """
    scores, labels = labelled_scores(scores, labels)
    precision, recall, _ = precision_recall_curve(labels, scores)
    return recall[:-1][::-1], precision[:-1][::-1]
