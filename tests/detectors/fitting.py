"""A detector fitted in one call."""

from pathlib import Path
from typing import Any

from adtrack.config import DetectorSpec
from adtrack.detectors import detector_class
from adtrack.detectors.training import TrainingSet
from adtrack.features.feature_set import FeatureSet


def fitted(features: FeatureSet, spec: DetectorSpec, kept: Path) -> Any:
    """The detector of ``spec``, fitted to all of ``features``; what it keeps for later fits lies in ``kept``."""
    return detector_class(spec.method).fit(TrainingSet(features, spec.inputs, kept), spec).detector
