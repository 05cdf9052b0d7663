"""Charts as files: an interactive page and a picture that show the same."""

from pathlib import Path

from adtrack.reporting.description import Chart, Cloud, Lines, Matrix, Panels, Points, Scatter, Spot, Swarm
from adtrack.reporting.interactive import write_html

__all__ = ["Chart", "Cloud", "Lines", "Matrix", "Panels", "Points", "Scatter", "Spot", "Swarm", "write_chart"]


def write_chart(chart: Chart, folder: Path, name: str) -> list[Path]:
    """Writes <name>.html, which holds all that it needs, and <name>.png; the same chart gives the same bytes."""
    from adtrack.reporting.picture import write_png  # imports matplotlib, and most commands that know charts draw none

    return [write_html(chart, Path(folder), name), write_png(chart, Path(folder), name)]
