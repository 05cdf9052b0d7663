"""What must hold before a version becomes champion."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from adtrack.errors import UserError
from adtrack.evaluation.contrasts import aligned
from adtrack.evaluation.intervals import ROUNDING, difference
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
    data: str | None,
    device: str,
) -> Iterator[Check]:
    """The checks of a candidate one after the other; those that need a champion only if there is one."""
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
        yield from _not_worse(run, other, margin)


def _same_split(run: ScoredRun, other: ScoredRun) -> Check:
    same = run.split_digest == other.split_digest
    words = f"split {run.split_digest[:12]}" + ("" if same else f", but the champion's is {other.split_digest[:12]}")
    return Check("same images as the champion's", same, words)


def _not_worse(run: ScoredRun, champion: ScoredRun, margin: float) -> Iterator[Check]:
    """On every set that both have scores of, the difference itself must reach -margin; its interval is told.

    Were the whole interval asked for, a small test set could promote nothing, not even an equal bank.
    """
    if not any(name in run.places and name in champion.places for name in VAL_SETS):
        yield Check("not worse on Val", False, "cannot be checked: the two have no Val set with scores in common")
    for name in (*VAL_SETS, *TEST_SETS):
        if name not in run.places or name not in champion.places:
            continue
        try:
            yield _not_worse_on(name, run, champion, margin)
        except UserError as error:
            yield Check(f"not worse on {name}", False, f"cannot be checked: {error}")


def _not_worse_on(name: str, run: ScoredRun, champion: ScoredRun, margin: float) -> Check:
    what = f"not worse on {name}"
    both = aligned([set_scores(run, name), set_scores(champion, name)])
    if not both:
        return Check(what, False, "cannot be checked: the two have scored no image in common")
    a, b = ({run.class_name: found.sample} for found in both)
    found = difference(a, b, "image_auroc")
    if math.isnan(found.value):
        return Check(what, False, "cannot be checked: image AUROC needs good and anomalous images")
    passed = found.value >= -margin - ROUNDING
    sign = "at least" if passed else "less than"
    words = f"image AUROC {difference_text(found)}, {sign} −{number_text(margin)}"
    return Check(what, passed, words)


def _reproduces(candidate: Registered, run: ScoredRun, class_name: str, data: str | None, device: str) -> Check:
    what = "loads and reproduces its scores"
    try:
        scorer = load_model(candidate.uri, choose_device(device)).scorer
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
