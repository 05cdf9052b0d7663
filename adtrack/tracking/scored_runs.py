"""Finds runs by what a user types, and reads back the scores that they keep of every image."""

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from adtrack.config import DEFAULT_METHOD, canonical, from_json
from adtrack.data.domains import CLEAN
from adtrack.data.imageset import TEST_SETS, VAL_SETS, parse_name
from adtrack.errors import UserError
from adtrack.evaluation.paired_comparison import ModelScores
from adtrack.evaluation.resampling import Sample
from adtrack.naming import from_csv_cell
from adtrack.tracking.registry import resolved
from adtrack.tracking.run_contents import run_file
from adtrack.tracking.store import quoted, search_runs
from adtrack.tracking.tags import BEST_RUN, CLASS, DIGEST, MODEL, REGISTERED, ROLE
from adtrack.troubles import trouble

_ORDER = (*VAL_SETS, *TEST_SETS)


@dataclass(frozen=True)
class ScoredRun:
    """A run with a score for every image. ``asked`` is the text by which the user named it.

    ``places`` is {image set: id of the run that holds its scores}: this run, or a later evaluation of its model.
    """

    asked: str
    run_id: str
    name: str
    class_name: str
    split_digest: str
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    places: Mapping[str, str]

    @property
    def method(self) -> str:
        """The method of the run's model. Runs of the first versions did not log it and mean the default."""
        return self.params.get("method", DEFAULT_METHOD)

    @property
    def sets(self) -> tuple[str, ...]:
        """The image sets that have scores, the usual ones first."""
        usual = [name for name in _ORDER if name in self.places]
        return (*usual, *sorted(set(self.places) - set(usual)))


def scored_run(asked: str) -> ScoredRun:
    """The run that ``asked`` names: the start of its id, or models:/name/version, models:/name@alias or models:/m-….

    UserError if there is no such run, or if it holds no scores of adtrack.
    """
    run = MlflowClient().get_run(_run_of_model(asked) if asked.startswith("models:/") else _run_of_prefix(asked))
    tags = run.data.tags
    lacking = [name for name in (CLASS, DIGEST) if not tags.get(name)]
    if lacking:
        raise UserError(f"a run must be one of adtrack's, but {asked} has no tag {' and no '.join(lacking)}.")
    runs = [run, *_evaluations(run)]
    places: dict[str, str] = {}
    metrics: dict[str, float] = {}
    for found in reversed(runs):
        places |= dict.fromkeys(_score_sets(found.info.run_id), found.info.run_id)
        metrics |= found.data.metrics
    if not places:
        best = tags.get(BEST_RUN)
        raise UserError(
            f"a run must hold a score for every image, but {asked} holds none.",
            f"it is a study: its best trial is run {best}."
            if best
            else "runs of tune, build-bank and evaluate hold them.",
        )
    return ScoredRun(
        asked,
        run.info.run_id,
        run.info.run_name,
        tags[CLASS],
        tags[DIGEST],
        run.data.params,
        metrics,
        places,
    )


def set_scores(run: ScoredRun, name: str, *, by_content: bool = False) -> ModelScores:
    """The scores of an image set in the order of its paths. UserError if they can't be read.

    An image is identified by its path. With ``by_content``, it is identified by its path, the content of its file, the
    seed of the shift and how files are read. Then runs with different splits can be compared image by image.
    """
    try:
        file = run_file(run.places[name], f"scores/{name}.csv")
        with file.open(newline="", encoding="utf-8") as stream:
            rows = [row | {"path": from_csv_cell(row["path"])} for row in csv.DictReader(stream)]
        rows.sort(key=lambda row: row["path"])
        paths = tuple(row["path"] for row in rows)
        (threshold,) = {float(row["threshold"]) for row in rows}
        scores = np.array([float(row["score"]) for row in rows])
        sample = Sample(scores, np.array([int(row["label"]) for row in rows]), threshold)
        kinds = tuple(from_csv_cell(row["kind"]) for row in rows)
        images = paths
        if by_content:
            contents, reading = image_contents(run.places[name], name), _how_read(run.places[name])
            images = tuple(f"{path}\n{contents[path]}{reading}" for path in paths)
    except (MlflowException, OSError, ValueError, OverflowError, KeyError, TypeError, csv.Error) as error:
        raise UserError(
            f"scores/{name}.csv must list path, kind, label, score and one threshold, but that of run {run.run_id} "
            f"does not ({error})."
        ) from error
    return ModelScores(images, paths, kinds, sample)


def image_contents(run_id: str, name: str) -> dict[str, str]:
    """{path: SHA-256 of the file, in a shifted set followed by the shift's seed}, from the run's list of splits."""
    split, domain, _ = parse_name(name)
    try:
        manifest = _manifest(run_id)
        seed = "" if domain == CLEAN else f" {manifest['seed']}"
        return {row["path"]: f"{row['sha256']}{seed}" for row in manifest["splits"][split]}
    except (MlflowException, OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"a run must keep a manifest of its splits, but run {run_id} does not ({error}).") from error


def _manifest(run_id: str) -> dict:
    return from_json(run_file(run_id, "splits.json").read_text(encoding="utf-8"))


def _how_read(run_id: str) -> str:
    """A text that says how the run read its files, since the same file can be read to different pixels."""
    return canonical(_manifest(run_id).get("reading", ""))


def data_place(run_id: str) -> str:
    """The place of the run's data as its user typed it: "demo" or a folder."""
    try:
        return str(from_json(run_file(run_id, "spec.json").read_text(encoding="utf-8"))["data"]["root"])
    except (MlflowException, OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"a run must say where its data lie, but run {run_id} does not ({error}).", "name the folder by --data."
        ) from error


def _run_of_model(uri: str) -> str:
    client = MlflowClient()
    try:
        name, slash, version = resolved(uri).removeprefix("models:/").rpartition("/")
        found = client.get_model_version(name, version).run_id if slash else _source_run(version)
    except (MlflowException, ValueError) as error:
        raise trouble(error) or UserError(
            f"a model must be one that the tracking store knows, but {uri} is not ({str(error).splitlines()[0]}).",
            "write models:/adtrack-zipper/3 or models:/adtrack-zipper@champion, for example.",
        ) from error
    if not found:
        raise UserError(f"a model must say which run it comes from, but {uri} does not.")
    return found


def _source_run(model_id: str) -> str | None:
    return MlflowClient().get_logged_model(model_id).source_run_id


def _run_of_prefix(asked: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{4,32}", asked):
        raise UserError(
            f"a run must be named by its id, or by four or more of its first characters, but got {asked!r}.",
            "mlflow ui shows ids; models:/adtrack-zipper@champion names a version instead.",
        )
    found = search_runs(f"attributes.run_id LIKE '{asked}%'")
    if len(found) != 1:
        there = f"{len(found)} ids begin like this" if found else "no id begins like this"
        raise UserError(
            f"a run's id must name one run in this store, but got {asked!r} and {there}.",
            "MLFLOW_TRACKING_URI chooses the store." if not found else "give more of its characters.",
        )
    return found[0].info.run_id


def _evaluations(run: Run) -> list[Run]:
    """The runs in which ``adtrack evaluate`` scored the run's model on the same splits, the latest first."""
    tags = run.data.tags
    models = {tags.get(MODEL, ""), f"models:/{tags.get(REGISTERED, '')}"}
    condition = f"tags.`{ROLE}` = 'evaluation' and tags.`{DIGEST}` = "
    found = search_runs(f"{condition}{quoted(tags[DIGEST])} and attributes.status = 'FINISHED'")
    of_model = [one for one in reversed(found) if one.data.tags.get(MODEL) in models]
    return [one for one in of_model if one.info.run_id != run.info.run_id]


def _score_sets(run_id: str) -> list[str]:
    paths = [PurePosixPath(item.path) for item in MlflowClient().list_artifacts(run_id, "scores") if not item.is_dir]
    return [path.stem for path in paths if path.suffix == ".csv"]
