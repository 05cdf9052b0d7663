"""A finished trial as the tracking store remembers it."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class TrialRecord:
    """One finished trial of a study.

    ``params`` are the run's parameters as text (patch_size, layers, coreset_fraction, backbone, …); ``metrics`` are
    named as in the run (``val_clean/image_auroc``, ``cost/bank_mb``, ``objective``). ``feasible`` is False for a bank
    above the study's limit on its size. Only trials of the same ``split_digest`` can be compared.
    """

    class_name: str
    study: str
    split_digest: str
    number: int
    run_id: str
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    feasible: bool = True
