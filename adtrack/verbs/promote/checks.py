"""The conditions that a version must meet to become champion."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from adtrack.data.imageset import TEST_SETS, VAL_SETS
from adtrack.errors import UserError
from adtrack.evaluation.intervals import ROUNDING, Estimate, difference
from adtrack.evaluation.paired_comparison import LOWER_IS_BETTER, aligned, metrics_of
from adtrack.features.backbone import choose_device
from adtrack.reporting.table import difference_text, number_text
from adtrack.tracking.models import load_model
from adtrack.tracking.registry import RegisteredVersion
from adtrack.tracking.scored_runs import ScoredRun, scored_run, set_scores
from adtrack.verbs.score_again import score_again

# A share of the logged score. On one machine scores come back to the bit, elsewhere libraries round differently. The
# scores of a wrong network, model or view are far off.
TOLERANCE = 1e-3
WORST = 0.25  # of AUROC or of the share of false alarms; some 14 good and 14 anomalous images rule out such a loss
# The first metric that the labels allow is compared.
_METRICS = {"image_auroc": "image AUROC", "false_alarm_rate": "false alarms"}


@dataclass(frozen=True)
class PromotionCheck:
    """A condition of a promotion, whether it holds, and what was found. What cannot be checked does not hold."""

    what: str
    passed: bool
    words: str


@dataclass(frozen=True)
class Difference:
    """How the candidate does beside the champion on the images of a set that both have scored.

    ``metric`` is image AUROC or, without labelled anomalies, the share of false alarms. ``estimate`` is the
    candidate's minus the champion's.
    """

    set_name: str
    metric: str
    estimate: Estimate
    good: int
    anomalous: int

    @property
    def images(self) -> str:
        """``12 good and 9 anomalous images``."""
        return f"{self.good} good and {self.anomalous} anomalous images" if self.anomalous else f"{self.good} images"

    @property
    def possible_loss(self) -> float:
        """The largest loss against the champion that the interval does not rule out."""
        return self.estimate.high if self.metric in LOWER_IS_BETTER else -self.estimate.low


def checks(
    candidate: RegisteredVersion,
    champion: RegisteredVersion | None,
    class_name: str,
    margin: float,
    reason: str,
    data: str | None,
    device: str,
) -> Iterator[PromotionCheck]:
    """The checks of a candidate, one after the other. Some of them need a champion, and are made only if there is one.

    Without labelled anomalies only false alarms can be compared, and not how many defects are found; then ``reason``
    must be given.
    """
    try:
        run = scored_run(candidate.uri)
    except UserError as error:
        yield PromotionCheck("has logged scores", False, str(error))
        return
    yield _reproduces(candidate, run, class_name, data, device)
    if champion is None:
        return
    try:
        other = scored_run(champion.uri)
    except UserError as error:
        yield PromotionCheck("not worse than the champion", False, f"cannot be checked: {error}")
        return
    yield _same_split(run, other)
    if run.split_digest == other.split_digest:
        yield from _not_worse(run, other, margin, reason)


def _same_split(run: ScoredRun, other: ScoredRun) -> PromotionCheck:
    same = run.split_digest == other.split_digest
    words = f"split {run.split_digest[:12]}" + ("" if same else f", but the champion's is {other.split_digest[:12]}")
    return PromotionCheck("same images as the champion's", same, words)


def _not_worse(run: ScoredRun, champion: ScoredRun, margin: float, reason: str) -> Iterator[PromotionCheck]:
    """Whether the difference is within the margin on every set that both have scores of. Its interval is told.

    If the whole interval had to be within the margin, a small test set could promote nothing, not even an equal model.
    But one set must have images enough to rule out that the candidate is far worse.
    """
    names = [name for name in (*VAL_SETS, *TEST_SETS) if name in run.places and name in champion.places]
    if not set(names) & set(VAL_SETS):
        yield PromotionCheck(
            "not worse on Val", False, "cannot be checked: the two have no Val set with scores in common"
        )
    measured = []
    for name in names:
        try:
            measured.append(_difference(name, run, champion))
        except UserError as error:
            yield PromotionCheck(f"not worse on {name}", False, f"cannot be checked: {error}")
            continue
        yield _within(measured[-1], margin)
    if measured:
        yield _enough(measured, margin)
    if {one.metric for one in measured} == {"false_alarm_rate"}:
        yield _has_reason(reason)


def _difference(name: str, run: ScoredRun, champion: ScoredRun) -> Difference:
    both = aligned([set_scores(run, name), set_scores(champion, name)])
    if not both:
        raise UserError("the two have scored no image in common")
    metric = next((metric for metric in _METRICS if metric in metrics_of(both[0].sample)), None)
    if metric is None:
        raise UserError("there is no good image among them")
    a, b = ({run.class_name: found.sample} for found in both)
    anomalous = int(both[0].sample.labels.sum())
    return Difference(name, metric, difference(a, b, metric), len(both[0].images) - anomalous, anomalous)


def _within(one: Difference, margin: float) -> PromotionCheck:
    value = one.estimate.value
    if one.metric in LOWER_IS_BETTER:
        passed, limit = value <= margin + ROUNDING, f"+{number_text(margin)}"
        told = "at most" if passed else "more than"
    else:
        passed, limit = value >= -margin - ROUNDING, f"−{number_text(margin)}"
        told = "at least" if passed else "less than"
    words = f"{_METRICS[one.metric]} {difference_text(one.estimate)} of {one.images}, {told} {limit}"
    return PromotionCheck(f"not worse on {one.set_name}", passed, words)


def _enough(measured: Sequence[Difference], margin: float) -> PromotionCheck:
    """Whether some set has images enough to rule out a loss of more than WORST, or of more than a larger margin."""
    surest, limit = min(measured, key=lambda one: one.possible_loss), max(WORST, margin)
    passed = surest.possible_loss <= limit + ROUNDING
    words = f"{surest.images} of {surest.set_name} rule out a loss of more than {number_text(surest.possible_loss)}"
    if not passed:
        words = f"even {words}: {number_text(limit)} is the most; more labelled images can tell"
        if not {one.set_name for one in measured} & set(TEST_SETS):
            words += ", and Test may: adtrack evaluate --model measures a version on it"
    return PromotionCheck("enough images", passed, words)


def _has_reason(reason: str) -> PromotionCheck:
    """Whether somebody says why: what good images alone cannot tell is for a person to decide."""
    words = "without labelled anomalies nobody knows which of the two finds more defects"
    if not reason:
        words += "; --reason says why this one shall be champion"
    return PromotionCheck("has a reason", bool(reason), words)


def _reproduces(
    candidate: RegisteredVersion, run: ScoredRun, class_name: str, data: str | None, device: str
) -> PromotionCheck:
    what = "loads and reproduces its scores"
    try:
        scorer = load_model(candidate.uri, choose_device(device), whole=True).scorer
        if scorer.facts.get("class") != class_name:
            return PromotionCheck(what, False, f"it is a model of class {scorer.facts.get('class')}")
        images, deviation = score_again(scorer, run, data)
    except UserError as error:
        return PromotionCheck(what, False, str(error))
    if deviation == 0:
        return PromotionCheck(what, True, f"{images} images, the same to the bit")
    passed = deviation <= TOLERANCE
    beyond = "" if passed else f", more than {TOLERANCE:g}: it is not the model that was measured"
    return PromotionCheck(what, passed, f"{images} images, at most {deviation:.1e} of a score off{beyond}")
