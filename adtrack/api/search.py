"""Studies from Python."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from adtrack.api.fitting import load
from adtrack.api.model import Model
from adtrack.config import DEFAULT_METHOD, IMAGENET, BackboneSpec, BuildSpec, DataSpec, ImageSpec
from adtrack.detectors import detector_class, make_spec
from adtrack.progress import say
from adtrack.settings import plain_settings, setting_of, usual_texts
from adtrack.threshold_spec import AUTO, GOOD_QUANTILE, ThresholdSpec
from adtrack.tracking.trials import TrialRecord, study_trials
from adtrack.tuning.finish import StudyResult
from adtrack.tuning.space import Space
from adtrack.tuning.spec import StudySpec
from adtrack.tuning.tables import best_trials
from adtrack.verbs.tune.verb import tune as run_study


@dataclass(frozen=True)
class Study:
    """A finished study; ``result`` is what the command line prints of it."""

    result: StudyResult

    @property
    def name(self) -> str:
        """The study's name: the same arguments, or this name, go on with it."""
        return self.result.name

    @property
    def best(self) -> TrialRecord:
        """The best trial: its number, parameters, metrics (Test's among them) and run."""
        return self.result.best

    @property
    def uri(self) -> str:
        """The registered version of the best model: ``models:/adtrack-screw/3``."""
        return self.result.registered.uri

    @property
    def report(self) -> str:
        """Where its report is: a file, or a page of the tracking server."""
        return self.result.report

    def table(self) -> pd.DataFrame:
        """One row per finished trial, the best first: parameters, metrics, costs."""
        return best_trials(study_trials(self.name))

    def model(self, device: str = "auto") -> Model:
        """The best model, loaded from the registry."""
        return load(self.uri, device=device)


def tune(
    data: str | Path,
    class_name: str,
    *,
    trials: int = 20,
    method: str = DEFAULT_METHOD,
    backbone: str = AUTO,
    weights: str | Path = IMAGENET,
    resize: int = 256,
    crop: int = 224,
    seed: int = 42,
    device: str = "auto",
    bit_depth: int | None = None,
    train_images: int | None = None,
    space: Mapping[str, Sequence[Any]] | None = None,
    sampler: str = "tpe",
    metric: str = "image_auroc",
    objective: str = "both",
    max_bank_mb: float = 0.0,
    pruner: str = "auto",
    pixels: str = "best",
    calibrate_on: str = AUTO,
    threshold_from: str = AUTO,
    good_quantile: float = GOOD_QUANTILE,
    study: str | None = None,
    storage: str | None = None,
    **settings: Any,
) -> Study:
    """Search the best model for a class, test it and register it: what ``adtrack tune`` does, with its runs in the
    tracking store. The same call goes on with a study that was interrupted.

    ``data`` is a folder with classes, or "demo". Models learn from ``train_images`` of its images, from all that Train
    has if it is None. ``space`` names the values to try of each setting, such as ``{"patch_size": [1, 3]}``. ``pruner``
    says which hopeless trials end early (auto, none, median, hyperband, wilcoxon), and ``pixels`` which trials have
    metrics of pixels (the "best", or "all"). A model's threshold comes from both Val sets or from the one that
    ``calibrate_on`` names, by the best F1. If ``threshold_from`` is "good_quantile", this share of the good images
    passes instead; if it is "mean_std", the threshold lies two standard deviations above the mean of their scores.
    ``settings`` fix others (``patch_size=3``), and the rest takes the method's own values.

    UserError: an argument is not allowed, or the class has no labelled defects.

    >>> import adtrack
    >>> study = adtrack.tune("demo", "zipper", trials=40)  # doctest: +SKIP
    >>> study.best.params["layers"], study.model().score("photo.png").label  # doctest: +SKIP
    ('layer2+layer3', 1)
    """
    detector = make_spec(method, settings, seed=seed)
    fixed = {key: [value] for key, value in plain_settings(detector).items() if key in settings}
    texts = {key: _text(method, key, values) for key, values in {**fixed, **(space or {})}.items()}
    texts = usual_texts(detector) | texts
    build = BuildSpec(
        DataSpec(class_name, str(data), seed, bit_depth, train_images),
        detector,
        ImageSpec(resize, crop),
        BackboneSpec.asked(backbone, str(weights), seed, str(data)),
        ThresholdSpec(calibrate_on, threshold_from, good_quantile),
    )
    asked = StudySpec(
        Space.of(detector_class(method).spec_type, texts),
        trials,
        sampler,
        metric,
        objective,
        max_bank_mb,
        seed,
        pruner,
        pixels,
    )
    return Study(run_study(build, asked, study, storage, device, say, say))


def _text(method: str, key: str, values: Sequence[Any]) -> str:
    """Values to try, as they are typed."""
    one = setting_of(detector_class(method).spec_type, key, f"space of {method}")
    return ",".join(value if isinstance(value, str) else one.text(value) for value in values)
