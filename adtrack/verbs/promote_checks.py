"""What must hold before a version becomes champion."""

from collections.abc import Iterator
from dataclasses import dataclass

from adtrack.errors import UserError
from adtrack.evaluation.contrasts import LOWER_IS_BETTER, aligned, metrics_of
from adtrack.evaluation.intervals import ROUNDING, Estimate, difference
from adtrack.features.backbone import choose_device
from adtrack.reporting.tables import difference_text, number_text
from adtrack.tracking.models import load_model
from adtrack.tracking.registry import Registered
from adtrack.tracking.scored_runs import ScoredRun, scored_run, set_scores
from adtrack.verbs.build import TEST_SETS, VAL_SETS
from adtrack.verbs.score_again import score_again

# Of the logged score. On one machine scores come back to the bit, on another network libraries round otherwise; a wrong
# network, bank or view is far off.
TOLERANCE = 1e-3
_METRICS = {"image_auroc": "image AUROC", "false_alarm_rate": "false alarms"}  # the first that the labels allow


@dataclass(frozen=True)
class Check:
    """Something that must hold, whether it does, and what was found. What can't be checked does not hold."""

    what: str
    passed: bool
    words: str


def checks(
    candidate: Registered,
    champion: Registered | None,
    class_name: str,
    margin: float,
    reason: str,
    data: str | None,
    device: str,
) -> Iterator[Check]:
    """The checks of a candidate one after the other; those that need a champion only if there is one.

    Where no anomalies are labelled, false alarms can be compared but not what is found: ``reason`` must be given.
    """
    try:
        run = scored_run(candidate.uri)
    except UserError as error:
        yield Check("has logged scores", False, str(error))
        return
    yield _reproduces(candidate, run, class_name, data, device)
    if champion is None:
        return
    try:
        other = scored_run(champion.uri)
    except UserError as error:
        yield Check("not worse than the champion", False, f"cannot be checked: {error}")
        return
    yield _same_split(run, other)
    if run.split_digest == other.split_digest:
        yield from _not_worse(run, other, margin, reason)


def _same_split(run: ScoredRun, other: ScoredRun) -> Check:
    same = run.split_digest == other.split_digest
    words = f"split {run.split_digest[:12]}" + ("" if same else f", but the champion's is {other.split_digest[:12]}")
    return Check("same images as the champion's", same, words)


def _not_worse(run: ScoredRun, champion: ScoredRun, margin: float, reason: str) -> Iterator[Check]:
    """On every set that both have scores of, the difference itself must be within the margin; its interval is told.

    Were the whole interval asked for, a small test set could promote nothing, not even an equal bank.
    """
    names = [name for name in (*VAL_SETS, *TEST_SETS) if name in run.places and name in champion.places]
    if not set(names) & set(VAL_SETS):
        yield Check("not worse on Val", False, "cannot be checked: the two have no Val set with scores in common")
    metrics = set()
    for name in names:
        try:
            metric, found = _difference(name, run, champion)
        except UserError as error:
            yield Check(f"not worse on {name}", False, f"cannot be checked: {error}")
            continue
        metrics.add(metric)
        yield _within(f"not worse on {name}", metric, found, margin)
    if metrics == {"false_alarm_rate"}:
        yield _has_reason(reason)


def _difference(name: str, run: ScoredRun, champion: ScoredRun) -> tuple[str, Estimate]:
    """The metric that the labels of a set allow, and the candidate's minus the champion's on the images of both."""
    both = aligned([set_scores(run, name), set_scores(champion, name)])
    if not both:
        raise UserError("the two have scored no image in common")
    metric = next((metric for metric in _METRICS if metric in metrics_of(both[0].sample)), None)
    if metric is None:
        raise UserError("there is no good image among them")
    a, b = ({run.class_name: found.sample} for found in both)
    return metric, difference(a, b, metric)


def _within(what: str, metric: str, found: Estimate, margin: float) -> Check:
    if metric in LOWER_IS_BETTER:
        passed, limit = found.value <= margin + ROUNDING, f"+{number_text(margin)}"
        told = "at most" if passed else "more than"
    else:
        passed, limit = found.value >= -margin - ROUNDING, f"−{number_text(margin)}"
        told = "at least" if passed else "less than"
    return Check(what, passed, f"{_METRICS[metric]} {difference_text(found)}, {told} {limit}")


def _has_reason(reason: str) -> Check:
    """What good images alone leave open is somebody's decision, and it is recorded why."""
    words = "without labelled anomalies nobody knows which of the two finds more defects"
    if not reason:
        words += "; --reason says why this one shall be champion"
    return Check("has a reason", bool(reason), words)


def _reproduces(candidate: Registered, run: ScoredRun, class_name: str, data: str | None, device: str) -> Check:
    what = "loads and reproduces its scores"
    try:
        scorer = load_model(candidate.uri, choose_device(device), whole=True).scorer
        if scorer.facts.get("class") != class_name:
            return Check(what, False, f"it is a model of class {scorer.facts.get('class')}")
        images, deviation = score_again(scorer, run, data)
    except UserError as error:
        return Check(what, False, str(error))
    if deviation == 0:
        return Check(what, True, f"{images} images, the same to the bit")
    passed = deviation <= TOLERANCE
    beyond = "" if passed else f", more than {TOLERANCE:g}: it is not the model that was measured"
    return Check(what, passed, f"{images} images, at most {deviation:.1e} of a score off{beyond}")
