"""How many photos without labels does a threshold need to go with the light, and how many defects among them?

Every method plain and, where it can be, built for drift, at the threshold that 95 % of Val's good images pass. Photos
are drawn from Test under MVTec-Shift and under kinds that it does not have: 4 to 32 of them, with up to half of them
defects. The threshold moves with their scores (adtrack adapt), and is tested on all other images of Test.

Command:  adtrack experiment adaptation                               (mlflow run . -e experiment -P name=adaptation)
          adtrack experiment adaptation --data DIR --classes magnetic_tile --weights trunk.pth --methods patchcore
Writes:   tables/adaptation/: adaptation.csv, .md, .tex, .html and a chart; the same on an MLflow run.
Cost:     two models for each class and method, and ten passes of the network over Test; the draws take a minute.
Result:   on magnetic_tile 16 photos bring the plain model's false alarms from many times the promise to about twice it
          under every kind where its AUROC is above 0.9; Test's good images alarm more often than promised even without
          drift and photos. A model whose threshold serves Val-clean and Val-shift needs them less. How far the scale
          of the scores counts was chosen on these images.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from adtrack.evaluation.intervals import Estimate
from adtrack.lab.adaptation import DRAWS, PHOTOS, Adapted, measure_adaptations
from adtrack.lab.cells import Cells
from adtrack.lab.setup import Setup
from adtrack.lab.tables import HEADINGS
from adtrack.reporting.charts import Chart, Points, write_chart
from adtrack.reporting.table import Column, Table, estimate_text, number_text
from adtrack.reporting.tables import write_report
from adtrack.verbs.experiment import Experiment

NAME = "adaptation"
USUAL, FEW = 16, 2  # photos, and defects among them, as in a plant
RANKED = 0.9  # a model whose AUROC under a shift is lower has lost its ranking: no threshold can mend that
ENDS = (0.05, 0.95)  # quantiles over draws


def measure(cells: Cells, setup: Setup, folder: Path) -> list[Table]:
    """Draw photos under all shifts; write tables and a chart."""
    found = measure_adaptations(cells, setup)
    tables = [by_shift(found), by_photos(found)]
    write_report(NAME, adapted_frame(found), tables, folder)
    for method in setup.methods:
        some = [one for one in found if one.method == method and one.photos == USUAL]
        if some:  # a small Test leaves no image beside so many photos
            write_chart(chart(some), folder, f"{NAME}_{method}")
    return tables


def spread(values: np.ndarray) -> Estimate:
    """The mean over draws and the quantiles between which nine in ten of them lie; NaN without draws."""
    if not len(values):
        return Estimate(np.nan, np.nan, np.nan)
    return Estimate(float(values.mean()), *(float(end) for end in np.quantile(values, ENDS)))


def by_shift(found: Sequence[Adapted]) -> Table:
    """What the usual number of photos does under each shift, all of them good or with a few defects."""
    some = [one for one in found if one.photos == USUAL and one.defects in (0, FEW)]
    columns = (
        *(Column(name, number=False) for name in ("class", "method", "model", "shift")),
        *map(Column, (HEADINGS["image_auroc"], "promised", "false alarms\nbefore", "recall\nbefore", "defects")),
        *map(Column, (f"false alarms\nwith {USUAL} photos", f"recall\nwith {USUAL} photos", "refused")),
    )
    rows = tuple(
        (
            *(one.class_name, one.method, one.model, one.shift.words),
            *map(number_text, (one.auroc, one.promised, *one.before)),
            str(one.defects),
            *map(estimate_text, (spread(one.false_alarms), spread(one.recall))),
            number_text(one.refused),
        )
        for one in some
    )
    return Table("A threshold that goes with the light", columns, rows, NOTES)


def by_photos(found: Sequence[Adapted]) -> Table:
    """How many photos it takes, and how many defects among them are borne, over the shifts under which a model still
    ranks images well."""
    ranked = [one for one in found if one.auroc >= RANKED]
    keys = dict.fromkeys((one.class_name, one.method, one.model) for one in ranked)
    columns = (
        *(Column(name, number=False) for name in ("class", "method", "model")),
        *map(Column, ("shifts", "photos", "defects", "false alarms", "of promised", "worst shift\nof promised")),
        *map(Column, ("recall lost", "refused", "interval\nheld")),
    )
    rows = []
    for key in keys:
        own = [one for one in ranked if (one.class_name, one.method, one.model) == key]
        for photos, defects in dict.fromkeys((one.photos, one.defects) for one in own):
            some = [one for one in own if (one.photos, one.defects) == (photos, defects) and len(one.recall)]
            if some:
                rows.append((*key, str(len(some)), str(photos), str(defects), *_over_shifts(some, own)))
    notes = f"Shifts under which the model's {HEADINGS['image_auroc']} is {RANKED} or more. {OVER} {NOTES}"
    return Table("How many photos, and how many defects among them", columns, tuple(rows), notes)


def _over_shifts(some: Sequence[Adapted], own: Sequence[Adapted]) -> tuple[str, ...]:
    rates = [float(one.false_alarms.mean()) for one in some]
    ratios = [rate / max(one.promised, 1e-9) for rate, one in zip(rates, some, strict=True)]
    most = max(PHOTOS)
    best = {one.shift: one.recall.mean() for one in own if one.photos == most and not one.defects and len(one.recall)}
    lost = [best[one.shift] - one.recall.mean() for one in some if one.shift in best]
    worst = max(ratios, key=lambda ratio: max(ratio, 1 / max(ratio, 1e-9)))
    return (
        number_text(float(np.mean(rates))),
        number_text(float(np.mean(ratios)), 2),
        number_text(worst, 2),
        number_text(float(np.mean(lost)) if lost else np.nan),
        number_text(float(np.mean([one.refused for one in some]))),
        number_text(float(np.nanmean([one.held for one in some]))),
    )


NOTES = (
    f"Means over {DRAWS} draws of photos from the images of Test under that shift; brackets hold nine in ten draws. "
    "What the threshold does is measured on the other images. “Promised” is the share of Val's good images that are "
    "alarms, each measured from the median of its own set. Draws that were refused count only as such."
)
OVER = (
    f"“Recall lost” is against {max(PHOTOS)} good photos. “Interval held” is how often the interval of the threshold "
    "held the one that all good images of that shift give."
)


def adapted_frame(found: Sequence[Adapted]) -> pd.DataFrame:
    """All numbers in full precision."""
    records = []
    for one in found:
        alarms, recall = spread(one.false_alarms), spread(one.recall)
        records.append(
            {
                "class": one.class_name,
                "method": one.method,
                "model": one.model,
                "shift": one.shift.words,
                "photos": one.photos,
                "defects": one.defects,
                "image_auroc": one.auroc,
                "promised": one.promised,
                "false_alarm_rate_before": one.before[0],
                "recall_before": one.before[1],
                "false_alarm_rate": alarms.value,
                "false_alarm_rate_low": alarms.low,
                "false_alarm_rate_high": alarms.high,
                "recall": recall.value,
                "recall_low": recall.low,
                "recall_high": recall.high,
                "refused": one.refused,
                "interval_held": one.held,
            }
        )
    return pd.DataFrame(records)


def chart(found: Sequence[Adapted]) -> Chart:
    """False alarms of the last model under each shift: before, and after with good photos and with a few defects."""
    last = found[-1]
    some = [one for one in found if (one.class_name, one.model) == (last.class_name, last.model)]
    shifts = list(dict.fromkeys(one.shift.words for one in some))
    series = {"before": [_at(one.before[0]) for one in some if one.defects == 0]}
    for defects in (0, FEW):
        rates = [spread(one.false_alarms) for one in some if one.defects == defects]
        series[f"{USUAL} photos, {defects} defects"] = rates
    title = f"A threshold that goes with the light ({last.class_name}, {last.method}, {last.model})"
    return Chart(title, "shift", HEADINGS["false_alarm_rate"], Points(shifts, series), f"Promised: {last.promised:.3f}")


def _at(value: float) -> Estimate:
    return Estimate(value, value, value)


EXPERIMENT = Experiment(NAME, measure)
