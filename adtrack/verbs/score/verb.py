"""score: images are scored with a model; scores, heatmaps and a page that shows them are written to a folder."""

import contextlib
from collections.abc import Collection, Generator, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

from filelock import FileLock, Timeout

from adtrack.errors import UserError
from adtrack.features.backbone import choose_device
from adtrack.naming import visible
from adtrack.progress import say, track
from adtrack.scale.streaming import stream
from adtrack.scale.surroundings import Surroundings
from adtrack.scale.workers import Workers
from adtrack.tracking.models import LoadedModel, load_model
from adtrack.tracking.store import reach_store
from adtrack.verbs.image_files import PhotoFile, find_images
from adtrack.verbs.score.album import Album, page_of
from adtrack.verbs.score.asked import ALL, AskedPictures
from adtrack.verbs.score.judging import Judge, MakeJudge, Scored, lost
from adtrack.verbs.score.results import Results


@dataclass(frozen=True)
class ScoreReport:
    """How many images were scored and called anomalous, which could not be read, and how many were left when scoring
    was stopped.

    ``no_images`` are the files below the folders that were not scored because of their suffix. ``as_stored`` counts the
    images that a viewer turns, but that were scored as they are stored, because the model's own images were read so.
    ``overlays`` is the folder of heatmaps; None if there are none. ``before`` counts the scores of earlier calls.
    """

    model: str
    table: Path
    gallery: Path
    scored: int
    anomalous: int
    failed: tuple[str, ...]
    left: int = 0
    no_images: tuple[str, ...] = ()
    as_stored: int = 0
    overlays: Path | None = None
    before: int = 0


def score_images(
    model: str,
    sources: Sequence[str],
    out: Path,
    device: str,
    workers: Workers | None = None,
    pictures: AskedPictures | None = None,
) -> ScoreReport:
    """Score files, and the images below folders; write ``scores.csv``, ``parts/``, ``gallery.html`` and ``overlays/``.

    An image that has a score of this model in the folder, and whose file has not changed since, keeps it. A file that
    cannot be read gets a row with its error, and the others are scored all the same. After Ctrl-C the report is of what
    has been scored. Only a few images at a time are in memory.
    """
    workers, pictures = workers or Workers(), pictures or AskedPictures()
    found = find_images(sources, out)
    reach_store()
    loaded = load_model(model, choose_device(device))
    with _alone(out):
        with _writable(out):
            (out / "overlays").mkdir(parents=True, exist_ok=True)
            results = Results(out, loaded, found.photos, pictures)
        if results.replaced:
            say(f"{out} held scores of {results.replaced}: all images are scored anew with {loaded.resolved}.")
        before = len(found.photos) - len(results.missing)
        with contextlib.suppress(KeyboardInterrupt):
            if _score(results, loaded, workers) and pictures.highest:
                _draw_highest(results, loaded)
        with _writable(out):
            counts = results.write_table()
    return ScoreReport(
        model=loaded.resolved,
        table=results.file,
        gallery=page_of(out),
        scored=counts.scored,
        anomalous=counts.anomalous,
        failed=tuple(map(visible, counts.failed)),
        left=len(found.photos) - counts.scored - len(counts.failed),
        no_images=found.left_out,
        as_stored=counts.as_stored,
        overlays=out / "overlays" if counts.overlays else None,
        before=before,
    )


def _score(results: Results, model: LoadedModel, workers: Workers) -> bool:
    """Score what has no score yet; whether all of it was done, since Ctrl-C leaves some."""
    photos, count = results.missing, 0
    with (
        _album(results, results.kept_pictures) as album,
        contextlib.closing(_scored(model, photos, results.pictures, workers)) as scored,
    ):
        first = list(islice(scored, 1))  # until then processes begin, which tells nothing of the time that is left
        for one in track(chain(first, scored), "Scoring", len(photos)):
            with _writable(results.out):
                album.put(one)  # before its row, as what has a row is not scored again
                results.add(one)
            count += 1
    return count == len(photos)


def _draw_highest(results: Results, model: LoadedModel) -> None:
    """Draw the images with the highest scores: which they are is known only now."""
    highest = results.highest()
    results.drawn = results.kept_pictures & {photo.key for photo in highest}
    photos = [photo for photo in highest if photo.key not in results.drawn]
    with (
        _album(results, set(results.drawn)) as album,
        contextlib.closing(Judge(model.scorer, AskedPictures(ALL))(photos)) as drawn,
    ):
        for one in track(drawn, "Drawing", len(photos)):
            with _writable(results.out):
                album.put(one)
            results.drawn |= {one.photo.key} if one.drawn else set()


@contextlib.contextmanager
def _album(results: Results, kept: Collection[str]) -> Iterator[Album]:
    """The page, which still shows the photos of these keys, until the end of the ``with`` block."""
    with _writable(results.out):
        album = results.album(kept)
    try:
        yield album
    finally:
        with _writable(results.out), album:
            pass  # the end of the page is written


def _scored(
    model: LoadedModel, photos: Sequence[PhotoFile], pictures: AskedPictures, workers: Workers
) -> Generator[Scored, None, None]:
    if workers.alone or not photos:
        yield from Judge(model.scorer, pictures)(photos)
        return
    device = model.scorer.backbone.device
    make = MakeJudge(model.resolved, model.digest, str(device), pictures, Surroundings(), workers.ray)
    yield from stream(make, photos, workers, lost, gpu=device.type == "cuda")


@contextlib.contextmanager
def _alone(out: Path) -> Iterator[None]:
    """Let no other command write to the folder meanwhile, such as one of tonight when that of last night still runs."""
    parts = out / "parts"
    with _writable(out):
        parts.mkdir(parents=True, exist_ok=True)
        try:
            lock = FileLock(parts / "_lock").acquire(timeout=0)
        except Timeout as error:
            raise UserError(
                f"one command at a time may score into a folder, but another one is at work in {out}.",
                "wait for it, or choose another --out.",
            ) from error
    with lock:
        yield


@contextlib.contextmanager
def _writable(out: Path) -> Iterator[None]:
    """The ``with`` block only writes to the folder: an error of the system there is a sentence about it."""
    try:
        yield
    except OSError as error:
        raise UserError(
            f"out must be a folder that can be written to, but {error.filename or out} is not "
            f"({error.strerror or error}).",
            "choose another --out; what was scored before is kept in this one.",
        ) from error
