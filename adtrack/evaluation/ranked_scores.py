"""Image scores ranked against their labels: the curves over all thresholds, and the areas below them.

The numbers are scikit-learn's, to the bit; scikit-learn itself takes longer to import than all images take to be
measured.
"""

from dataclasses import dataclass

import numpy as np

Curve = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class RankedScores:
    """How many normal (``false``) and anomalous images (``true``) score at or above each distinct score.

    Both are float64, and begin with the highest score.
    """

    false: np.ndarray
    true: np.ndarray

    @classmethod
    def of(cls, values: np.ndarray, anomalous: np.ndarray) -> "RankedScores":
        """Rank float64 scores (N) with labels bool (N)."""
        order = np.argsort(-values, kind="stable")
        last = np.append(np.flatnonzero(np.diff(values[order])), len(values) - 1)  # of the images of each score
        true = np.cumsum(anomalous[order], dtype=np.float64)[last]
        return cls(1 + last - true, true)

    def roc(self) -> Curve:
        """False-positive rate and recall, ascending from (0, 0), without points on a line between their neighbours.

        The rate of a class without images is NaN.
        """
        false, true = self.false, self.true
        if len(false) > 2:
            corners = (np.diff(false, 2) != 0) | (np.diff(true, 2) != 0)
            kept = np.concatenate([[True], corners, [True]])
            false, true = false[kept], true[kept]
        return _shares(np.append(0.0, false)), _shares(np.append(0.0, true))

    def precision_recall(self) -> Curve:
        """Recall, ascending, and the precision there. Without anomalous images all recall is 1."""
        recall = self.true / self.true[-1] if self.true[-1] else np.ones_like(self.true)
        return recall, self.true / (self.true + self.false)

    def auroc(self) -> float:
        """Area under the ROC curve; NaN unless both classes have images."""
        rate, recall = self.roc()
        return float(np.trapezoid(recall, rate))

    def average_precision(self) -> float:
        """The mean precision over all anomalous images, each at its own score as the threshold.

        It is a sum of many rounded parts, which can be a bit above 1 for a perfect ranking; so it is cut there.
        """
        recall, precision = self.precision_recall()
        # The order of the parts decides the last bits of their sum.
        steps = np.diff(np.append(recall[::-1], 0.0))
        return float(min(1.0, max(0.0, -np.sum(steps * precision[::-1]))))


def _shares(counts: np.ndarray) -> np.ndarray:
    return counts / counts[-1] if counts[-1] else np.full(counts.shape, np.nan)
