"""What 8 bits save, and what they cost."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from adtrack.detectors.scorer import Scorer
from adtrack.edge.engines import open_engine
from adtrack.edge.formats import FORMATS
from adtrack.edge.int8 import Int8Model, SetLoss
from adtrack.edge.model_file import megabytes, write_model
from adtrack.edge.timing import Contender, time_in_turns
from adtrack.tracking.run import Run
from adtrack.verbs.int8_words import loss_sentences

_IMAGES = 20  # that both files score in turn


@dataclass(frozen=True)
class Saving:
    """The size in MB (10⁶ bytes) and the milliseconds of an image, with one thread and from its file to its score, of
    a model's export before and after its network got 8 bits, and what Val lost."""

    megabytes: tuple[float, float]
    milliseconds: tuple[float, float]
    losses: tuple[SetLoss, ...]

    @property
    def sentences(self) -> list[str]:
        """The same in words."""
        size, times = ([f"{value:.1f}" for value in pair] for pair in (self.megabytes, self.milliseconds))
        return [
            "This is another model than the registered one: its network has 8 bits, its detector was fitted anew to "
            "what this network gives, and it has a threshold of its own. The file is checked against that model.",
            f"Files of {size[1]} MB instead of {size[0]} MB; {times[1]} ms for an image, from file to score with one "
            f"thread, instead of {times[0]} ms.",
            *loss_sentences(self.losses),
        ]

    def log(self, run: Run) -> None:
        """Log what 8 bits save and cost as metrics of a run."""
        metrics: dict[str, float] = {}
        for name, (before, after) in (("export_mb", self.megabytes), ("export_ms", self.milliseconds)):
            metrics |= {f"cost/{name}": after, f"cost/{name}_before": before}
        for loss in self.losses:
            difference, metric = loss.contrast.difference, f"{loss.name}/int8_{loss.contrast.metric}_difference"
            metrics |= {metric: difference.value, f"{metric}_low": difference.low, f"{metric}_high": difference.high}
            metrics[f"{loss.name}/int8_labels_changed"] = loss.changed
        run.log_metrics(metrics)


def saving(scorer: Scorer, small: Int8Model, file: Path, photos: Sequence[Path], scratch: Path) -> Saving:
    """What the export ``file`` of the ``small`` model saves against one of ``scorer``, which is written to ``scratch``
    for the comparison."""
    format_name = next(name for name, form in FORMATS.items() if file.suffix == form.suffixes[0])
    before = write_model(scorer, format_name, scratch / "before")
    contenders = [Contender(one.stem, 1, open_engine(one)) for one in (before, file)]
    first, second = time_in_turns(scorer, photos, contenders, _IMAGES)
    return Saving((megabytes(before), megabytes(file)), (first.median, second.median), small.losses)
