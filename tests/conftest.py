"""Fixtures that several rooms share: a cache of their own, a miniature data set, the real data where it is, a tracking
store of their own, the command line, and a finished study."""

import contextlib
import dataclasses
import gc
import io
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from PIL import Image

from adtrack.data.layouts import read_class
from adtrack.data.splits import Splits, make_splits
from tests.tuning.spaces import PLAIN_OPTIONS

# Networks and banks in tests are so small that threads only wait for each other; commands run by tests inherit this.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# The same examples at every run, however slow or busy the machine, and none of them kept. What hypothesis notes of the
# code it runs through has no place in the project either.
os.environ.setdefault("HYPOTHESIS_STORAGE_DIRECTORY", str(Path(tempfile.gettempdir(), "adtrack-hypothesis")))
settings.register_profile(
    "repeatable",
    max_examples=25,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("repeatable")

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Each test keeps its caches to itself, so that none passes because another has run before it."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("ADTRACK_CACHE", str(folder))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[str, int], Path]]:
    """Mounts disks of so many kilobytes; tests that ask for it skip where that is not allowed."""
    mounted: list[Path] = []

    def mount(name: str, kilobytes: int) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(folder)]
        if not shutil.which("mount") or subprocess.run(command, capture_output=True).returncode:
            pytest.skip("needs the right to mount a disk of its own")
        mounted.append(folder)
        return folder

    yield mount
    for folder in mounted:
        subprocess.run(["umount", "--lazy", folder], check=True)


def _calls_of(work: Callable[[], object]) -> int:
    calls = 0

    def count(frame: object, event: str, function: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    before, collected = sys.getprofile(), gc.isenabled()
    gc.disable()  # libraries have it call their functions, whenever it comes
    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(before)
        if collected:
            gc.enable()
    return calls


@pytest.fixture(scope="session")
def calls_of() -> Callable[[Callable[[], object]], int]:
    """Counts the functions that some work calls, Python's and C's: the same number for little input and for much means
    that no step of it is taken image by image or pixel by pixel, on a machine however busy."""
    return _calls_of


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with real images and weights; tests that ask for it skip where it is absent."""
    folder = Path(os.environ.get("ADTRACK_SHARED", SHARED))
    if not (folder / "data" / "magnetic_tile").is_dir():
        pytest.skip(f"needs the real data set in {folder}")
    return folder


def _part_image(number: int, kind: str, size: int) -> tuple[np.ndarray, np.ndarray]:
    """A striped, noisy part, uint8 (size, size, 3), with a bright spot or a dark scratch at ``mask``."""
    draws = np.random.default_rng([number, len(kind)])
    y, x = np.mgrid[:size, :size]
    picture = 110 + 40 * np.sin((x + draws.integers(8)) / 3) + 8 * draws.standard_normal((size, size))
    cy, cx = draws.integers(size // 4, 3 * size // 4, 2)
    spot, scratch = np.hypot(y - cy, x - cx) < size / 10, (abs(y - cy) < size / 32) & (abs(x - cx) < size / 4)
    mask = {"spot": spot, "scratch": scratch}.get(kind, np.zeros_like(spot))
    picture[mask] = 250 if kind == "spot" else 5
    return np.repeat(np.clip(picture, 0, 255).astype(np.uint8)[:, :, None], 3, axis=2), mask


@pytest.fixture(scope="session")
def write_part() -> Callable[..., Path]:
    """Writes a class "part" in MVTec layout below ``root``: 10 train/good, 4 test/good and 4 of each of two defects."""

    def write(root: Path, masks: bool = True, size: int = 64) -> Path:
        number = 0
        for folder, count in {"train/good": 10, "test/good": 4, "test/spot": 4, "test/scratch": 4}.items():
            kind = folder.split("/")[1]
            truth = root / "part" / "ground_truth" / kind
            (root / "part" / folder).mkdir(parents=True)
            for index in range(count):
                picture, mask = _part_image(number, kind, size)
                Image.fromarray(picture).save(root / "part" / folder / f"{index:03}.png")
                if masks and kind != "good":
                    truth.mkdir(parents=True, exist_ok=True)
                    Image.fromarray(np.uint8(255) * mask).save(truth / f"{index:03}_mask.png")
                number += 1
        return root

    return write


@pytest.fixture(scope="session")
def tiny_data(tmp_path_factory: pytest.TempPathFactory, write_part: Callable[..., Path]) -> Path:
    """A data root with the class "part": 22 images of 64 × 64 with masks. For reading only."""
    return write_part(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def data_with_masks(tmp_path: Path, tiny_data: Path) -> Callable[..., Path]:
    """A data root with the class "part" whose masks are all this one, bool (64, 64), except that of one image."""

    def write(mask: np.ndarray, *, but: str = "") -> Path:
        root = shutil.copytree(tiny_data, tmp_path / "masked")
        for file in sorted((root / "part" / "ground_truth").rglob("*.png")):
            if file.relative_to(root).as_posix() != but:
                Image.fromarray(np.uint8(255) * mask).save(file)
        return root

    return write


@pytest.fixture(scope="session")
def good_data(tmp_path_factory: pytest.TempPathFactory, tiny_data: Path) -> Path:
    """A data root with the class "photos": the good images of "part", 10 in train/good and 4 in test/good."""
    root = tmp_path_factory.mktemp("good")
    for split in ("train", "test"):
        shutil.copytree(tiny_data / "part" / split / "good", root / "photos" / split / "good")
    return root


@pytest.fixture(scope="session")
def tiny_splits(tiny_data: Path) -> Splits:
    """The splits of the class "part": 8 images in Train, 4 in Val, 10 in Test."""
    from adtrack.data.checking import check_images  # imports torch, which reads OMP_NUM_THREADS when it is loaded

    images = read_class(tiny_data, "part")
    return make_splits(images, 42, check_images(tiny_data, images.train + images.test))


MLFLOW_VARIABLES = ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_ID", "MLFLOW_EXPERIMENT_NAME", "MLFLOW_RUN_ID")


def _as_in_a_new_process() -> None:
    """Let MLflow forget the store, the experiment, the runs and the places of files that this process has used."""
    import mlflow
    from mlflow.tracking import fluent
    from mlflow.tracking._tracking_service import utils

    while mlflow.active_run():
        mlflow.end_run()
    mlflow.set_tracking_uri(None)
    fluent._active_experiment_id = None  # there is no public way back
    utils._artifact_repos_cache.clear()  # by run: else a copy of a store would write to the folders of the first
    for name in MLFLOW_VARIABLES:
        os.environ.pop(name, None)


@dataclass(frozen=True)
class Outcome:
    """What a verb left: its exit code, stdout and stderr."""

    code: int
    out: str
    err: str


def _run(main: Callable[[], None], name: str, *arguments: object, **variables: str) -> Outcome:
    """The program ``name arguments`` in this process as if it were a new one, with environment ``variables``.

    MLflow still points at the store that the program used when it returns.
    """
    _as_in_a_new_process()
    out, err = io.StringIO(), io.StringIO()
    handler, given = signal.getsignal(signal.SIGTERM), sys.argv
    try:
        with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
            for name, value in variables.items():
                patch.setenv(name, value)
            sys.argv = [name, *map(str, arguments)]
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as end:
                main()
    finally:
        signal.signal(signal.SIGTERM, handler)
        sys.argv = given
    return Outcome(end.value.code or 0, out.getvalue(), err.getvalue())


def _run_verb(*arguments: object, **variables: str) -> Outcome:
    from adtrack.cli import main

    return _run(main, "adtrack", *arguments, **variables)


def _run_experiment(*arguments: object) -> Outcome:
    return _run_verb("experiment", *arguments)


@pytest.fixture(scope="session")
def adtrack() -> Callable[..., Outcome]:
    """Runs a verb in the working directory: ``adtrack("tune", "--class", "part").code``."""
    return _run_verb


@pytest.fixture(scope="session")
def experiment() -> Callable[..., Outcome]:
    """Runs an experiment in the working directory: ``experiment("severity", "--data", "demo").code``."""
    return _run_experiment


@pytest.fixture(scope="session")
def blank_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new ``mlflow.db``: MLflow takes seconds to lay one out, so tests copy it."""
    from mlflow import MlflowClient

    folder = tmp_path_factory.mktemp("blank")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        MlflowClient(f"sqlite:///{folder}/mlflow.db").search_experiments()
    return folder / "mlflow.db"


def _in_a_process(work: Callable[[], int | None]) -> int:
    """The id of a process that does ``work`` and ends with its exit code. It has loaded already what this one has."""
    child = os.fork()
    if child == 0:
        code = 70
        try:
            code = work() or 0
        finally:
            os._exit(code)  # whatever happens, it must not go on with pytest
    return child


@pytest.fixture(scope="session")
def in_a_process() -> Callable[[Callable[[], int | None]], int]:
    """Begins some work in another process and gives its id."""
    return _in_a_process


def _killed_at(statement: int, work: Callable[[], object]) -> bool:
    """Whether a process that does ``work`` was killed by its database's statement of this number."""

    def watched() -> None:
        from sqlalchemy import event
        from sqlalchemy.engine import Engine

        asked = iter(range(statement))

        @event.listens_for(Engine, "before_cursor_execute")
        def _(*_: object) -> None:
            if next(asked, None) is None:
                os.kill(os.getpid(), signal.SIGKILL)

        work()

    return os.WIFSIGNALED(os.waitpid(_in_a_process(watched), 0)[1])


@pytest.fixture(scope="session")
def killed_at() -> Callable[[int, Callable[[], object]], bool]:
    """Does some work in a process that is killed when it sends the databases its n-th statement."""
    return _killed_at


@contextlib.contextmanager
def _at_work_in(folder: Path, cache: Path) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("ADTRACK_CACHE", str(cache))
        _as_in_a_new_process()
        try:
            yield
        finally:
            _as_in_a_new_process()


@pytest.fixture
def workplace(tmp_path: Path, own_cache: Path, blank_store: Path) -> Iterator[Path]:
    """The working directory of a test, with a tracking store of its own that holds nothing yet."""
    folder = tmp_path / "workplace"
    folder.mkdir()
    shutil.copy(blank_store, folder)
    with _at_work_in(folder, own_cache):
        yield folder


@pytest.fixture
def opened_store(workplace: Path) -> str:
    """The workplace's store, opened: its URI."""
    from adtrack.tracking.store import open_store

    return open_store()


@pytest.fixture(scope="session")
def part(tiny_data: Path) -> tuple[str, ...]:
    """Options that name the class "part" behind the smallest network."""
    view = ("--resize", "64", "--crop", "0", "--backbone", "resnet18", "--weights", "random", "--device", "cpu")
    return ("--class", "part", "--data", str(tiny_data), *view)


@pytest.fixture(scope="session")
def space() -> tuple[str, ...]:
    """Options that narrow the search to 8 cells, of which none does anything about drift."""
    sizes = ("--space-patch-size", "1,3", "--space-coreset-fraction", "0.1,0.25")
    return ("--space-layers", "layer2,layer3", *sizes, *PLAIN_OPTIONS)


@dataclass(frozen=True)
class FinishedStudy:
    """A study of 3 trials in a folder of its own: what its command said, its cache and its runs' ids."""

    folder: Path
    cache: Path
    outcome: Outcome
    name: str
    parent: str
    children: tuple[str, ...]
    best: str


@pytest.fixture(scope="session")
def _finished_study(
    tmp_path_factory: pytest.TempPathFactory, blank_store: Path, part: tuple[str, ...], space: tuple[str, ...]
) -> FinishedStudy:
    from adtrack.tracking.store import search_runs

    folder, cache = tmp_path_factory.mktemp("study"), tmp_path_factory.mktemp("study-cache")
    shutil.copy(blank_store, folder)
    with _at_work_in(folder, cache):
        outcome = _run_verb("tune", *part, *space, "--trials", 3)
        assert outcome.code == 0, outcome.err
        runs = search_runs("")
        parent = next(run for run in runs if run.data.tags["adtrack.role"] == "study")
        trials = sorted((int(run.data.tags["adtrack.trial"]), run.info.run_id) for run in runs if run != parent)
    tags = parent.data.tags
    ids = tuple(run_id for _, run_id in trials)
    return FinishedStudy(
        folder, cache, outcome, tags["adtrack.study"], parent.info.run_id, ids, tags["adtrack.best_run"]
    )


@pytest.fixture
def study(_finished_study: FinishedStudy) -> Iterator[FinishedStudy]:
    """The finished study, its folder being the working directory and its store opened. For reading only."""
    from adtrack.tracking.store import open_store

    with _at_work_in(_finished_study.folder, _finished_study.cache):
        open_store()
        yield _finished_study


_PLACES = (
    *(("experiments", "artifact_location"), ("runs", "artifact_uri"), ("logged_models", "artifact_location")),
    ("model_versions", "storage_location"),
)


@pytest.fixture
def own_study(_finished_study: FinishedStudy, tmp_path: Path) -> Iterator[FinishedStudy]:
    """A copy of the finished study, with store, files and cache, that a test may spoil."""
    from adtrack.tracking.store import open_store

    folder, cache = tmp_path / "own", tmp_path / "own-cache"
    shutil.copytree(_finished_study.folder, folder)
    shutil.copytree(_finished_study.cache, cache)
    with contextlib.closing(sqlite3.connect(folder / "mlflow.db")) as database:
        for table, column in _PLACES:
            moved = f"UPDATE {table} SET {column} = replace({column}, ?, ?)"
            database.execute(moved, (str(_finished_study.folder), str(folder)))
        database.commit()
    with _at_work_in(folder, cache):
        open_store()
        yield dataclasses.replace(_finished_study, folder=folder, cache=cache)


@pytest.fixture(scope="module")
def browser() -> Iterator:
    """The system's Chromium, driven by Playwright: one for all tests of a file."""
    from experiments.browser import chromium, missing

    if lacking := missing():
        pytest.skip(f"needs {lacking}")
    with chromium() as browser:
        yield browser
