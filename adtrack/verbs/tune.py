"""tune: a study from its first trial to the registered bank."""

from adtrack.config import BuildSpec
from adtrack.tracking.models import registry_name
from adtrack.tracking.runs import log_params, log_surroundings, tracked_run
from adtrack.tracking.store import open_store, working
from adtrack.tracking.trials import joined_run, study_parent
from adtrack.tuning.finish import StudyResult, finish
from adtrack.tuning.spec import StudySpec
from adtrack.tuning.storage import default_storage
from adtrack.tuning.study import prepare
from adtrack.verbs.opening import Say, open_bench


def tune(
    spec: BuildSpec, study: StudySpec, name: str | None, storage: str | None, device: str, say: Say, warn: Say
) -> StudyResult:
    """Run the study, or go on with it, then test, register and write up its best bank."""
    registry_name(spec.data.class_name)
    tracking_uri = open_store()
    bench = open_bench(spec, study.space.all_layers, device, warn)
    with working() as worker:
        trials = prepare(bench, spec.bank, study, name, storage or default_storage(tracking_uri), worker, say)
        earlier = None if joined_run() else study_parent(trials.name)
        extra = {"adtrack.role": "study"}
        with tracked_run(worker, trials.tags, name=f"study {trials.name}", run_id=earlier, extra=extra) as run_id:
            log_params(
                {
                    "class": spec.data.class_name,
                    "backbone": bench.trunk.network,
                    "weights": bench.trunk.origin,
                    "weights_sha256": bench.trunk.sha256,
                    "metric": study.metric,
                    "objective": study.objective,
                    "sampler": study.sampler,
                    "seed": str(study.seed),
                    "resize": str(spec.image.resize),
                    "crop": str(spec.image.crop),
                }
            )
            log_surroundings(bench)
            trials.open_parent(run_id)
            trials.run()
            return finish(trials)
