"""Which images does the network find alike?

Every image of Train-clean, Val-clean and Test-clean is the mean of the network's deepest layer over all of its cells;
t-SNE lays these features on a plane, so that images that are alike lie near each other. A page shows the image that a
reader points at. Defects that lie apart from all good images are easy to find; a heap of images apart from the rest of
its kind may be another camera or another lot. Only nearness counts on the plane: distances between heaps and their
sizes mean nothing.

Command:  adtrack experiment feature_map                             (mlflow run . -e experiment -P name=feature_map)
          adtrack experiment feature_map --data DIR --classes magnetic_tile --weights trunk.pth
Writes:   tables/feature_map/: feature_map.csv, .md, .tex, .html; a page with pictures and a PNG for each class; the
          same on an MLflow run.
Cost:     a pass of the network over all images; t-SNE of 1344 images takes some 10 s on one core.
Result:   see experiments/README.md.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from adtrack.data.classes import GOOD
from adtrack.data.imageset import parse_name
from adtrack.evaluation.pictures.sheets import fit
from adtrack.evaluation.workbench import Workbench
from adtrack.filenames import ascii_name
from adtrack.lab.cells import Cells
from adtrack.lab.feature_map import PlacedImage, deepest, place_images
from adtrack.lab.setup import Setup
from adtrack.reporting.charts import Chart, Cloud, Swarm
from adtrack.reporting.pictured import SIDE, write_pictured
from adtrack.reporting.table import Column, Table, number_text
from adtrack.reporting.tables import write_report
from adtrack.verbs.experiment import Experiment

NAME = "feature_map"
NOTES = (
    "“Beside a good one”: the share of images whose nearest other image of the class, by these features, is good. The "
    "defects among them are hard to tell by the image as a whole; a method that looks at patches may find them."
)


def measure(cells: Cells, setup: Setup, folder: Path) -> list[Table]:
    """Place the images of every class; write the table, a page and a picture."""
    found: dict[str, list[PlacedImage]] = {}
    for class_name in setup.classes:
        bench = setup.bench(class_name)
        cells.say(f"{class_name}: t-SNE")
        found[class_name] = place_images(bench, setup.seed)
        _draw(bench, found[class_name], folder)
    tables = [table(found)]
    write_report(NAME, places_frame(found), tables, folder)
    return tables


def _draw(bench: Workbench, images: Sequence[PlacedImage], folder: Path) -> None:
    from adtrack.reporting.picture import write_png  # imports matplotlib

    data, network = bench.opened.data, bench.backbone.trunk.network
    swarms = grouped(images)
    title = f"Which images of {data.class_name} {network} finds alike ({deepest(bench)})"
    note = "t-SNE of the layer's mean over all cells. Only nearness counts; sizes of heaps and gaps mean nothing."
    cloud = Cloud([Swarm(*key, [one.place for one in some], list(map(_words, some))) for key, some in swarms.items()])
    pictures = [[fit(bench.display(one.set_name, one.index).image, SIDE) for one in some] for some in swarms.values()]
    name = f"{NAME}_{ascii_name(data.class_name)}"
    write_pictured(title, note, cloud, pictures, folder, name)
    write_png(Chart(title, "", "", cloud, note), folder, name)


def grouped(images: Sequence[PlacedImage]) -> dict[tuple[str, str], list[PlacedImage]]:
    """The images by set ("Train", "Val", "Test") and kind, good ones first."""
    keys = list(dict.fromkeys((parse_name(one.set_name)[0].title(), one.kind) for one in images))
    keys.sort(key=lambda key: (("Train", "Val", "Test").index(key[0]), key[1] != GOOD, key[1]))
    return {
        (group, kind): [one for one in images if (parse_name(one.set_name)[0].title(), one.kind) == (group, kind)]
        for group, kind in keys
    }


def _words(image: PlacedImage) -> str:
    return f"{image.path}: {image.kind}, {parse_name(image.set_name)[0].title()}"


def table(found: dict[str, list[PlacedImage]]) -> Table:
    """How many images of each kind there are, and beside which they lie."""
    columns = (
        *(Column(name, number=False) for name in ("class", "set", "kind")),
        *map(Column, ("images", "beside\na good one")),
    )
    rows = tuple(
        (name, group, kind, str(len(some)), number_text(float(np.mean([one.beside_good for one in some])), 2))
        for name, images in found.items()
        for (group, kind), some in grouped(images).items()
    )
    return Table("Which images the network finds alike", columns, rows, NOTES)


def places_frame(found: dict[str, list[PlacedImage]]) -> pd.DataFrame:
    """Every image with its place."""
    return pd.DataFrame(
        {
            "class": name,
            "set": one.set_name,
            "path": one.path,
            "kind": one.kind,
            "x": one.place[0],
            "y": one.place[1],
            "beside_good": one.beside_good,
        }
        for name, images in found.items()
        for one in images
    )


EXPERIMENT = Experiment(NAME, measure)
