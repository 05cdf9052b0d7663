"""The curves behind the image metrics, as points to be drawn."""

from numpy.typing import ArrayLike

from adtrack.evaluation.metrics import labelled_scores
from adtrack.evaluation.ranked_scores import Curve, RankedScores


def roc(scores: ArrayLike, labels: ArrayLike) -> Curve:
    """False-positive rate and recall of N scores and labels (1 = anomalous), both float64 and ascending."""
    return RankedScores.of(*labelled_scores(scores, labels)).roc()


def precision_recall(scores: ArrayLike, labels: ArrayLike) -> Curve:
    """Recall, ascending, and the precision there, float64.

    The curve begins at the highest score: above it there is no alarm, so there is no precision.
    """
    return RankedScores.of(*labelled_scores(scores, labels)).precision_recall()
