"""make-shift: from the command to files that adtrack reads, and what is said of them."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from adtrack.data.imageset import image_set
from adtrack.data.layouts import read_class
from adtrack.data.splits import Splits
from adtrack.tracking.store import open_store, search_runs


@pytest.fixture
def shifted(adtrack, workplace: Path, tiny_data: Path):
    """Runs make-shift on the class "part" into ``out/``; gives what it said."""

    def run(*options: object):
        return adtrack("make-shift", "--class", "part", "--data", tiny_data, "--out", "out", *options)

    return run


def test_the_files_are_the_images_of_the_shifted_domain(
    shifted, workplace: Path, tiny_splits: Splits, tiny_data: Path
) -> None:
    done = shifted()
    assert done.code == 0, done.err
    for split in ("train", "val", "test"):
        images = image_set(tiny_splits, tiny_data, split, "shift")
        for index, record in enumerate(images.records):
            np.testing.assert_array_equal(np.asarray(Image.open(workplace / "out" / record.path)), images.image(index))


def test_it_says_what_it_wrote_and_what_comes_next(shifted, workplace: Path) -> None:
    done = shifted("--severity", 0.5, "--seed", 7)
    assert done.code == 0 and done.err == ""
    assert "Class part at severity 0.5, seed 7: 22 images, 8 masks in out/part" in done.out
    for name in ("shift.json", "pairs.html", "pairs.png"):
        assert f"out/part/{name}" in done.out and (workplace / "out/part" / name).stat().st_size > 1000
    manifest = json.loads((workplace / "out/part/shift.json").read_text(encoding="utf-8"))
    assert (manifest["severity"], manifest["seed"]) == (0.5, 7)
    again = shifted("--severity", 0.5, "--seed", 7)
    assert "22 images (22 were there)" in again.out


def test_adtrack_reads_the_result(shifted, workplace: Path, adtrack, part: tuple[str, ...], tiny_data: Path) -> None:
    done = shifted()
    (command,) = re.findall(r"adtrack (build-bank .*)", done.out)
    assert command == "build-bank --class part --data out"
    source, written = read_class(tiny_data, "part"), read_class(workplace / "out", "part")
    assert (written.train, written.test) == (source.train, source.test) and written.has_masks
    options = [option if option != str(tiny_data) else "out" for option in part]
    shutil.copy(workplace / "out/part/train/good/000.png", workplace / "out/part/test/good/leak.png")
    built = adtrack("build-bank", *options, "--layers", "layer2")
    assert built.code == 0, built.err
    assert re.search(r"Warning: 1 image of Test is byte for byte also in (Train|Val) \(part/test/good/leak", built.err)
    open_store()
    assert len(search_runs("")) == 1


def test_the_page_needs_nothing_else_and_shows_every_kind(shifted, workplace: Path) -> None:
    shifted()
    page = (workplace / "out/part/pairs.html").read_text(encoding="utf-8")
    for kind in ("Rotation", "Resized crop", "Translation", "Brightness", "Contrast", "Saturation"):
        assert f'<h2>{kind}</h2>\n<p class="note">all 22 images' in page
    for kind in ("Blur", "Noise", "All together", "Illumination, linear", "Illumination, radial"):
        assert f"<h2>{kind}</h2>" in page
    assert "prefers-color-scheme: dark" in page and len(page) < 3_000_000
    sources = re.findall(r' src="([^"]*)"', page)
    assert len(sources) > 50 and all(source.startswith("data:image/jpeg;base64,") for source in sources)
    assert not re.search(r"<script|href=\"[^#]|https?://|@import|url\(", page)
    before = {name: (workplace / "out/part" / name).read_bytes() for name in ("pairs.html", "pairs.png")}
    shifted()
    assert before == {name: (workplace / "out/part" / name).read_bytes() for name in before}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--severity", 2.5), "severity must be between 0 and 2, but got 2.5"),
        (("--severity", "nan"), "severity must be between 0 and 2, but got nan"),
        (("--seed", -1), "seed must be a whole number of at least 0"),
        (("--class", "screw"), "class must be one of part"),
        (("--class", "../part"), "'../part'"),
        (("--data", "nowhere"), "nowhere does not exist"),
        (("--data", "nowhere", "--severity", 3), "severity must be"),
    ],
    ids=str,
)
def test_a_wrong_value_is_a_sentence(shifted, workplace: Path, options: tuple, said: str) -> None:
    done = shifted(*options)
    assert done.code == 2 and done.err.startswith("Error: ") and said in done.err
    assert len(done.err.strip().splitlines()) == 1 and not (workplace / "out").exists()


def test_another_severity_needs_another_folder(shifted) -> None:
    assert shifted().code == 0
    done = shifted("--severity", 2)
    assert done.code == 2 and "differs in severity, images. Hint: choose another --out" in done.err


def test_a_spoilt_image_is_named_before_anything_is_written(adtrack, workplace: Path, write_part) -> None:
    root = write_part(workplace / "in")
    (root / "part/test/good/001.png").write_bytes(b"\x89PNG\r\n")
    done = adtrack("make-shift", "--class", "part", "--data", root, "--out", "out")
    assert done.code == 2 and "part/test/good/001.png" in done.err and not (workplace / "out").exists()


def test_what_the_class_leaves_out_is_said(adtrack, workplace: Path, write_part) -> None:
    root = write_part(workplace / "data")
    (root / "part/train/good/more.webp").touch()
    shutil.copy(root / "part/train/good/000.png", root / "part/test/spot/000.png")
    done = adtrack("make-shift", "--class", "part", "--data", root, "--out", "out")
    assert (
        done.code == 0 and "Warning: Class part leaves out 1 file (part/train/good/more.webp): images are" in done.err
    )
    assert "Warning: 1 defect image is byte for byte also a good one (part/test/spot/000.png = part/train/" in done.err
