"""When all trials have ended, those that the study's report compares get their metrics of pixels."""

from adtrack.data.imageset import VAL_SETS
from adtrack.evaluation.measuring import measure_sets, no_pixel_metrics
from adtrack.progress import track
from adtrack.tracking.log_evaluation import log_pixels
from adtrack.tracking.models import load_model
from adtrack.tracking.runs import reopened_run
from adtrack.tracking.trials import study_trials, with_models
from adtrack.tuning.ranking import compared
from adtrack.tuning.shared_study import SharedStudy

_PIXELS = tuple(f"{name}/pixel_auroc" for name in VAL_SETS)


def measure_pixels(study: SharedStudy) -> None:
    """Measure the pixels of the trials that are compared and have not done so, and log that to their runs.

    Trials measure their images only, because the maps of all images take longer than all else in large banks. What an
    earlier call has measured is left as it is.
    """
    if no_pixel_metrics(study.bench.opened, study.spec.detector.method):
        return
    best = [trial for trial in compared(study_trials(study.name)) if not set(_PIXELS) & set(trial.metrics)]
    for trial, uri in track(with_models(best), "Measuring the best trials' pixels", len(best), "trial"):
        with reopened_run(trial.run_id, study.worker) as run:
            scorer = load_model(uri, study.bench.backbone.device).scorer
            # The scores of most patches are known, because the trial has drawn them.
            evaluations = measure_sets(study.bench, scorer, VAL_SETS, patches=False)
            log_pixels(run, study.bench, evaluations, uri)
