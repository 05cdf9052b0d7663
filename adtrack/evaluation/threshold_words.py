"""How a model's threshold was found, and what may be expected of it, in words."""

from collections.abc import Mapping
from statistics import NormalDist

from adtrack.data.splits import TRAIN_FRACTION
from adtrack.evaluation.alarms import promise, set_name
from adtrack.evaluation.opened_class import OpenedClass
from adtrack.evaluation.thresholds import DEVIATIONS, images_needed
from adtrack.threshold_spec import BY_F1, BY_SPREAD, VAL_CLEAN, ThresholdSpec


def found_by(spec: ThresholdSpec) -> str:
    """The end of a sentence that begins with the threshold: ``has the best F1 on Val-clean and Val-shift together``."""
    sets = [set_name(name) for name in spec.sets]
    if spec.threshold_from == BY_F1:
        return f"has the best F1 on {' and '.join(sets)}{' together' * (len(sets) > 1)}"
    if spec.threshold_from == BY_SPREAD:
        where = f"{' or '.join(sets)}{', whichever is higher' * (len(sets) > 1)}"
        return f"lies {DEVIATIONS:g} standard deviations above the mean score of the good images of {where}"
    return f"lets {100 * spec.good_quantile:g} % of the good images of {' and of '.join(sets)} pass"


def got_by(spec: ThresholdSpec, told: Mapping[str, str]) -> str:
    """The same of a model that may have been adapted since, which its facts and its parameters have ``told``."""
    if "adapted_from" not in told:
        return found_by(spec)
    return f"went with {told['adapted_photos']} photos from that of {told['adapted_from']}"


def threshold_sentences(value: float, spec: ThresholdSpec, opened: OpenedClass) -> tuple[str, ...]:
    """How the threshold was found on an opened class. If good images gave it, also how many of them will be alarms, and
    how many more images the quantile needs."""
    if spec.threshold_from == BY_F1:
        return (f"The threshold {value:.3f} {found_by(spec)}.",)
    beginning = "" if opened.splits.has_anomalies else "No labelled anomalies: no AUROC. "
    if spec.threshold_from == BY_SPREAD:
        return (
            f"{beginning}The threshold {value:.3f} {found_by(spec)}. If the scores of good parts like these are "
            f"normally distributed, {100 * NormalDist().cdf(-DEVIATIONS):.1f} % of them will raise a false alarm.",
        )
    count = int((opened.images(VAL_CLEAN).labels == 0).sum())
    told = beginning + promise(value, spec.good_quantile, count, spec.sets)
    needed = images_needed(spec.good_quantile)
    if count >= needed:
        return (told,)
    more = (
        f"That is the highest of them: for the {spec.good_quantile:g} quantile Val needs {needed} good images, which "
        f"takes about {needed / (1 - TRAIN_FRACTION):.0f} in {opened.places.train}."
    )
    return told, more
