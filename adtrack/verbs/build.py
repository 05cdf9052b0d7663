"""build-bank and evaluate: one model, which is built or loaded, measured, and logged to a run of its own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from adtrack.config import DEFAULT_METHOD, BuildSpec
from adtrack.data.imageset import TEST_SETS, VAL_SETS
from adtrack.detectors import detector_class
from adtrack.detectors.scorer import Scorer
from adtrack.errors import UserError
from adtrack.evaluation.building import build
from adtrack.evaluation.evaluate import Evaluation
from adtrack.evaluation.measuring import measure_sets, no_pixel_metrics
from adtrack.evaluation.opened_class import ListedClass, list_class
from adtrack.evaluation.threshold_words import got_by, threshold_sentences
from adtrack.evaluation.workbench import Workbench
from adtrack.features.backbone import choose_device
from adtrack.features.usual_layers import settled
from adtrack.progress import say as tell
from adtrack.scale.cluster import connected
from adtrack.scale.workers import RAY, Workers
from adtrack.threshold_spec import ThresholdSpec
from adtrack.tracking.log_evaluation import log_built, log_data, log_evaluations
from adtrack.tracking.made_with import choices, log_surroundings, threshold_params
from adtrack.tracking.models import LoadedModel, load_model
from adtrack.tracking.registry import RegisteredVersion, register, registry_name
from adtrack.tracking.runs import tracked_run
from adtrack.tracking.store import open_store
from adtrack.tracking.tags import MODEL, NO_STUDY, REGISTERED, ROLE, RunTags
from adtrack.tracking.training_curves import epochs_to
from adtrack.tracking.workers import working
from adtrack.verbs.bench_setup import Say, from_few, open_bench, warn_of


@dataclass(frozen=True)
class ModelReport:
    """What the user is told of a model: its run, its method, how it did, what it costs, and its place in the registry.

    ``page`` is the run's page in the tracking server's UI, None if there is no server. ``threshold`` holds sentences on
    how the threshold was found. ``no_pixels`` says why there are
    no pixel metrics although there are anomalies; it is "" if there are some.
    """

    run_id: str
    page: str | None
    method: str
    model: str
    evaluations: tuple[Evaluation, ...]
    costs: dict[str, float]
    registered: RegisteredVersion | None = None
    threshold: tuple[str, ...] = ()
    no_pixels: str = ""


def build_model(
    spec: BuildSpec,
    device: str,
    do_register: bool,
    warn: Say,
    workers: Workers = Workers(),  # noqa: B008 - frozen
) -> ModelReport:
    """Build a detector from Train-clean, measure it on Val-clean and Val-shift, log it and maybe register it.

    The machines of a Ray cluster share out the patches of Train if ``workers`` say so. The model is the same.
    """
    if workers.alone:
        return _build(spec, device, do_register, VAL_SETS, "bank", warn)
    _check_shared(spec, device, workers)
    with connected() as cluster:
        tell(f"Train's patches are shared out over {cluster.words}.")
        return _build(spec, device, do_register, VAL_SETS, "bank", warn, shared=True)


def _check_shared(spec: BuildSpec, device: str, workers: Workers) -> None:
    """Refuse what no cluster can share out."""
    if not workers.ray:
        raise UserError(
            f"workers must be 1 or {RAY} where one model is built, but got {workers.count}.",
            "one process uses all cores of this machine, and several would have no more memory.",
        )
    kind = detector_class(spec.detector.method)
    if not kind.shares_out:
        raise UserError(
            f"workers must be 1 for {kind.name}, but got {RAY}: its fit reads all images in one process.",
            "--method patchcore shares out its patches.",
        )
    if choose_device(device).type != "cpu":
        raise UserError("the device must be cpu where machines share out the patches.", "--device cpu.")


def evaluate_model(spec: BuildSpec, device: str, model: str | None, warn: Say) -> ModelReport:
    """Measure a model on Test-clean and Test-shift: the one named ``model``, or one that is built as ``spec`` says."""
    if model is None:
        return _build(spec, device, False, (*VAL_SETS, *TEST_SETS), "evaluation", warn)
    open_store()
    loaded = load_model(model, choose_device(device))
    bench = _bench_of(loaded, spec, warn)
    sets, places = bench.opened.present(TEST_SETS), bench.opened.places
    if not sets:
        raise UserError(
            f"evaluate must have Test images, but class {spec.data.class_name} has neither good ones nor defects.",
            f"put good parts that are not among {places.train} into {places.good}.",
        )
    return _measure_model(bench, loaded, sets)


def _build(
    spec: BuildSpec,
    device: str,
    do_register: bool,
    sets: Sequence[str],
    role: str,
    warn: Say,
    *,
    shared: bool = False,
) -> ModelReport:
    spec = replace(spec, detector=settled(spec.detector, spec.backbone.name))
    if do_register:
        registry_name(spec.data.class_name)
    open_store()
    wanted = sets if shared else ("train_clean", *spec.detector.draws, *sets)
    bench = replace(open_bench(spec, spec.detector.inputs, device, warn, wanted), shared=shared)
    present = bench.opened.present(sets)
    if present != tuple(sets):
        place = bench.opened.places.good
        warn(f"Class {spec.data.class_name} has no {place}: there is no Test, so only Val is measured.")
    tags = RunTags(spec.data.class_name, spec.detector.method, NO_STUDY, bench.opened.digest)
    method = "" if spec.detector.method == DEFAULT_METHOD else f"{spec.detector.method} "
    name = f"{role}: {spec.data.class_name} {method}{spec.detector.title}{from_few(bench)}"
    with working() as worker, tracked_run(worker, tags, name=name, extra={ROLE: role}) as run:
        built = build(bench, spec.detector, present, threshold=spec.threshold, told=epochs_to(run))
        uri = log_built(run, bench, built, with_trunk=True)
        run.set_tags({MODEL: uri})
        registered = None
        if do_register:
            registered = register(
                spec.data.class_name, uri, {"split_digest": bench.opened.digest, "run_id": run.run_id}
            )
            run.set_tags({REGISTERED: registered.text})
    threshold = spec.threshold.resolved(bench.opened.splits.has_anomalies)
    return ModelReport(
        run.run_id,
        run.page,
        spec.detector.method,
        uri,
        built.evaluations,
        built.costs,
        registered,
        threshold_sentences(built.scorer.calibration.threshold, threshold, bench.opened),
        no_pixel_metrics(bench.opened, spec.detector.method),
    )


def _bench_of(loaded: LoadedModel, spec: BuildSpec, warn: Say) -> Workbench:
    """The bench of the class with the model's own network and view. UserError: it is a model of another class."""
    facts = loaded.scorer.facts
    if facts.get("class") != spec.data.class_name:
        raise UserError(
            f"the model must be one of class {spec.data.class_name}, but {loaded.resolved} is one of "
            f"{facts.get('class')}."
        )
    listed = _as_learned(list_class(spec.data, loaded.scorer.reading), facts)
    bench = Workbench.of(listed, loaded.scorer.backbone, loaded.scorer.image, TEST_SETS)
    warn_of(bench, warn)
    if facts.get("split_digest") != bench.opened.digest:
        warn(
            f"The model was built on other images or another split (digest {facts.get('split_digest', '')[:12]}, here "
            f"{bench.opened.digest[:12]}): it may have seen images that are Test here, and its figures don't compare "
            "with those of its own run."
        )
    return bench


def _as_learned(listed: ListedClass, facts: Mapping[str, str]) -> ListedClass:
    """The class with as many images in Train as the model has learned from, if there are so many and nobody has asked
    for another number: then its splits are the model's own."""
    if listed.data.train_images is not None or "train_images" not in facts:
        return listed
    try:
        count, draw = int(facts["train_images"]), int(facts.get("train_draw", 0))
    except (TypeError, ValueError) as error:
        raise UserError(f"a model must say from how many images it has learned as a number, but {error}.") from error
    if count > listed.splits.train_total:
        return listed
    return replace(listed, data=replace(listed.data, train_images=count, train_draw=draw))


def _measure_model(bench: Workbench, loaded: LoadedModel, sets: Sequence[str]) -> ModelReport:
    scorer, spec = loaded.scorer, loaded.scorer.detector.spec
    tags = RunTags(bench.opened.data.class_name, spec.method, NO_STUDY, bench.opened.digest)
    name = f"evaluation: {loaded.resolved.removeprefix('models:/')}"
    extra = {ROLE: "evaluation", MODEL: loaded.resolved}
    with working() as worker, tracked_run(worker, tags, name=name, extra=extra) as run:
        run.log_params(choices(bench, scorer))
        log_surroundings(run, bench)
        evaluations = measure_sets(bench, scorer, sets)
        log_data(run, bench, sets)
        log_evaluations(run, bench, scorer, evaluations, loaded.resolved)
    return ModelReport(
        run.run_id,
        run.page,
        spec.method,
        loaded.resolved,
        evaluations,
        {},
        threshold=(_found_before(bench, scorer),),
        no_pixels=no_pixel_metrics(bench.opened, spec.method),
    )


def _found_before(bench: Workbench, scorer: Scorer) -> str:
    """How the threshold of a finished model was found."""
    spec = ThresholdSpec.from_params(threshold_params(scorer.facts), bench.opened.splits.has_anomalies)
    return f"The model's threshold {scorer.calibration.threshold:.3f} {got_by(spec, scorer.facts)}."
