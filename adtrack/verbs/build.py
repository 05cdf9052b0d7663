"""build-bank and evaluate: one bank, built or loaded, measured and logged to a run of its own."""

from collections.abc import Sequence
from dataclasses import dataclass

from adtrack.config import BuildSpec
from adtrack.errors import UserError
from adtrack.evaluation.evaluate import Evaluation
from adtrack.evaluation.workbench import Workbench
from adtrack.features.backbone import choose_device
from adtrack.tracking.models import LoadedModel, Registered, load_model, register, registry_name
from adtrack.tracking.runs import (
    NO_STUDY,
    RunTags,
    bank_params,
    log_bank,
    log_data,
    log_evaluations,
    log_params,
    log_surroundings,
    set_tags,
    tracked_run,
)
from adtrack.tracking.store import open_store, working
from adtrack.verbs.opening import Say, open_bench

VAL_SETS, TEST_SETS = ("val_clean", "val_shift"), ("test_clean", "test_shift")


@dataclass(frozen=True)
class BankReport:
    """What the user is told of a bank: its run, its method and model, how it did, and its place in the registry."""

    run_id: str
    method: str
    model: str
    evaluations: tuple[Evaluation, ...]
    costs: dict[str, float]
    registered: Registered | None = None


def build_bank(spec: BuildSpec, device: str, do_register: bool, warn: Say) -> BankReport:
    """Build a detector from Train-clean, measure it on Val-clean and Val-shift, log it and maybe register it."""
    return _build(spec, device, do_register, VAL_SETS, "bank", warn)


def evaluate_bank(spec: BuildSpec, device: str, model: str | None, warn: Say) -> BankReport:
    """Measure a bank on Test-clean and Test-shift: the model, or the bank that ``spec`` describes, built for it."""
    if model is None:
        return _build(spec, device, False, (*VAL_SETS, *TEST_SETS), "evaluation", warn)
    open_store()
    loaded = load_model(model, choose_device(device))
    bench = _bench_of(loaded, spec, device, warn)
    return _evaluate_model(bench, loaded)


def _build(spec: BuildSpec, device: str, do_register: bool, sets: Sequence[str], role: str, warn: Say) -> BankReport:
    if do_register:
        registry_name(spec.data.class_name)
    open_store()
    bench = open_bench(spec, spec.bank.layers, device, warn)
    tags = RunTags(spec.data.class_name, spec.bank.method, NO_STUDY, bench.digest)
    method = "" if spec.bank.method == "patchcore" else f"{spec.bank.method} "
    name = f"{role}: {spec.data.class_name} {method}{spec.bank.title}"
    with working() as worker, tracked_run(worker, tags, name=name, extra={"adtrack.role": role}) as run_id:
        built = bench.build(spec.bank, sets)
        uri = log_bank(bench, built, with_trunk=True)
        set_tags({"adtrack.model": uri})
        registered = None
        if do_register:
            registered = register(spec.data.class_name, uri, {"split_digest": bench.digest, "run_id": run_id})
            set_tags({"adtrack.registered": registered.text})
    return BankReport(run_id, spec.bank.method, uri, built.evaluations, built.costs, registered)


def _bench_of(loaded: LoadedModel, spec: BuildSpec, device: str, warn: Say) -> Workbench:
    """The class on a workbench with the model's own backbone and view."""
    facts = loaded.scorer.facts
    if facts.get("class") != spec.data.class_name:
        raise UserError(
            f"the model must be one of class {spec.data.class_name}, but {loaded.resolved} is one of "
            f"{facts.get('class')}."
        )
    bench = Workbench(spec.data, loaded.scorer.image, loaded.scorer.backbone)
    if facts.get("split_digest") != bench.digest:
        warn(
            f"The model was built on other images or another split (digest {facts.get('split_digest', '')[:12]}, here "
            f"{bench.digest[:12]}): it may have seen images that are Test here, and its figures don't compare with "
            "those of its own run."
        )
    return bench


def _evaluate_model(bench: Workbench, loaded: LoadedModel) -> BankReport:
    scorer, spec = loaded.scorer, loaded.scorer.detector.spec
    tags = RunTags(bench.data.class_name, spec.method, NO_STUDY, bench.digest)
    name = f"evaluation: {loaded.resolved.removeprefix('models:/')}"
    extra = {"adtrack.role": "evaluation", "adtrack.model": loaded.resolved}
    with working() as worker, tracked_run(worker, tags, name=name, extra=extra) as run_id:
        log_params(bank_params(bench, spec))
        log_surroundings(bench)
        evaluations = tuple(
            bench.evaluate(bench.score(scorer.detector, name), scorer.calibration) for name in TEST_SETS
        )
        log_data(bench, TEST_SETS)
        log_evaluations(bench, scorer, evaluations)
    return BankReport(run_id, spec.method, loaded.resolved, evaluations, {})
