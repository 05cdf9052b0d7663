"""Resamples that allow for an image that was not seen: intervals of small sets are made of them.

The percentile bootstrap draws only what it has seen. If all of 11 images are ranked right, they are so in every
resample, and the interval has no width. Here each resample weighs the images by a Dirichlet distribution (Rubin, *The
Bayesian Bootstrap*, Annals of Statistics 1981), and with them one image more than there are. For the lower end of an
interval that image is the worst that the metric could meet, for the upper end the best. For a share this gives Clopper
& Pearson's exact interval, for the mean of a bounded quantity Gaffke's bound (Learned-Miller & Thomas, *A New
Confidence Interval for the Mean of a Bounded Random Variable*, arXiv 1905.06208, 2019). A metric that looks at good and
at anomalous images meets half an unseen image of each. Together they weigh one, which Walley's imprecise Dirichlet
model takes for cautious enough (*Inferences from Multinomial Data*, JRSS B 1996). In simulations the intervals hold the
truth at least as often as they say.
"""

import numpy as np

from adtrack.evaluation.resampling import RESAMPLES, Sample, class_seed, resampled

_OF_ONE_KIND = ("recall", "false_alarm_rate")  # the others look at good and anomalous images


def class_weights(
    class_name: str, labels: np.ndarray, metric: str, resamples: int = RESAMPLES, seed: int = 0
) -> np.ndarray:
    """``weights`` by a seed of the class's own, so that classes vary independently in a macro mean."""
    return weights(labels, metric, resamples, class_seed(class_name, seed))


def weights(labels: np.ndarray, metric: str, resamples: int, seed: int) -> np.ndarray:
    """How much each of n images weighs in each resample, and then an unseen good and an unseen anomalous one.

    The weights are float64 (resamples, n + 2). Good and anomalous images are weighed apart, so that the weights of
    either kind add up to its number. Scores play no part: rows on the same images have the same resamples.
    """
    labels = np.append(np.asarray(labels, dtype=bool), (False, True))
    rng = np.random.default_rng(seed)
    found = np.zeros((resamples, len(labels)))
    for kind in (False, True):
        members = np.flatnonzero(labels == kind)
        if len(members) > 1:  # nothing is known of a kind that nobody has seen
            drawn = rng.standard_exponential((resamples, len(members)))
            drawn[:, -1] = rng.standard_gamma(1.0 if metric in _OF_ONE_KIND else 0.5, resamples)
            found[:, members] = drawn * ((len(members) - 1) / drawn.sum(axis=1, keepdims=True))
    return found


def bounds(sample: Sample, metric: str, drawn: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The metric of each resample with the unseen images at their worst, and at their best: float64 (resamples,) each.

    ``drawn`` are the ``weights`` of the sample's labels.
    """
    worst, best = (np.clip(resampled(_extended(sample, well), metric, drawn), 0.0, 1.0) for well in (False, True))
    return worst, best


def _extended(sample: Sample, well: bool) -> Sample:
    """The sample and two images beyond all others and the threshold: on their right sides (``well``), or on the wrong.

    Metrics depend on nothing but the order. So ranks take the places of the scores: there is always room beyond them.
    """
    edges, ranks = np.unique(np.append(sample.scores, sample.threshold), return_inverse=True)
    good, anomalous = (-1, len(edges)) if well else (len(edges), -1)
    return Sample(np.append(ranks[:-1], (good, anomalous)), np.append(sample.labels, (False, True)), float(ranks[-1]))
