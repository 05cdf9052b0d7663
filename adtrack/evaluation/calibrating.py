"""From scored Val sets to a detector's threshold and to the colours of its anomaly maps."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from adtrack.detectors.calibration import Calibration, ColourRange, GoodScores
from adtrack.errors import UserError
from adtrack.evaluation.evaluate import ScoredSet
from adtrack.evaluation.telling import telling_images
from adtrack.evaluation.thresholds import f1_threshold, good_threshold, spread_threshold
from adtrack.threshold_spec import BY_F1, BY_SPREAD, ThresholdSpec

Judged = tuple[np.ndarray, np.ndarray]  # the scores (n,) and labels (n,) of a set
_MOST_PIXELS = 100_000  # of one map: more would not move a quantile visibly


def calibrate(scored: Mapping[str, ScoredSet], spec: ThresholdSpec) -> Calibration:
    """The threshold from those of the ``scored`` sets that ``spec`` names, and the colours from the first of these.

    The colours come from the maps of the images that are pictured, of each kind the worst, a median one and the best:
    so a model whose patches nobody has asked for needs no more than these maps.
    """
    spec = _resolved(scored, spec)
    sets = {name: (scored[name].scores, scored[name].images.labels) for name in spec.sets}
    threshold, good, first = threshold_of(sets.values(), spec), good_scores(sets, spec), scored[spec.sets[0]]
    if first.maps is None:
        return Calibration(threshold, None, good)
    labels, maps = first.images.labels, {index: first.maps[index] for _, index in telling_images(first)}
    colours = colour_range([maps[index] for index in maps if not labels[index]], [*maps.values()])
    return Calibration(threshold, colours, good)


def find_threshold(scored: Mapping[str, ScoredSet], spec: ThresholdSpec) -> float:
    """The threshold that ``spec`` asks for, of those of the ``scored`` sets that it names."""
    spec = _resolved(scored, spec)
    return threshold_of([(scored[name].scores, scored[name].images.labels) for name in spec.sets], spec)


def threshold_of(sets: Iterable[Judged], spec: ThresholdSpec) -> float:
    """The threshold that ``spec``, which is resolved, asks for on these sets.

    By F1, it is the best one on all images of the sets together. By the good images' scores, it is the highest of the
    sets' thresholds, so that in each set as many of the good images pass as by its own one or more.
    """
    scores, labels = zip(*sets, strict=True)
    if spec.threshold_from == BY_F1:
        return f1_threshold(np.concatenate(scores), np.concatenate(labels))
    good = [values[marks == 0] for values, marks in zip(scores, labels, strict=True)]
    if spec.threshold_from == BY_SPREAD:
        return max(map(spread_threshold, good))
    return max(good_threshold(values, spec.good_quantile) for values in good)


def good_scores(sets: Mapping[str, Judged], spec: ThresholdSpec) -> GoodScores:
    """What a model keeps of these sets for a later domain, whose median nobody knows yet.

    The margin is the threshold that ``spec``, which is resolved, asks for once every set is measured from the median of
    its own good scores. So it does not pay for the distance between Val-clean and Val-shift, as a threshold on scores
    does. That of several sets is kept beside it.
    """
    good = {name: scores[labels == 0] for name, (scores, labels) in sets.items()}
    centred = [(scores - np.median(good[name]), labels) for name, (scores, labels) in sets.items()]
    return GoodScores.of(
        threshold_of(centred, spec), good, threshold_of(sets.values(), spec) if len(sets) > 1 else None
    )


def _resolved(scored: Mapping[str, ScoredSet], spec: ThresholdSpec) -> ThresholdSpec:
    return spec.resolved(any(one.images.labels.any() for one in scored.values()))


def colour_range(maps_of_normal: Sequence[np.ndarray], maps: Sequence[np.ndarray]) -> ColourRange:
    """The range of a model from the maps of a Val set, those of normal images and all of them (H×W, NaN = not seen).

    The dark end is the median normal pixel, the bright end the 99.5 % quantile of all pixels; but the 99.5 %
    quantile of the normal pixels stays in the darker half, so that ordinary texture never glows.
    """
    normal, everything = _seen(maps_of_normal), _seen(maps)
    low, normal_high = (float(value) for value in np.quantile(normal, (0.5, 0.995)))
    high = max(float(np.quantile(everything, 0.995)), low + 2 * (normal_high - low))
    return ColourRange(low, max(high, low + max(1e-3 * abs(low), 1e-6)))  # constant maps need some width too


def _seen(maps: Sequence[np.ndarray]) -> np.ndarray:
    """Finite pixels of the maps as float64, thinned out evenly where a map is large."""
    pixels = [np.empty(0)]
    for anomaly_map in maps:
        step = max(1, int(np.ceil(np.sqrt(anomaly_map.size / _MOST_PIXELS))))
        thinned = anomaly_map[::step, ::step]
        pixels.append(thinned[np.isfinite(thinned)].astype(np.float64))
    together = np.concatenate(pixels)
    if not together.size:
        raise UserError(f"a colour range needs pixels with a score, but the {len(maps)} maps hold none.")
    return together
