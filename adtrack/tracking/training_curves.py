"""What a run shows of a training: the points of its curves as they come, and charts of them at the end."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from adtrack.evaluation.intervals import Estimate
from adtrack.reporting.charts import Chart, Lines, write_chart
from adtrack.tracking.run import Run
from adtrack.training.loop import LOSS, Epoch


def epochs_to(run: Run) -> Callable[[Epoch], None]:
    """Logs each epoch that it is told: ``train/loss``, ``held_out/loss`` and so on, by the number of the epoch."""
    return lambda epoch: run.log_metrics(_points(epoch), step=epoch.number)


def log_training(run: Run, title: str, epochs: Sequence[Epoch], best: Epoch, held_out: int | None = None) -> None:
    """Log the figures of the best epoch, and charts of the losses and, if there are any, of the shares that were right,
    as pages and pictures."""
    counts = {} if held_out is None else {"best/held_out_images": held_out}
    run.log_metrics(
        {f"best/{key}": value for key, value in best.held_out.items()} | {"best/epoch": best.number} | counts
    )
    points = [_points(epoch) for epoch in epochs]
    numbers = [float(epoch.number) for epoch in epochs]
    losses = [name for name in points[0] if name.endswith(f"/{LOSS}")]
    charts = {"loss": ("Loss", losses), "shares": ("Share that is right", [n for n in points[0] if n not in losses])}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "curves"
        folder.mkdir()
        for file, (label, names) in charts.items():
            series = {
                name.replace("_", " ").replace("/", ", "): [_exact(one[name]) for one in points] for name in names
            }
            if series:
                write_chart(Chart(title, "Epoch", label, Lines(numbers, series)), folder, file)
        run.log_folder(Path(scratch))
        run.log_image(folder / "loss.png", "curves")


def _points(epoch: Epoch) -> dict[str, float]:
    """The points of the run's curves: ``train/loss``, ``held_out/loss`` and so on."""
    groups: Mapping[str, Mapping[str, float]] = {"train": epoch.train, "held_out": epoch.held_out}
    return {f"{group}/{name}": value for group, figures in groups.items() for name, value in figures.items()}


def _exact(value: float) -> Estimate:
    return Estimate(value, value, value)
