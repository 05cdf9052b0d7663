"""A comparison of runs, as tables for people and as data frames in full precision."""

import math
from pathlib import PurePath
from string import ascii_uppercase

import pandas as pd

from adtrack.detectors import detector_class
from adtrack.evaluation.paired_comparison import SAME, Contrast, Disagreement
from adtrack.evaluation.verdicts import WORDS
from adtrack.lab.tables import HEADINGS
from adtrack.reporting.table import MISSING, Column, Table, difference_text, number_text
from adtrack.tuning.tables import SHOWN_COSTS
from adtrack.verbs.compare.verb import ComparedSet, Comparison

LONGEST = 24  # characters of a parameter's value in a table
HOW = (
    "Each difference stands with its 95 % interval, from 1000 resamples of the images, the same ones for both runs. "
    "Good and anomalous images are drawn apart, and each resample holds one image more, which was not seen and is at "
    "its worst for either run: the fewer the images, the wider the interval. Where an interval holds 0, these images "
    f"cannot tell the runs apart. Where it lies within ±{SAME:g}, the runs count as the same. “A better” is the share "
    "of resamples in which A has the better value, a tie counting half: how often A would win on as many images like "
    "these. Each row is judged by itself, and one in 20 such intervals misses. F1, false alarms and recall are "
    "measured at each run's own threshold. Pixel metrics have no interval, as maps are not kept to be resampled."
)
VAL = "Threshold and model were chosen on Val, which flatters both runs. Test decides."
ORDER = (
    "In each set the clearest disagreements come first: those in which both runs are sure. How far a score lies from "
    "its threshold is measured in standard deviations of the run's scores on the set."
)
OTHER_SPLITS = (
    "The runs have different splits. Only images that lie, unchanged, in the same set of each run are compared, so "
    "these figures differ from those of the runs."
)


def runs_table(found: Comparison) -> Table:
    """The run that each letter stands for, the parameters in which the runs differ, and their costs."""
    runs = found.runs
    # The digest of the weights differs wherever the layers differ, as it is of the layers that are used.
    keys = sorted({key for run in runs for key in run.params} - {"weights_sha256"})
    differing = [key for key in keys if len({run.params.get(key) for run in runs}) > 1]
    columns = [Column(name, number=False) for name in ("", "Run", "Name", "Asked for as", *differing)]
    rows = tuple(
        (
            *(letter, run.run_id[:8], run.name, "" if run.run_id.startswith(run.asked) else run.asked),
            *(_short(run.params.get(key, MISSING)) for key in differing),
            *(number_text(run.metrics[cost], 2) if cost in run.metrics else MISSING for cost in SHOWN_COSTS.values()),
        )
        for letter, run in zip(ascii_uppercase, runs, strict=False)
    )
    splits = ", ".join(dict.fromkeys(run.split_digest[:12] for run in runs))
    notes = " ".join([f"Class {runs[0].class_name}, split {splits}.", *found.skipped, *explanations(found)])
    return Table("Runs", (*columns, *map(Column, SHOWN_COSTS)), rows, notes)


def _short(value: str) -> str:
    value = PurePath(value).name if "/" in value else value
    return value if len(value) <= LONGEST else f"{value[: LONGEST - 1]}…"


def set_tables(found: Comparison, one: ComparedSet) -> list[Table]:
    """A table for each other run, with its metrics beside those of A."""
    notes = VAL if one.name.startswith("val") else ""
    count = f"{one.good + one.anomalous} images, {one.good} good and {one.anomalous} anomalous"
    if one.left_out:
        count += f", {one.left_out} others left out"
    tables = []
    for at, contrasts in zip(one.runs[1:], one.contrasts, strict=True):
        letter = ascii_uppercase[at]
        columns = [Column("Metric", number=False), Column("A"), Column(letter), Column(f"{letter} − A [95 %]")]
        rows = tuple(
            (
                *(HEADINGS[contrast.metric], number_text(contrast.reference), number_text(contrast.value)),
                *(difference_text(contrast.difference), _percent(contrast.reference_better), verdict(contrast, letter)),
            )
            for contrast in contrasts
        )
        columns += [Column("A better"), Column("In words", number=False)]
        tables.append(Table(f"{one.name}: {letter} beside A ({count})", tuple(columns), rows, notes))
    return tables


def verdict(contrast: Contrast, letter: str) -> str:
    """A difference in words: who is ahead, if these images can tell."""
    if contrast.ahead is None:
        return "no interval"
    undecided = f"the same within {SAME:g}" if contrast.equal else "these images cannot tell"
    return {1: f"{letter} is better", -1: "A is better", 0: undecided}[contrast.ahead]


def disagreements_table(found: Comparison) -> Table:
    """The images that the runs call differently. The clearest ones of each set come first."""
    letters = [Column(letter, number=False) for letter, _ in zip(ascii_uppercase, found.runs, strict=False)]
    columns = [Column(name, number=False) for name in ("Set", "Image", "Kind", "Truth")]
    rows = tuple(row for one in found.sets for row in disagreement_rows(found, one))
    notes = (
        f"Each run calls an image anomalous if its score reaches the run's own threshold. {ORDER}" if rows else "None."
    )
    return Table("Images called differently", (*columns, *letters), rows, notes)


def disagreement_rows(found: Comparison, one: ComparedSet) -> list[tuple[str, ...]]:
    """Set, image, kind, truth, and each run's call, which is MISSING where the run does not hold the set."""
    return [
        (
            *(one.name, image.path, image.kind, "anomalous" if image.anomalous else "good"),
            *(_call(image, one.runs.index(at)) if at in one.runs else MISSING for at in range(len(found.runs))),
        )
        for image in one.disagreements
    ]


def _call(image: Disagreement, place: int) -> str:
    called = image.called[place]
    sign = "≥" if called else "<"
    score, threshold = image.scores[place], image.thresholds[place]
    return f"{WORDS[int(image.anomalous), called]} ({score:.4g} {sign} {threshold:.4g})"


def metrics_frame(found: Comparison) -> pd.DataFrame:
    """Every difference in full precision."""
    records = []
    for one in found.sets:
        for at, contrasts in zip(one.runs[1:], one.contrasts, strict=True):
            for contrast in contrasts:
                ends = {"difference_low": contrast.difference.low, "difference_high": contrast.difference.high}
                records.append(
                    {"set": one.name, "good": one.good, "anomalous": one.anomalous, "metric": contrast.metric}
                    | {"run_a": found.runs[0].run_id, "run_b": found.runs[at].run_id}
                    | {"a": contrast.reference, "b": contrast.value, "difference": contrast.difference.value}
                    | ends
                    | {"a_better": contrast.reference_better, "in_words": verdict(contrast, "B")}
                )
    return pd.DataFrame(records)


def disagreements_frame(found: Comparison) -> pd.DataFrame:
    """Every image that is called differently, with the score, the threshold and the call of each run."""
    columns = ["set", "path", "kind", "label"]
    letters = [letter for letter, _ in zip(ascii_uppercase, found.runs, strict=False)]
    columns += [f"{what}_{letter}" for letter in letters for what in ("score", "threshold", "predicted")]
    records = []
    for one in found.sets:
        for image in one.disagreements:
            record = {"set": one.name, "path": image.path, "kind": image.kind, "label": int(image.anomalous)}
            for at, score, threshold, called in zip(
                one.runs, image.scores, image.thresholds, image.called, strict=True
            ):
                told = {"score": score, "threshold": threshold, "predicted": int(called)}
                record |= {f"{what}_{letters[at]}": value for what, value in told.items()}
            records.append(record)
    return pd.DataFrame(records, columns=columns)


def _percent(share: float) -> str:
    return MISSING if math.isnan(share) else f"{100 * share:.1f} %"


def explanations(found: Comparison) -> list[str]:
    """What a reader of the figures must know."""
    return [*([] if found.same_images else [OTHER_SPLITS]), *_without_maps(found), HOW]


def _without_maps(found: Comparison) -> list[str]:
    """Which runs have no pixel metrics because their method scores whole images only."""
    letters = [
        letter
        for letter, run in zip(ascii_uppercase, found.runs, strict=False)
        if not detector_class(run.method).has_maps
    ]
    if not letters:
        return []
    which = f"{' and '.join(letters)} {'score' if len(letters) > 1 else 'scores'} whole images only"
    return [f"{which}: there are no heatmaps and no pixel metrics to compare."]
