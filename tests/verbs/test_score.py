"""score: files and folders in, a table and overlays out; what cannot be read is a row."""

import csv
import json
import os
import re
import shutil
import tracemalloc
from pathlib import Path
from urllib.parse import unquote_to_bytes

import numpy as np
import pytest
from PIL import Image

from adtrack.data.reading import STORED
from adtrack.detectors import scorer as scorer_module
from adtrack.detectors.scorer import Scorer
from adtrack.reporting.gallery import Gallery, ScoredImage
from adtrack.verbs.score.results import COLUMNS
from adtrack.verbs.score.verb import score_images

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
    for thumbnail in (folder / "@eaDir/a.png/THUMB.jpg", folder / ".thumbnails/a.png"):
        thumbnail.parent.mkdir(parents=True)
        shutil.copy(folder / "a.png", thumbnail)
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
    assert "left out" not in done.out


def test_what_is_no_image_by_its_suffix_is_said_to_be_left_out(score, photos):
    (photos / "left/c.webp").touch()
    done, rows = score(photos)
    assert done.code == 0 and len(rows) == 4
    assert f"1 file left out, as images are .png .jpg .jpeg .bmp .tif .tiff: {photos}/left/c.webp" in done.out


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


def test_what_fails_while_scoring_is_not_blamed_on_out(score, photos, monkeypatch):
    def gone(*_: object) -> None:
        raise ConnectionError("the cluster is gone")

    monkeypatch.setattr("adtrack.verbs.score.verb.Judge.__call__", gone)
    with pytest.raises(ConnectionError, match="the cluster is gone"):
        score(photos)


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


def test_a_model_of_before_scores_photos_as_they_are_stored_and_says_so(score, photos, tmp_path, monkeypatch):
    tag = Image.Exif()
    tag[0x0112] = 3
    for name, picture in (("turned", Image.open(photos / "a.png")), ("stored", Image.open(photos / "a.png"))):
        picture.save(tmp_path / f"{name}.png", exif=tag if name == "turned" else None)
    sources = tmp_path / "turned.png", tmp_path / "stored.png"
    shown, rows = score(*sources, out=tmp_path / "now")
    assert rows[0]["score"] != rows[1]["score"] and "scored as stored" not in shown.out
    monkeypatch.setattr(scorer_module, "_reading", lambda text: STORED)
    stored, rows = score(*sources, out=tmp_path / "before")
    assert rows[0]["score"] == rows[1]["score"]
    assert "1 image with an orientation tag: scored as stored" in stored.out
    turned, straight = items((tmp_path / "before/gallery.html").read_text(encoding="utf-8"))
    assert turned["image"] == "" and straight["image"]


def test_sixteen_bits_of_unknown_depth_are_a_row_with_the_reason(score, tmp_path):
    Image.fromarray(np.full((64, 64), 3000, np.uint16)).save(tmp_path / "deep.png")
    done, rows = score(tmp_path / "deep.png")
    assert done.code == 1 and "deep.png has 16 whose largest value is 3000" in rows[0]["error"]


def test_nothing_of_the_photos_is_changed(score, photos, tmp_path):
    before = shutil.copytree(photos, tmp_path / "before")
    score(photos)
    for file in before.rglob("*"):
        assert file.is_dir() or (photos / file.relative_to(before)).read_bytes() == file.read_bytes()


def test_linked_folders_names_that_are_hostile_and_turned_photos(score, photos, tmp_path):
    """The page holds names as text only; an image that a browser would show turned is not shown from its file."""
    names = ["<script>alert(1)<", 'a"onerror="x', "javascript:x", "50%.png #1?", "two\nlines"]
    (tmp_path / "linked").mkdir()
    (photos / "elsewhere").symlink_to(tmp_path / "linked", target_is_directory=True)
    for name in names:
        shutil.copy(photos / "a.png", tmp_path / "linked" / f"{name}.png")
    shutil.copy(photos / "a.png", os.fsencode(tmp_path / "linked") + b"/\xff.png")
    tag = Image.Exif()
    tag[0x0112] = 6
    with Image.open(photos / "a.png") as image:
        image.save(tmp_path / "linked/turned.jpg", exif=tag)
    done, rows = score(photos)
    assert done.code == 0, done.err
    assert len(rows) == 4 + len(names) + 2
    page = (tmp_path / "out/gallery.html").read_text(encoding="utf-8")
    assert f"Look at them: {tmp_path / 'out/gallery.html'}" in done.out
    assert "<script>alert" not in page and "onerror=" not in page.replace('\\"onerror=', "")
    found = {item["name"].rpartition("/")[2]: item for item in items(page)}
    assert len(found) == len(rows)
    turned, straight = found["turned.jpg"], found["a.png"]
    assert turned["image"] == "../photos/elsewhere/turned.jpg" and turned["overlay"]  # browsers turn it, too
    assert (turned["width"], turned["height"]) == (straight["height"], straight["width"])
    assert found["two\\nlines.png"]["image"].endswith("/elsewhere/two%0Alines.png")
    assert found["\\udcff.png"]["image"].endswith("/elsewhere/%FF.png")
    for item in found.values():
        for address in filter(None, (item["image"], item["overlay"])):
            assert ":" not in address
            assert (tmp_path / "out" / os.fsdecode(unquote_to_bytes(address))).is_file()
    by_path = {Path(row["path"]).name: float(row["score"]) for row in rows}
    assert found["a.bmp"]["score"] == by_path["a.bmp"]


def items(page: str) -> list[dict]:
    """The images in a gallery page."""
    return [
        json.loads(text) for text in re.findall(r'<script type="application/json" class="item">(.*?)</script>', page)
    ]


def test_what_cannot_be_read_is_in_the_gallery_too(score, photos, tmp_path):
    (photos / "empty.jpg").touch()
    score(photos)
    (failed,) = [item for item in items((tmp_path / "out/gallery.html").read_text()) if "error" in item]
    assert failed["name"].endswith("empty.jpg") and "image must be" in failed["error"]


def test_stopped_it_keeps_what_is_scored_and_says_so(study, adtrack, photos, tmp_path, monkeypatch):
    judged, seen = Scorer.judge_outputs, []

    def stopping(scorer, outputs):
        if len(seen) == 2:
            raise KeyboardInterrupt
        seen.append(judged(scorer, outputs))
        return seen[-1]

    monkeypatch.setattr(Scorer, "judge_outputs", stopping)
    done = adtrack("score", photos, "--model", CHAMPION, "--out", tmp_path / "out", "--device", "cpu")
    assert done.code == 130 and "Stopped: 2 images are not scored." in done.out and "Traceback" not in done.err
    page = (tmp_path / "out/gallery.html").read_text()
    assert page.endswith("</html>\n") and '"total": 4' in page
    rows = list(csv.DictReader((tmp_path / "out/scores.csv").open(newline="")))
    assert [item["score"] for item in items(page)] == [float(row["score"]) for row in rows]
    assert len(rows) == 2


def test_memory_does_not_grow_with_the_number_of_images(study, tmp_path, monkeypatch):
    """What is in memory when an image is added to the page: at its least among the first rows and among the last ones.

    Images that are being read and drawn come and go, so the least of some rows tells what stays.
    """
    pixels = np.random.default_rng(0).integers(0, 256, (96, 96, 3), np.uint8)  # noise: no thumbnail of it is small
    (tmp_path / "many").mkdir()
    for number in range(80):
        Image.fromarray(pixels).save(tmp_path / "many" / f"{number:03}.png")
    held: list[int] = []

    def add(gallery: Gallery, scored: ScoredImage) -> None:
        held.append(tracemalloc.get_traced_memory()[0])
        add_to_page(gallery, scored)

    add_to_page = Gallery.add
    monkeypatch.setattr(Gallery, "add", add)
    tracemalloc.start()
    try:
        score_images(CHAMPION, [str(tmp_path / "many")], tmp_path / "out", "cpu")
    finally:
        tracemalloc.stop()
    kept = min(held[-20:]) - min(held[20:40])
    page = (tmp_path / "out/gallery.html").stat().st_size
    assert kept < 40 * min(page / 80, pixels.nbytes) / 4  # neither the page nor the images are kept
