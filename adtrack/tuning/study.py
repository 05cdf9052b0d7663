"""A study is identified by what is asked and of which data, checked before its first trial, and opened."""

import math
from dataclasses import replace

from adtrack.config import BuildSpec, digest, plain
from adtrack.detectors import detector_class
from adtrack.detectors.scorer import SCORING
from adtrack.errors import UserError
from adtrack.evaluation.evaluate import PIXEL_METRICS
from adtrack.evaluation.visibility import Visibility, visibility
from adtrack.evaluation.workbench import Workbench
from adtrack.settings import settings
from adtrack.threshold_spec import AUTO, BY_F1, BY_QUANTILE, CALIBRATE_ON, VAL_CLEAN, ThresholdSpec
from adtrack.tracking.trials import TrialRecord, study_trials
from adtrack.tracking.workers import Worker
from adtrack.tuning.pruning import make_pruner
from adtrack.tuning.ranking import objective, ranked
from adtrack.tuning.sampling import WithoutRepeats
from adtrack.tuning.shared_study import SharedStudy
from adtrack.tuning.spec import StudySpec
from adtrack.tuning.storage import open_study


def study_digests(bench: Workbench, spec: BuildSpec, asked: StudySpec) -> dict[str, str]:
    """The digests of a study's data and of its specification, both of which it must keep.

    ``spec`` describes the detector, of which the space varies some settings, and how thresholds are found.
    """
    base = spec.detector
    varied = {one.name for one in settings(base) if one.key in asked.space.values}
    fixed = {name: value for name, value in plain(base).items() if name not in varied}
    view = {"image": bench.image, "trunk": bench.backbone.trunk.sha256}
    question = {**asked.asked(), **_asked_of_thresholds(spec.threshold)}
    # A study that began when there was PatchCore alone has its fixed settings as "bank".
    specification = {"study": question, "bank": fixed, "format": SCORING, **view}
    return {"data_digest": bench.opened.digest, "spec_digest": digest(specification)}


def _asked_of_thresholds(spec: ThresholdSpec) -> dict[str, object]:
    """How a study finds thresholds. The first studies took the best F1 on Val-clean, which is not named."""
    where = {} if spec.calibrate_on == VAL_CLEAN else {"calibrate_on": spec.calibrate_on}
    rule = {} if spec.threshold_from == BY_F1 else {"threshold_from": spec.threshold_from}
    quantile = {"good_quantile": spec.good_quantile} if spec.threshold_from == BY_QUANTILE else {}
    return {**where, **rule, **quantile}


def default_name(class_name: str, digests: dict[str, str]) -> str:
    """``zipper-1a2b3c4d-5e6f7a8b``: the class, its data, and what is asked."""
    return "-".join([class_name, *(text[:8] for text in digests.values())])


def check_metric(bench: Workbench, method: str, spec: StudySpec) -> None:
    """Refuse a pixel metric that no trial can have a number of.

    That is so for a method without anomaly maps, and for images without masks or without a defect pixel in the view,
    so it is known before the first trial. Image metrics are defined on every Val.
    """
    if spec.metric not in PIXEL_METRICS:
        return
    kind = detector_class(method)
    if not kind.has_maps:
        raise UserError(
            f"metric {spec.metric} needs anomaly maps, but {kind.name} scores whole images only.",
            "image_auroc needs none.",
        )
    if not bench.opened.checked.masks:
        place = bench.opened.places.masks
        raise UserError(
            f"metric {spec.metric} needs masks, but class {bench.opened.data.class_name} has "
            + (f"no {place} folder." if place else "none."),
            "image_auroc needs none.",
        )
    for name in spec.goal.sets:
        found = visibility(bench.opened.images(name), bench.image)
        if not found.shown:
            raise UserError(
                f"metric {spec.metric} needs a defect pixel of {name} in the view, but resize {bench.image.resize} "
                f"with crop {bench.image.crop} shows none: {found.missing}.",
                _remedy(bench, found),
            )


def _remedy(bench: Workbench, found: Visibility) -> str:
    wider = "--crop 0 shows whole images; " if found.outside and bench.image.size < bench.image.resize else ""
    return f"{wider}--metric image_auroc asks for no pixels."


def open_shared(
    bench: Workbench, spec: BuildSpec, asked: StudySpec, name: str | None, url: str, device: str, worker: Worker
) -> SharedStudy:
    """Open the study in Optuna's storage at ``url``, or make it there. UserError: no trial can answer what is asked.

    Where it is not asked on which images thresholds are found, a study that exists keeps those that it began with. One
    that is asked for by its ``name`` also keeps the settings that it began to search.
    """
    check_metric(bench, spec.detector.method, asked)
    questions = [asked, replace(asked, space=asked.space.earlier())] if name else [asked]
    thresholds = _possible(spec.threshold)
    possible = [(replace(spec, threshold=one), question) for question in questions for one in thresholds]
    digests = [study_digests(bench, *one) for one in possible]
    names = [name or default_name(bench.opened.data.class_name, found) for found in digests]
    sampler = _sampler(asked, spec)
    pruner = make_pruner(asked.pruner, len(asked.space.ladder))
    study = open_study(url, list(zip(names, digests, strict=True)), sampler, pruner, asked.goal.count)
    chosen = [found["spec_digest"] for found in digests].index(study.user_attrs["spec_digest"])
    spec, asked = possible[chosen]
    study.sampler = _sampler(asked, spec)
    return SharedStudy(study.study_name, spec, asked, study, url, bench, device, worker)


def _sampler(asked: StudySpec, spec: BuildSpec) -> WithoutRepeats:
    return WithoutRepeats(asked.space, asked.sampler, asked.seed, asked.space.recipes(spec.detector))


def _possible(spec: ThresholdSpec) -> list[ThresholdSpec]:
    """What may be meant; the first is meant by a new study."""
    names = CALIBRATE_ON if spec.calibrate_on == AUTO else (spec.calibrate_on,)
    return [replace(spec, calibrate_on=name).resolved(has_anomalies=True) for name in names]


def best_of(name: str) -> TrialRecord:
    """The best finished trial of a study that has an objective. UserError if there is none."""
    trials = [trial for trial in ranked(study_trials(name)) if not math.isnan(objective(trial))]
    if not trials:
        raise UserError(
            f"study {name} must have a finished trial in this tracking store, but has none.",
            "a failed trial's run holds error.txt; a study that began in another store needs a new --storage here.",
        )
    return trials[0]
