"""What a network of 8 bits has cost a model, in words."""

from collections.abc import Iterable

from adtrack.edge.int8 import SetLoss
from adtrack.evaluation.alarms import set_name
from adtrack.evaluation.intervals import in_words
from adtrack.reporting.table import difference_text, number_text

_METRICS = {"image_auroc": "Image AUROC", "false_alarm_rate": "Share of false alarms"}


def loss_sentences(losses: Iterable[SetLoss]) -> list[str]:
    """A sentence for each image set on what 8 bits have cost there."""
    return [
        f"{_METRICS[loss.contrast.metric]} of {set_name(loss.name)} {number_text(loss.contrast.reference)} before and "
        f"{number_text(loss.contrast.value)} with 8 bits, difference {difference_text(loss.contrast.difference)}: "
        f"{in_words(loss.contrast.difference)}; {loss.changed} of {loss.images} images have another label."
        for loss in losses
    ]
