"""score: files and folders in, a table and overlays out; what cannot be read is a row."""

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from adtrack.errors import UserError
from adtrack.verbs.score import COLUMNS, find_images

CHAMPION = "models:/adtrack-part@champion"


@pytest.fixture
def score(study, adtrack, tmp_path):
    """Runs score into ``out`` and gives its outcome and its rows."""

    def run(*sources: object, out: Path = tmp_path / "out", model: str = CHAMPION):
        done = adtrack("score", *sources, "--model", model, "--out", out, "--device", "cpu")
        table = out / "scores.csv"
        rows = list(csv.DictReader(table.open(newline=""))) if done.code in (0, 1) else []
        return done, rows

    return run


@pytest.fixture
def photos(tmp_path) -> Path:
    """Three pictures in nested folders, two of them with one stem, and things that are none."""
    folder = tmp_path / "photos"
    (folder / "left/inner").mkdir(parents=True)
    draws = np.random.default_rng(0)
    for name, size in (
        ("a.png", (64, 64)),
        ("left/a.PNG", (40, 90)),
        ("left/inner/b.jpg", (64, 64)),
        ("a.bmp", (8, 9)),
    ):
        Image.fromarray(draws.integers(0, 255, (*size, 3), np.uint8)).save(folder / name)
    (folder / "notes.txt").write_text("not an image")
    (folder / ".hidden.png").write_bytes(b"not an image either")
    return folder


def test_files_and_nested_folders(score, photos, tmp_path):
    done, rows = score(photos, photos / "a.png", photos / "left/../a.png")
    assert done.code == 0, done.err
    assert tuple(rows[0]) == COLUMNS
    paths = [str(Path(row["path"]).relative_to(photos)) for row in rows]
    assert paths == ["a.bmp", "a.png", "left/a.PNG", "left/inner/b.jpg", "left/../a.png"]
    overlays = [row["overlay"] for row in rows]
    assert len(set(overlays)) == 5 and overlays[:4] == [
        *("overlays/a.png", "overlays/a-2.png", "overlays/left/a.png", "overlays/left/inner/b.png"),
    ]
    for row in rows:
        assert int(row["label"]) == (float(row["score"]) >= float(row["threshold"])) and row["error"] == ""
        with Image.open(row["path"]) as image, Image.open(tmp_path / "out" / row["overlay"]) as overlay:
            overlay.load()
            assert overlay.size == image.size
    assert rows[4]["score"] == rows[1]["score"]
    anomalous = sum(int(row["label"]) for row in rows)
    assert f"Model models:/adtrack-part/1: {anomalous} of 5 images are anomalous." in done.out


def test_one_photo_by_itself(score, tiny_data):
    done, rows = score(tiny_data / "part/test/spot/000.png")
    assert done.code == 0 and len(rows) == 1 and rows[0]["overlay"] == "overlays/000.png"


@pytest.mark.parametrize("where", ["", "scored", "left/scored"])
def test_overlays_of_an_earlier_call_are_not_scored(score, photos, where):
    counts = [len(score(photos, out=photos / where)[1]) for _ in range(2)]
    assert counts == [4, 4]


def test_what_cannot_be_read_is_a_row_and_the_rest_is_scored(score, photos):
    (photos / "broken.png").write_bytes((photos / "a.png").read_bytes()[:500])
    (photos / "empty.jpg").touch()
    (photos / "gone.tif").symlink_to(photos / "nowhere.tif")
    bomb = Image.new("1", (20000, 20000))
    bomb.save(photos / "bomb.png")
    done, rows = score(photos)
    assert done.code == 1 and "Traceback" not in done.err
    failed = {Path(row["path"]).name: row["error"] for row in rows if row["error"]}
    assert set(failed) == {"broken.png", "empty.jpg", "gone.tif", "bomb.png"}
    assert "corrupt or truncated" in failed["broken.png"] and "megapixels" in failed["bomb.png"]
    assert all(row["score"] == row["overlay"] == "" for row in rows if row["error"])
    assert sum(bool(row["score"]) for row in rows) == 4
    assert "4 could not be scored" in done.out


@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGBA", "CMYK", "I;16", "1"])
def test_every_kind_of_pixels_is_handled(score, tiny_data, tmp_path, mode):
    with Image.open(tiny_data / "part/test/spot/000.png") as image:
        if mode == "I;16":
            Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257).save(tmp_path / "image.tif")
        else:
            image.convert(mode).save(tmp_path / "image.tif")
    done, rows = score(tmp_path / "image.tif")
    assert done.code == 0 and rows[0]["score"], done.err


def test_a_picture_of_one_pixel_is_scored(score, tmp_path):
    Image.new("RGB", (1, 1)).save(tmp_path / "dot.png")
    done, rows = score(tmp_path / "dot.png")
    assert done.code == 0 and float(rows[0]["score"]) > 0


@pytest.mark.parametrize("below", ["", "below"])
def test_out_that_cannot_be_written_is_named(score, photos, tmp_path, below):
    (tmp_path / "file").touch()
    done, _ = score(photos, out=tmp_path / "file" / below)
    assert done.code == 2 and "out must be a folder that can be written to" in done.err and "Traceback" not in done.err


@pytest.mark.parametrize("model", ["models:/adtrack-part@nobody", "models:/adtrack-nut@champion", "nowhere"])
def test_no_such_model(score, photos, model, tmp_path):
    done, _ = score(photos, model=model)
    assert done.code == 2 and "Error: " in done.err and model in done.err and "Traceback" not in done.err
    assert not (tmp_path / "out").exists()


def test_no_images_and_no_such_place(score, tmp_path):
    (tmp_path / "empty").mkdir()
    done, _ = score(tmp_path / "empty")
    assert done.code == 2 and "images must hold at least one image" in done.err
    done, _ = score(tmp_path / "nowhere")
    assert done.code == 2 and "images must be files or folders that exist" in done.err


def test_places_of_overlays_never_collide(tmp_path):
    for name in ("x/a.png", "y/a.png", "x/a.jpg", "y/a-2.png", "y/a.tif"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    sources = [tmp_path / "x", tmp_path / "y"]
    found = find_images(sources, tmp_path / "out")
    assert len(found) == len({place for _, place in found}) == 5
    assert find_images([*sources, *sources], tmp_path / "out") == found
    with pytest.raises(UserError):
        find_images([tmp_path / "z"], tmp_path / "out")


def test_nothing_of_the_photos_is_changed(score, photos, tmp_path):
    before = shutil.copytree(photos, tmp_path / "before")
    score(photos)
    for file in before.rglob("*"):
        assert file.is_dir() or (photos / file.relative_to(before)).read_bytes() == file.read_bytes()
