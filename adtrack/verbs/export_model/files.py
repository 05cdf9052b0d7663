"""What lies beside an exported model: how it was checked, how it is used, and a program that uses it."""

import csv
import json
import math
import platform
import shutil
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

import adtrack
from adtrack.config import BILINEAR
from adtrack.detectors.scorer import Scorer
from adtrack.edge import kit
from adtrack.edge.agreement import TOLERANCE, Agreement, Differences
from adtrack.edge.formats import FORMATS, Format
from adtrack.naming import argument, csv_cell
from adtrack.reporting.templating import render
from adtrack.verbs.export_model.folder import (
    CHECK,
    COMPANIONS,
    DOCKERFILE,
    FAILED_CHECK,
    FAILED_SCORES,
    FILES,
    PROGRAMS,
    README,
    SCORES,
)
from adtrack.verbs.export_model.small import Saving
from adtrack.verbs.export_model.table import table_of, tolerated

_COLUMNS = ("set", "path", "registered_score", "exported_score", "registered_label", "exported_label", "map_difference")
_DOCKERFILE = """\
# Scores the photos below a folder:
#   docker build -t {name} .
#   docker run --rm -v "$PWD/photos:/photos:ro" {name} /photos
FROM python:{python}-slim
RUN pip install --no-cache-dir {packages}
WORKDIR /model
COPY {files} ./
ENTRYPOINT ["python", "camera.py"]
"""


def write_check(agreement: Agreement, folder: Path, parts: Sequence[str]) -> None:
    """Write how an export was checked, and the scores of each image: ``check.json`` and ``scores.csv``.

    These stand beside the files of the model, called ``parts``. Those of an export that has failed have other names, as
    they stand alone or beside an earlier export.
    """
    passed = not agreement.troubles
    check, scores_file = (CHECK, SCORES) if passed else (FAILED_CHECK, FAILED_SCORES)
    told = {
        FILES: [*parts, *COMPANIONS] if passed else [check, scores_file],
        "passed": passed,
        "troubles": agreement.troubles,
        "engine": agreement.engine,
        "threshold": agreement.threshold,
        "standard_deviation_of_scores": agreement.spread,
        "tolerance": TOLERANCE,
        "sets": {name: _plain(agreement.differences(name)) for name in agreement.sets},
    }
    (folder / check).write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    with (folder / scores_file).open("w", newline="", encoding="utf-8", errors="backslashreplace") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(_COLUMNS)
        for one in agreement.images:
            scores, labels = (one.registered, one.exported), (one.registered_label, one.exported_label)
            apart = "" if one.map_difference is None else repr(one.map_difference)
            writer.writerow([one.set_name, csv_cell(one.path), *map(repr, scores), *labels, apart])


def write_companions(
    folder: Path,
    file: Path,
    scorer: Scorer,
    agreement: Agreement,
    told: Mapping[str, str],
    saving: Saving | None = None,
) -> None:
    """Write what a person needs beside the model's ``file``: README.md, the programs, and a Dockerfile.

    ``told`` says which ``model`` it is, its ``format``, and the ``uri`` at which MLflow keeps the export. ``saving``
    is what 8 bits save and cost, if the network has 8 bits.
    """
    form, image = FORMATS[told["format"]], scorer.image
    for program in PROGRAMS:
        with files(kit).joinpath(program).open("rb") as source, (folder / program).open("wb") as target:
            shutil.copyfileobj(source, target)
    (folder / DOCKERFILE).write_text(_dockerfile(file, form), encoding="utf-8")
    text = render(
        "export.md",
        model=told["model"],
        address=argument(told["uri"]),
        format=form.title,
        served=told["uri"].startswith("models:/"),
        file=file.name,
        method=scorer.detector.name,
        network=scorer.backbone.trunk.network,
        threshold=f"{scorer.calibration.threshold:.6g}",
        resize=image.resize,
        size=image.size,
        interpolation=image.interpolation or BILINEAR,
        maps=scorer.detector.has_maps,
        packages=" ".join(_pinned(form)),
        versions=", ".join(f"{name} {version(name)}" for name in dict.fromkeys(("torch", *form.writes))),
        adtrack=adtrack.__version__,
        saving=saving.sentences if saving else [],
        table=table_of(agreement),
        tolerated=tolerated(agreement),
    )
    (folder / README).write_text(text, encoding="utf-8")


def _dockerfile(file: Path, form: Format) -> str:
    copied = [*PROGRAMS, *(file.with_suffix(suffix).name for suffix in form.suffixes)]
    return _DOCKERFILE.format(
        name=file.stem.lower(),
        python=".".join(platform.python_version_tuple()[:2]),
        packages=" ".join(_pinned(form)),
        files=" ".join(copied),
    )


def _pinned(form: Format) -> list[str]:
    return [f"{package}=={version(package)}" for package in form.scores]


def _plain(found: Differences) -> dict[str, object]:
    """Differences as plain data; JSON has no NaN."""
    middle, most = found.scores
    told: dict[str, object] = {"images": found.images, "score_median": _number(middle), "score_greatest": _number(most)}
    if found.maps is not None:
        told |= {"map_median": _number(found.maps[0]), "map_greatest": _number(found.maps[1])}
    return told | {"labels_changed": found.changed}


def _number(value: float) -> float | str:
    return value if math.isfinite(value) else str(value)
