"""The curves behind the image metrics, as points to be drawn."""

import numpy as np
from numpy.typing import ArrayLike
from sklearn.metrics import precision_recall_curve, roc_curve

from adtrack.evaluation.metrics import labelled_scores

Curve = tuple[np.ndarray, np.ndarray]


def roc(scores: ArrayLike, labels: ArrayLike) -> Curve:
    """False-positive rate and recall of N scores and labels (1 = anomalous), both float64 and ascending."""
    values, anomalous = labelled_scores(scores, labels)
    fpr, recall, _ = roc_curve(anomalous, values)
    return fpr, recall


def precision_recall(scores: ArrayLike, labels: ArrayLike) -> Curve:
    """Recall, ascending, and the precision there, float64.

    The curve begins at the highest score: above it there is no alarm, so there is no precision.
    """
    values, anomalous = labelled_scores(scores, labels)
    precision, recall, _ = precision_recall_curve(anomalous, values)
    return recall[:-1][::-1], precision[:-1][::-1]
