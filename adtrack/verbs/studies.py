"""Studies for an experiment: those that the store has, else new ones."""

from adtrack.config import BuildSpec, DataSpec
from adtrack.evaluation.workbench import Workbench
from adtrack.lab.setup import Setup
from adtrack.settings import usual_texts
from adtrack.tracking.store import open_store
from adtrack.tracking.trials import TrialRecord, latest_studies, study_trials
from adtrack.tuning.space import Space
from adtrack.tuning.spec import StudySpec
from adtrack.verbs.bench_setup import Say
from adtrack.verbs.tune.verb import tune

TRIALS = 12


def ensure_studies(setup: Setup, say: Say, warn: Say) -> Setup:
    """Tune every class that has no study of the first method, these images, this backbone and this view yet."""
    open_store()
    for class_name in setup.classes:
        trials = known_trials(setup, class_name)
        if trials:
            say(f"{class_name}: {len(trials)} trials of study {trials[0].study} are there")
            continue
        say(f"{class_name}: no study yet, so {TRIALS} trials are run")
        base = setup.detectors[0]
        space = Space.of(type(base), usual_texts(type(base)))
        spec = BuildSpec(DataSpec(class_name, setup.data, setup.seed), base, setup.image, setup.backbone)
        study = StudySpec(space, TRIALS, seed=setup.seed)
        tune(spec, study, None, None, setup.device, say, warn)
    return setup


def known_trials(setup: Setup, class_name: str) -> list[TrialRecord]:
    """The trials of the class's newest study, if it was about the first method and the same images, backbone and
    view."""
    bench, method = setup.bench(class_name), setup.methods[0]
    trials = [trial for study in latest_studies(class_name) for trial in study_trials(study)]
    return [trial for trial in trials if trial.method == method and _same(trial, bench)]


def _same(trial: TrialRecord, bench: Workbench) -> bool:
    view = (str(bench.image.resize), str(bench.image.crop))
    params = trial.params
    return trial.split_digest == bench.opened.digest and (
        (params["backbone"], params["weights"], params["resize"], params["crop"])
        == (bench.backbone.trunk.network, bench.backbone.trunk.origin, *view)
    )
