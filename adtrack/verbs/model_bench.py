"""A model with the run that has logged it, and the class that it was built on, opened again as it was then."""

from pathlib import Path

import torch

from adtrack.config import DataSpec
from adtrack.data.imageset import VAL_SETS
from adtrack.detectors.scorer import DESCRIPTION, Scorer
from adtrack.errors import UserError
from adtrack.evaluation.opened_class import list_class
from adtrack.evaluation.workbench import Workbench
from adtrack.tracking.models import load_model
from adtrack.tracking.scored_runs import ScoredRun, data_place, scored_run


def model_with_run(model: str) -> tuple[Scorer, str, ScoredRun]:
    """The model's scorer on the CPU, its address without aliases, and the run that has logged it. UserError: no run
    has."""
    if (Path(model) / DESCRIPTION).is_file():
        raise UserError(
            f"model must be one that the tracking store knows, but {model} is a folder.",
            "its run tells which images it was measured on: adtrack build-bank --register registers one.",
        )
    loaded = load_model(model, torch.device("cpu"))
    return loaded.scorer, loaded.resolved, scored_run(loaded.resolved)


def bench_of_model(scorer: Scorer, run: ScoredRun, data: str | None) -> Workbench:
    """The bench of the model's class with its own Train and Val, behind its own network and view.

    ``data`` says where the images lie; None means where the ``run`` that has logged the model found them. UserError:
    they are not the images that the model was built on.
    """
    facts, root = scorer.facts, data or data_place(next(iter(run.places.values())))
    try:
        few = int(facts["train_images"]) if "train_images" in facts else None
        spec = DataSpec(
            run.class_name, root, int(facts["seed"]), train_images=few, train_draw=int(facts.get("train_draw", 0))
        )
    except (KeyError, ValueError) as error:
        raise UserError(f"a model must say from which splits it comes, but this one does not ({error}).") from error
    sets = ("train_clean", *scorer.detector.spec.draws, *VAL_SETS)
    bench = Workbench.of(list_class(spec, scorer.reading), scorer.backbone, scorer.image, sets)
    if bench.opened.digest != run.split_digest:
        raise UserError(
            f"int8 fits the model anew to the images that it was built on, but those in {root} are others: their "
            f"splits have the digest {bench.opened.digest[:12]} and not {run.split_digest[:12]}.",
            "--data says where the model's images are now.",
        )
    return bench
