"""What lies beside an exported model: how it was checked, how it is used, and a program that uses it."""

import csv
import json
import math
import shutil
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import adtrack
from adtrack.detectors.scorer import Scorer
from adtrack.edge import camera
from adtrack.edge.agreement import TOLERANCE, Agreement, Differences
from adtrack.edge.formats import FORMATS, ONNX
from adtrack.naming import argument, csv_cell
from adtrack.reporting.templating import render
from adtrack.verbs.export_model.folder import CAMERA, CHECK, DOCKERFILE, README, SCORES

_COLUMNS = ("set", "path", "registered_score", "exported_score", "registered_label", "exported_label", "map_difference")
_DOCKERFILE = """\
# docker build -t {name} . && docker run --rm -v "$PWD/photos:/photos:ro" {name} /photos
FROM python:{python}-slim
RUN pip install --no-cache-dir {packages}
WORKDIR /model
COPY *.py *{suffixes} ./
ENTRYPOINT ["python", "camera.py"]
"""


def write_check(agreement: Agreement, folder: Path) -> None:
    """Write how an export was checked: ``check.json``, and the scores of each image in ``scores.csv``."""
    told = {
        "passed": not agreement.troubles,
        "troubles": agreement.troubles,
        "engine": agreement.engine,
        "threshold": agreement.threshold,
        "standard_deviation": agreement.spread,
        "tolerance": TOLERANCE,
        "sets": {name: _plain(agreement.differences(name)) for name in agreement.sets},
    }
    (folder / CHECK).write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    with (folder / SCORES).open("w", newline="", encoding="utf-8", errors="backslashreplace") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(_COLUMNS)
        for one in agreement.images:
            scores, labels = (one.registered, one.exported), (one.registered_label, one.exported_label)
            apart = "" if one.map_difference is None else repr(one.map_difference)
            writer.writerow([one.set_name, csv_cell(one.path), *map(repr, scores), *labels, apart])
