"""fine-tune: a network trained on the good images of a class, logged to a run and registered."""

from dataclasses import dataclass

from adtrack.config import BackboneSpec, DataSpec, ImageSpec
from adtrack.evaluation.workbench import Workbench
from adtrack.features.views import view_pixels
from adtrack.settings import setting_texts
from adtrack.tracking.log_evaluation import log_data
from adtrack.tracking.made_with import depth_params, licence_params, log_surroundings, view_params
from adtrack.tracking.registry import RegisteredVersion
from adtrack.tracking.run import Run
from adtrack.tracking.runs import tracked_run
from adtrack.tracking.store import open_store
from adtrack.tracking.tags import NO_STUDY, REGISTERED, ROLE, TRUNK, RunTags
from adtrack.tracking.training_curves import epochs_to, log_training
from adtrack.tracking.trunks import log_trunk, register_trunk, trunk_name
from adtrack.tracking.weights import find_trunk
from adtrack.tracking.workers import working
from adtrack.training.fine_tuning import FineTuned, with_usual_layers
from adtrack.training.fine_tuning import fine_tune as train_trunk
from adtrack.training.loop import LOSS, Epoch
from adtrack.training.spec import FineTuneSpec
from adtrack.verbs.bench_setup import Say, warn_of_source

ALWAYS, NEVER = "always", "never"  # register it whether it has learnt its task or not
_ROLE, _TRAIN = "fine-tuning", "train_clean"


@dataclass(frozen=True)
class FineTuneReport:
    """What the user is told: the run and its page (None without a server), the trained network, its model's URI, and
    its version, if it was registered."""

    run_id: str
    page: str | None
    data: DataSpec
    tuned: FineTuned
    uri: str
    registered: RegisteredVersion | None


def fine_tune(
    data: DataSpec,
    image: ImageSpec,
    backbone: BackboneSpec,
    spec: FineTuneSpec,
    device: str,
    register: str,
    say: Say,
    warn: Say,
) -> FineTuneReport:
    """Fine-tune the network on Train-clean, log it with its curves, and register it if it has learnt its task.

    Neither Val nor Test is looked at. What was trained before a stop is kept, and the same call goes on from there.
    """
    if register != NEVER:
        trunk_name(data.class_name)
    spec = with_usual_layers(spec, backbone.name)
    open_store()
    bench = Workbench.open(data, image, backbone, spec.layers, device, (_TRAIN,), find_trunk)
    warn_of_source(bench, warn)
    pixels = view_pixels(bench.opened.images(_TRAIN), bench.image)
    views = bench.store.product(pixels, f"Views of {_TRAIN}")
    tags = RunTags(data.class_name, spec.task, NO_STUDY, bench.opened.digest)
    name = f"{_ROLE}: {data.class_name} {spec.task} {bench.backbone.trunk.network}"
    with working() as worker, tracked_run(worker, tags, name=name, extra={ROLE: _ROLE}) as run:
        run.log_params(_params(bench, spec))
        log_surroundings(run, bench)
        log_data(run, bench, (_TRAIN,))
        log_epoch = epochs_to(run)

        def told(epoch: Epoch) -> None:
            log_epoch(epoch)
            say(_line(epoch, spec.epochs))

        trunk, view = bench.backbone.trunk, bench.image
        tuned = train_trunk(trunk, views, view, spec, bench.backbone.device, key=pixels.key, told=told)
        uri, registered = _keep(run, bench, spec, tuned, register)
    tuned.checkpoint.forget()
    return FineTuneReport(run.run_id, run.page, data, tuned, uri, registered)


def _keep(
    run: Run, bench: Workbench, spec: FineTuneSpec, tuned: FineTuned, register: str
) -> tuple[str, RegisteredVersion | None]:
    """Log what came of the training: the trained network's URI and its version, if it shall be registered."""
    class_name = bench.opened.data.class_name
    title = f"Fine-tuning {class_name}: {spec.task}"
    log_training(run, title, tuned.trained.epochs, tuned.trained.kept, tuned.held_out)
    facts = {"class": class_name, "task": spec.task, "split_digest": bench.opened.digest}
    uri = log_trunk(run, tuned.trunk, {**facts, "run_id": run.run_id})
    run.set_tags({TRUNK: uri})
    note, registered = tuned.verdict.words, None
    if register == ALWAYS or (register != NEVER and tuned.verdict.taught):
        registered = register_trunk(class_name, uri, tuned.trunk, {**facts, "run_id": run.run_id})
        run.set_tags({REGISTERED: registered.text})
        note += f"\n\nRegistered as `{registered.uri}`."
    run.set_note(note)
    return uri, registered


def _params(bench: Workbench, spec: FineTuneSpec) -> dict[str, str]:
    """All that the trained network depends on and somebody chose, named as on the command line."""
    trunk, chosen = bench.backbone.trunk, bench.opened.splits.train_images
    return {
        "class": bench.opened.data.class_name,
        "task": spec.task,
        "backbone": trunk.network,
        "weights": trunk.origin,
        "weights_sha256": trunk.sha256,
        **licence_params(bench.backbone),
        **setting_texts(spec),
        **view_params(bench),
        **depth_params(bench),
        **({} if chosen is None else {"train_images": str(chosen)}),
        "seed": str(spec.seed),
    }


def _line(epoch: Epoch, epochs: int) -> str:
    """A line on an epoch for the terminal."""
    shares = ", ".join(
        f"{name.replace('_', ' ')} {value:.0%}" for name, value in epoch.held_out.items() if name != LOSS
    )
    losses = f"loss {epoch.train[LOSS]:.3f}, held-out images {epoch.held_out[LOSS]:.3f}"
    return f"Epoch {epoch.number} of at most {epochs}: {losses}, {shares}"
