"""The demo data set: its layout, that it is the same everywhere, and that its masks tell the truth."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from adtrack.cache import cache_folder
from adtrack.data import demo
from adtrack.data.demo import CLASSES, COUNTS, GOOD, PRODUCTS, Counts, make_demo, render
from adtrack.data.demo.drawing import changed, distance_to_path, smooth_noise
from adtrack.errors import UserError

FEW = Counts(train_good=2, test_good=1, test_defect=1)
DEFECTS = [(name, defect) for name in CLASSES for defect in PRODUCTS[name].DEFECTS]


def files_of(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_demo(tmp_path_factory.mktemp("few"), counts=FEW)


def test_layout_is_mvtec_s(few: Path) -> None:
    expected = {
        f"{name}/{path}"
        for name in CLASSES
        for path in ("train/good/000.png", "train/good/001.png", "test/good/000.png")
    }
    for name, defect in DEFECTS:
        expected |= {f"{name}/test/{defect}/000.png", f"{name}/ground_truth/{defect}/000_mask.png"}
    assert set(files_of(few)) == expected
    assert [len(PRODUCTS[name].DEFECTS) for name in CLASSES] == [3, 3, 3]


def test_pictures_are_rgb_and_masks_black_and_white(few: Path) -> None:
    for path in few.rglob("*.png"):
        with Image.open(path) as image:
            assert image.size == (256, 256)
            assert image.mode == ("L" if path.stem.endswith("_mask") else "RGB")
            assert not image.info
            if image.mode == "L":
                assert set(np.unique(np.asarray(image))) == {0, 255}


def test_counts_of_the_full_set() -> None:
    paths = [path for path, _ in demo._pictures("zipper", COUNTS)]
    assert (COUNTS.train_good, COUNTS.test_good, COUNTS.test_defect) == (25, 16, 10)
    assert len(paths) == len(set(paths)) == 25 + 16 + 3 * 10


def test_the_same_bytes_again_whatever_else_is_drawn(few: Path, tmp_path: Path) -> None:
    alone = files_of(make_demo(tmp_path, ["carpet"], Counts(1, 1, 1)))
    everything = files_of(few)
    assert len(alone) == 8
    assert all(everything[path] == data for path, data in alone.items())


@pytest.mark.parametrize(("name", "defect"), DEFECTS)
def test_mask_is_where_the_defect_changed_the_scene(name: str, defect: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = f"test/{defect}/003.png"
    flawed, mask = render(name, path, defect)
    clean, nothing = render(name, path, GOOD)
    difference = np.abs(flawed.astype(int) - clean).max(-1)
    inside = mask > 0
    assert not nothing.any()
    assert 0.0005 < inside.mean() < 0.15
    assert difference[~inside].max() <= 8  # 0.03 of 255, rounded
    assert (difference[inside] > 8).mean() > 0.4
    rows, columns = np.nonzero(inside)
    central = (rows >= 16) & (rows < 240) & (columns >= 16) & (columns < 240)
    assert central.mean() > 0.5


@pytest.mark.parametrize("name", CLASSES)
def test_good_pictures_differ_from_each_other(name: str) -> None:
    first, second = (render(name, f"train/good/{i:03}.png", GOOD)[0].astype(float) for i in (0, 1))
    assert np.abs(first - second).mean() > 2
    assert abs(first.mean() - second.mean()) < 20


def test_an_unknown_class_is_refused_with_the_list(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="zipper, carpet, hazelnut, but got 'screw'"):
        make_demo(tmp_path, ["carpet", "screw"])
    assert not any(tmp_path.iterdir())


def test_two_processes_at_once_make_one_complete_set(tmp_path: Path) -> None:
    folder = tmp_path / "demo" / "1"
    program = (
        "import sys; from pathlib import Path; from adtrack.data import demo;"
        "demo._generated_once(Path(sys.argv[1]), ['carpet'], demo.Counts(2, 1, 1))"
    )
    writers = [subprocess.Popen([sys.executable, "-c", program, str(folder)]) for _ in range(2)]
    assert [writer.wait(60) for writer in writers] == [0, 0]
    assert files_of(folder) == files_of(make_demo(tmp_path / "again", ["carpet"], FEW))
    assert {path.name for path in folder.parent.iterdir()} <= {"1", "1.lock"}


def test_what_a_crash_left_behind_is_swept_away(tmp_path: Path) -> None:
    folder = tmp_path / "1"
    half = tmp_path / "1.partial-abc" / "carpet"
    half.mkdir(parents=True)
    (half / "half.png").write_bytes(b"\x89PNG")
    demo._generated_once(folder, ["carpet"], Counts(1, 0, 0))
    assert set(files_of(folder)) == {"carpet/train/good/000.png"}
    assert not half.parent.exists()


def test_demo_root_is_made_once_in_the_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "COUNTS", Counts(1, 0, 0))
    root = demo.demo_root()
    assert root == cache_folder("demo", demo.VERSION)
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*.png")}
    assert len(before) == len(CLASSES)
    assert demo.demo_root() == root
    assert before == {path: path.stat().st_mtime_ns for path in root.rglob("*.png")}


def test_only_the_class_that_is_asked_for_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "COUNTS", Counts(1, 0, 0))
    root = demo.data_root("demo", "carpet")
    assert [folder.name for folder in root.iterdir()] == ["carpet"]
    (before,) = (path.stat().st_mtime_ns for path in root.rglob("*.png"))
    assert demo.data_root("demo", "screw") == root  # there is none: the user is told of all classes
    assert {folder.name for folder in root.iterdir()} == {*CLASSES}
    (carpet,) = (root / "carpet").rglob("*.png")
    assert carpet.stat().st_mtime_ns == before
    assert {path.name for path in root.parent.iterdir()} <= {demo.VERSION, f"{demo.VERSION}.lock"}


def test_distance_to_path_is_distance_and_progress() -> None:
    v, u = np.mgrid[:40, :40].astype(float)
    distance, progress = distance_to_path(u, v, np.array([[10.0, 10.0], [20.0, 10.0], [20.0, 20.0]]))
    assert (distance[13, 14], progress[13, 14]) == (3, 0.2)
    assert (distance[15, 25], progress[15, 25]) == (5, 0.75)
    assert distance[10, 6] == 4
    assert np.isinf(distance[39, 39])


@pytest.mark.parametrize(("down", "right"), [(0.8, None), (1.6, 2.5), (20, None), (50, 2.5)])
def test_smooth_noise_has_variance_one_and_the_asked_smoothness(down: float, right: float | None) -> None:
    fields = np.stack([smooth_noise(np.random.default_rng(i), down, right) for i in range(60)])
    assert fields.shape == (60, 256, 256)
    assert (fields**2).mean() == pytest.approx(1, abs=0.15)
    lag = round(2 * max(down, 1))  # white noise under a Gaussian filter: correlation exp(−lag² / 4σ²)
    correlation = (fields[:, lag:] * fields[:, :-lag]).mean() / (fields**2).mean()
    assert correlation == pytest.approx(np.exp(-(lag**2) / (4 * down**2)), abs=0.08)


def test_changed_closes_gaps_and_ignores_what_nobody_sees() -> None:
    clean = np.full((3, 32, 32), 0.5)
    flawed = clean.copy()
    flawed[0, 5:20, 5:10] = flawed[0, 5:20, 12:16] = 0.7
    flawed[:, 25:, :] += 0.02
    mask = changed(clean, flawed, bridge=2)
    assert mask[10, 5:16].all()
    assert mask.sum() <= 15 * 11
    assert not mask[25:].any()
