"""adapt: the threshold of a model moves with a handful of photos, without labels, and makes a new version."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from adtrack.detectors.calibration import ADAPTED, GoodScores
from adtrack.detectors.scorer import DESCRIPTION, Scorer
from adtrack.errors import UserError
from adtrack.evaluation.adapting import MovedThreshold, adapted
from adtrack.evaluation.alarms import set_name
from adtrack.evaluation.calibrating import good_scores
from adtrack.features.backbone import choose_device
from adtrack.findings import counted, listed
from adtrack.threshold_spec import ThresholdSpec
from adtrack.tracking.adaptation import log_adaptation
from adtrack.tracking.made_with import threshold_params
from adtrack.tracking.models import load_model
from adtrack.tracking.registry import RegisteredVersion, register, registry_name
from adtrack.tracking.runs import tracked_run
from adtrack.tracking.scored_runs import ScoredRun, image_contents, scored_run, set_scores
from adtrack.tracking.store import open_store
from adtrack.tracking.tags import MODEL, NO_STUDY, REGISTERED, ROLE, RunTags
from adtrack.tracking.workers import working
from adtrack.verbs.adapt.photos import Photo, different, score_photos, scores_of
from adtrack.verbs.image_files import find_photos
from adtrack.verbs.score_again import check_threshold

_SPLITS = ("train_clean", "val_clean", "test_clean")  # whose files no photo may be


@dataclass(frozen=True)
class Adaptation:
    """The model that was adapted, the version that it became, how its threshold moved, and on which run that is told.

    ``failed`` are photos that could not be scored, ``repeated`` those of the same bytes as others, which count once.
    """

    model: str
    version: RegisteredVersion
    run_id: str
    page: str | None
    moved: MovedThreshold
    failed: tuple[str, ...]
    repeated: tuple[str, ...]


def adapt_model(model: str, sources: Sequence[Path], device: str) -> Adaptation:
    """Move the threshold of a model to the domain of photos, and register that as the class's new candidate.

    Files and the images below folders are scored. One that cannot be read is left out. UserError: the model cannot be
    adapted, or the photos do not tell how.
    """
    paths = find_photos(sources)
    open_store()
    scorer, resolved, run = _load(model, device)
    good = known_good_scores(scorer, run)
    photos = list(score_photos(scorer, paths))
    chosen, repeated = different(photos)
    _check_new(chosen, run)
    found, moved = adapted(scorer, good, scores_of(chosen), resolved)
    told = found.facts[ADAPTED]
    tags = RunTags(run.class_name, run.method, NO_STUDY, run.split_digest)
    name = f"adaptation: {resolved.removeprefix('models:/')} to {moved.photos} photos"
    with working() as worker, tracked_run(worker, tags, name=name, extra={ROLE: "adaptation"}) as opened:
        rows = [(photo.path, photo.score, photo.error) for photo in photos]
        uri = log_adaptation(opened, run, found, moved, rows)
        opened.set_tags({MODEL: uri})
        origin = {"split_digest": run.split_digest, "run_id": opened.run_id, "adapted_from": resolved, ADAPTED: told}
        version = register(run.class_name, uri, origin)
        opened.set_tags({REGISTERED: version.text})
        opened.set_note(told)
    failed = tuple(photo.path for photo in photos if photo.error)
    return Adaptation(resolved, version, opened.run_id, opened.page, moved, failed, tuple(repeated))


def known_good_scores(scorer: Scorer, run: ScoredRun) -> GoodScores:
    """The scores of Val's good images that the model keeps or, if an earlier version made it, that its run has logged.

    UserError: there are none.
    """
    if scorer.calibration.good is not None:
        return scorer.calibration.good
    params = threshold_params(scorer.facts)
    sets = ThresholdSpec.from_params(params).sets
    missing = [name for name in sets if name not in run.places]
    if missing:
        raise UserError(
            f"a model must have the scores of Val's good images to be adapted, but it has none, and its run "
            f"{run.run_id} has none of {' and '.join(missing)}.",
            "a model that is built anew keeps them: adtrack build-bank --register, or adtrack tune.",
        )
    samples = {name: set_scores(run, name).sample for name in sets}
    for name, sample in samples.items():
        check_threshold(scorer, sample.threshold, name)
    spec = ThresholdSpec.from_params(params, any(sample.labels.any() for sample in samples.values()))
    return good_scores({name: (sample.scores, sample.labels) for name, sample in samples.items()}, spec)


def _load(model: str, device: str) -> tuple[Scorer, str, ScoredRun]:
    """The model's scorer, its address without aliases, and the run that has logged it."""
    if (Path(model) / DESCRIPTION).is_file():
        raise UserError(
            f"a model that is adapted must be one that the tracking store knows, but {model} is a folder.",
            "in Python: adtrack.load(folder).adapt(photos).save(other).",
        )
    loaded = load_model(model, choose_device(device))
    run = scored_run(loaded.resolved)
    registry_name(run.class_name)
    return loaded.scorer, loaded.resolved, run


def _check_new(photos: Sequence[Photo], run: ScoredRun) -> None:
    """Refuse photos that are images of the model's own splits, byte for byte."""
    for name in _SPLITS:
        own = set(image_contents(run.run_id, name).values())
        known = [photo.path for photo in photos if photo.sha256 in own]
        if known:
            raise UserError(
                f"photos must be new images, but {counted(len(known), 'of them is', 'of them are')} among the model's "
                f"own images of {set_name(name)}, byte for byte: {listed(known)}.",
                "take photos as they come now, after the model was made.",
            )
