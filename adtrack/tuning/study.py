"""A study: one run a trial below one parent run, until there are as many finished trials as asked for."""

import math
from collections.abc import Callable

from adtrack.config import DetectorSpec, digest, plain
from adtrack.detectors.scorer import SCORING
from adtrack.errors import UserError
from adtrack.evaluation.evaluate import PIXEL_METRICS
from adtrack.evaluation.visibility import Visibility, visibility
from adtrack.evaluation.workbench import Workbench
from adtrack.settings import settings
from adtrack.tracking.trials import TrialRecord, study_trials
from adtrack.tracking.workers import Worker
from adtrack.tuning.ranking import objective, ranked
from adtrack.tuning.runner import Trials
from adtrack.tuning.sampling import WithoutRepeats
from adtrack.tuning.spec import StudySpec
from adtrack.tuning.storage import open_study


def study_digests(bench: Workbench, base: DetectorSpec, spec: StudySpec) -> dict[str, str]:
    """The digests of a study's data and of its specification, both of which it must keep.

    ``base`` is the detector's specification, of which the space varies some settings.
    """
    varied = {one.name for one in settings(base) if one.key in spec.space.values}
    fixed = {name: value for name, value in plain(base).items() if name not in varied}
    view = {"image": bench.image, "trunk": bench.backbone.trunk.sha256}
    # A study that began when there was PatchCore alone has its fixed settings as "bank".
    specification = {"study": spec.asked(), "bank": fixed, "format": SCORING, **view}
    return {"data_digest": bench.opened.digest, "spec_digest": digest(specification)}


def default_name(class_name: str, digests: dict[str, str]) -> str:
    """``zipper-1a2b3c4d-5e6f7a8b``: the class, its data, and what is asked."""
    return "-".join([class_name, *(text[:8] for text in digests.values())])


def check_metric(bench: Workbench, spec: StudySpec) -> None:
    """Refuse a pixel metric that no bank can have a number of: without masks, or without a defect pixel in the view.

    Labels and masks alone decide that, so it is known before the first trial. Image metrics are defined on every Val.
    """
    if spec.metric not in PIXEL_METRICS:
        return
    if not bench.opened.checked.masks:
        raise UserError(
            f"metric {spec.metric} needs masks, but class {bench.opened.data.class_name} has no ground_truth folder.",
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


def prepare(
    bench: Workbench,
    base: DetectorSpec,
    spec: StudySpec,
    name: str | None,
    storage: str,
    worker: Worker,
    say: Callable[[str], None],
) -> Trials:
    """Open or make the study in Optuna's ``storage``."""
    check_metric(bench, spec)
    digests = study_digests(bench, base, spec)
    name = name or default_name(bench.opened.data.class_name, digests)
    sampler = WithoutRepeats(spec.space, spec.sampler, spec.seed)
    study = open_study(storage, name, sampler, spec.goal.directions, digests)
    return Trials(bench, base, spec, name, study, storage, worker, say)


def best_of(name: str) -> TrialRecord:
    """The best finished trial of a study that has an objective. UserError if there is none."""
    trials = [trial for trial in ranked(study_trials(name)) if not math.isnan(objective(trial))]
    if not trials:
        raise UserError(
            f"study {name} must have a finished trial in this tracking store, but has none.",
            "a failed trial's run holds error.txt; a study that began in another store needs a new --storage here.",
        )
    return trials[0]
