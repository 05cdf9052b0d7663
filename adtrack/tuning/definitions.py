"""What the numbers in a study's tables mean."""

from collections.abc import Sequence

from adtrack.evaluation.threshold_words import found_by
from adtrack.tracking.trials import TrialRecord
from adtrack.tuning.ranking import COMPARED, TIES

_UNMEASURED = (
    f"Pixels are measured in the {COMPARED} best trials, and in all if pixels=all or an objective of pixels was asked "
    "for. A pruned trial was given up on its way to a larger model; its numbers are those of the model it had reached."
)
_RANKS = (
    "AUROC is that of images, with its 95 % interval in brackets. AU-PRO is that of pixels, up to a false-positive "
    "rate of 0.30, where there are masks."
)
_CALLS = (
    "False alarms are the share of good images at or above that threshold, with its exact 95 % interval in brackets. "
    f"{TIES} {_UNMEASURED} Only the best trial is evaluated on Test. Milliseconds count from the file to score and "
    "heatmap. They are indicative, as other work shares the machine; those of the best trial are measured when no "
    "trial runs."
)


def definitions(trials: Sequence[TrialRecord]) -> str:
    """What the numbers of these trials mean."""
    ways = " or ".join(dict.fromkeys(found_by(trial.threshold) for trial in trials))
    return f"{_RANKS} F1 and recall are measured at the threshold that {ways}. {_CALLS}"
