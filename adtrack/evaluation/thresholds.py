"""From which score on an image counts as anomalous."""

from collections.abc import Sequence

import numpy as np

from adtrack.errors import UserError
from adtrack.evaluation.metrics import labelled_scores


def f1_threshold(scores: Sequence[float], labels: Sequence[int]) -> float:
    """The threshold with the highest F1 on N scores and labels (1 = anomalous); an alarm is a score >= threshold.

    F1 is constant between two neighbouring distinct scores, so the middle of the best such interval is returned,
    as far as possible from either: compare with it in float64. Of several best intervals the widest is taken,
    of equally wide ones the lowest. Calling everything anomalous is the last resort, with the lowest score
    as threshold. Raises UserError unless both classes are present and all scores finite.
    """
    scores, labels = labelled_scores(scores, labels)
    if labels.all() or not labels.any():
        raise UserError(
            f"a threshold needs normal and anomalous images, but got {np.count_nonzero(~labels)} normal "
            f"and {np.count_nonzero(labels)} anomalous."
        )
    edges, group = np.unique(scores, return_inverse=True)  # ascending
    alarms = np.cumsum(np.bincount(group)[::-1])[::-1]  # images with score >= edge
    hits = np.cumsum(np.bincount(group, weights=labels)[::-1])[::-1]
    f1 = 2 * hits / (alarms + np.count_nonzero(labels))
    # Halves, since a difference or a sum of very large scores could overflow. Nothing lies below the lowest edge:
    # width 0 makes it lose against any interval with room on both sides.
    widths = np.diff(edges / 2, prepend=edges[0] / 2)
    best = np.flatnonzero(f1 == f1.max())
    chosen = best[np.argmax(widths[best])]
    if chosen == 0:
        return float(edges[0])
    below, above = edges[chosen - 1], edges[chosen]
    middle = below / 2 + above / 2
    return float(middle if below < middle else above)  # the middle of two adjacent floats can round to the lower
