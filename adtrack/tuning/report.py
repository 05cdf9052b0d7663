"""A study as one page: which trial won, how the search went, what quality costs, and why the best trial is the best."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import pandas as pd
from plotly.graph_objects import Figure

from adtrack.data.imageset import VAL_SETS
from adtrack.evaluation.alarms import set_name
from adtrack.evaluation.curves import precision_recall, roc
from adtrack.evaluation.pictures.side_by_side import LEGEND, compare, comparison_sheet
from adtrack.evaluation.threshold_words import threshold_sentences
from adtrack.evaluation.workbench import Workbench
from adtrack.findings import counted
from adtrack.naming import argument
from adtrack.progress import track
from adtrack.reporting.curves import LEGEND_BELOW, curves_figure, histogram_figure
from adtrack.reporting.document import Section, document
from adtrack.reporting.interactive import figure_of
from adtrack.reporting.parts import Command, Figures, Paragraph, Part, Picture, SortableTable
from adtrack.tracking.evaluation_files import read_curve, read_scores
from adtrack.tracking.models import load_model
from adtrack.tracking.trials import TrialRecord, with_models
from adtrack.tuning.arms import arms_figure
from adtrack.tuning.plots import study_figures
from adtrack.tuning.quality import shift_chart, size_chart
from adtrack.tuning.ranking import compared, ranked, tie_in_words
from adtrack.tuning.searched import about, briefly
from adtrack.tuning.tables import SPLITS, alarms_in_words, best_table, trials_table

KINDS = 6  # of image on the comparison sheet


@dataclass(frozen=True)
class Story:
    """What the page and the parent run's note tell of."""

    bench: Workbench
    trials: Sequence[TrialRecord]
    best: TrialRecord
    model: str  # the URI of the best trial's model
    objective_name: str
    metric: str
    rows: str  # what the rows are that a model remembers: "patches"

    @property
    def title(self) -> str:
        """The page's heading."""
        network = f" with {self.best.network}" if self.best.network else ""
        return f"{self.best.class_name}: the best of {counted(len(self.trials), 'trial')}{network}"

    @property
    def score_command(self) -> str:
        """What to type to use the winner."""
        return f"adtrack score --model {argument(self.model)} photos/ --out scored/"

    @property
    def winner(self) -> str:
        """The best trial in a line."""
        rows, size, time = (self.best.metrics[f"cost/{name}"] for name in ("bank_rows", "bank_mb", "score_ms"))
        costs = f"{rows:.0f} {self.rows}, {size:.2f} MB, about {time:.0f} ms per image"
        return f"Best of {len(self.trials)} trials: {about(self.best)}; {costs}"

    @cached_property
    def figures(self) -> dict[str, Figure]:
        """The figures of the search."""
        return study_figures(self.trials, self.objective_name)

    @property
    def remarks(self) -> str:
        """What decided between equals, and where good images are called anomalous; "" if there is nothing to say."""
        return " ".join(filter(None, (tie_in_words(self.trials), alarms_in_words(self.best))))


def study_page(story: Story) -> str:
    """The page, HTML that asks for no other file."""
    words = f"{story.winner}. What counted: {story.objective_name}. {story.remarks}".strip()
    lead: list[Part] = [Paragraph(words), SortableTable(best_table(story.best)), Command(story.score_command)]
    order = ranked(story.trials)
    sections = [Section("Trials", [SortableTable(trials_table(order))], "Click a heading to sort."), *_search(story)]
    sections += [_trade(story), *_comparison(story, compared(story.trials)), *_best_scores(story)]
    return document(story.title, sections, lead)


def _search(story: Story) -> list[Section]:
    found = dict(story.figures)
    if not found:
        return []
    wide = {"parallel_coordinates": found.pop("parallel_coordinates")}
    return [Section("How the search went", [Figures(found, height=420), Figures(wide, height=480)])]


def _trade(story: Story) -> Section:
    charts = {
        "bank_mb": size_chart(story.trials, story.objective_name),
        "shift": shift_chart(story.trials, story.metric),
    }
    shown = {name: figure_of(chart).update_layout(legend=LEGEND_BELOW) for name, chart in charts.items() if chart}
    note = (
        "The numbers are those of the trials on the Pareto front: no other trial is better without being larger. A "
        "trial below the diagonal loses under shift. On its way to a larger model a trial passes by smaller ones: "
        "trials that differ in that alone make one curve, which is drawn in colour for the best trials."
    )
    way = arms_figure(story.trials, story.objective_name, story.rows)
    parts: list[Part] = [Figures(shown, height=500), *([Figures({"arms": way}, height=520)] if way else [])]
    return Section("What quality costs, and who keeps working", parts, note)


def _comparison(story: Story, best: Sequence[TrialRecord]) -> list[Section]:
    found, chosen = with_models(best), _telling_images(story)
    if not found or not chosen:
        return []
    seen = track(found, "Comparing the best models", unit="model")
    scorers = (load_model(uri, story.bench.backbone.device).scorer for _, uri in seen)
    rows = compare(story.bench, scorers, [(name, index) for index in chosen for name in VAL_SETS])
    sheet = comparison_sheet(rows, _headings([trial for trial, _ in found]))
    note = (
        "Of each kind, the Val image that the best trial gets most wrong, clean and shifted, as the models of the best "
        f"trials see it. {LEGEND}"
    )
    return [
        Section("The same images in the best trials", [Picture(sheet, "The images as the best trials see them")], note)
    ]


def _headings(trials: Sequence[TrialRecord]) -> list[str]:
    """Rank and number of each trial, and in what it differs from the others."""
    parts = [(f"{rank}. trial {trial.number}", *briefly(trial, trials)) for rank, trial in enumerate(trials, start=1)]
    return ["\n".join(filter(None, part)) for part in parts]


def _telling_images(story: Story) -> list[int]:
    """Places in Val of the images to look at; none where the best trial's scores have been lost, or are of others."""
    scores, images = read_scores(story.best.run_id, "val_clean"), story.bench.opened.images("val_clean")
    if scores is None or scores["path"].to_list() != [record.path for record in images.records]:
        return []
    return telling(scores)


def telling(scores: pd.DataFrame) -> list[int]:
    """Places of the images to look at: of each kind the one most wrongly scored, the hardest kinds first.

    Good images come first, then the kinds by how far their worst image lies below the threshold.
    """
    worst = []
    for kind, members in scores.groupby("kind", sort=True):
        defective = bool(members["label"].iloc[0])
        index = members["score"].idxmin() if defective else members["score"].idxmax()
        worst.append((defective, float(members["score"][index]) if defective else 0.0, str(kind), int(index)))
    return [index for _, _, _, index in sorted(worst)[:KINDS]]


def _best_scores(story: Story) -> list[Section]:
    found = {name: read_scores(story.best.run_id, name) for name in SPLITS}
    sets = {name: scores for name, scores in found.items() if scores is not None}
    if not sets:
        return []
    everything = pd.concat([scores["score"] for scores in sets.values()])
    bounds = (float(everything.min()), max(float(everything.max()), float(everything.min()) + 1e-9))
    histograms = {f"scores_{name}": _histogram(name, scores, bounds) for name, scores in sets.items()}
    value, opened = float(next(iter(sets.values()))["threshold"].iloc[0]), story.bench.opened
    told = " ".join(threshold_sentences(value, story.best.threshold, opened))
    note = f"Trial {story.best.number} is the best. {told} It holds for all sets."
    return [
        Section("Scores of the best trial", [Figures(histograms, height=340)], note),
        Section("Curves of the best trial", [Figures(_curves(story, sets), height=430)]),
    ]


def _histogram(name: str, scores: pd.DataFrame, bounds: tuple[float, float]) -> Figure:
    good, anomalous = (scores["score"][scores["label"] == label].to_list() for label in (0, 1))
    return histogram_figure(set_name(name), good, anomalous, float(scores["threshold"].iloc[0]), bounds)


def _curves(story: Story, sets: dict[str, pd.DataFrame]) -> dict[str, Figure]:
    by_set = {set_name(name): (scores["score"].to_numpy(), scores["label"].to_numpy()) for name, scores in sets.items()}
    receiver = {name: roc(*one) for name, one in by_set.items()}
    precision = {name: precision_recall(*one) for name, one in by_set.items()}
    overlap = {set_name(name): curve for name in sets if (curve := read_curve(story.best.run_id, name))}
    shown = {
        "roc": curves_figure("ROC of images", "False-positive rate", "Recall", receiver),
        "precision_recall": curves_figure("Precision and recall of images", "Recall", "Precision", precision),
    }
    if overlap:
        rate = "False-positive rate of pixels"
        shown["pro"] = curves_figure("Per-region overlap (PRO)", rate, "PRO", overlap, x_end=0.3)
    return shown
