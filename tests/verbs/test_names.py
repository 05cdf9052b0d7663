"""A class, its defects and its images may be called anything: what verbs print can be copied, what they write is text,
and both are read back as they were."""

import csv
import html
import shlex
from pathlib import Path

import mlflow
import pytest
from PIL import Image

from adtrack.tracking.evaluation_files import read_scores
from adtrack.tracking.scored_runs import scored_run, set_scores
from adtrack.tracking.store import search_runs

CLASS = "it $(touch pwned); `x` *part"
KIND = "=HYPERLINK(1+1)"
ESCAPE = "\x1b[2J\u202e"


@pytest.fixture
def data(tmp_path, write_part) -> Path:
    """The class "part" under another name, and so one of its defects and an image of each kind."""
    root = write_part(tmp_path / "data")
    part = (root / "part").rename(root / CLASS)
    (part / "test/spot").rename(part / "test" / KIND)
    (part / "ground_truth/spot").rename(part / "ground_truth" / KIND)
    for file in (*part.glob("test/*/000.png"), part / "train/good/000.png"):
        file.rename(file.with_name(f"-{ESCAPE}\n0.png"))
    for file in part.glob("ground_truth/*/000_mask.png"):
        file.rename(file.with_name(f"-{ESCAPE}\n0_mask.png"))
    return root


@pytest.fixture
def options(data, part) -> list[str]:
    """Options of build-bank for that class."""
    rest = list(part[4:])
    return ["--class", CLASS, "--data", str(data), *rest, "--layers", "layer2", "--coreset-fraction", "0.1"]


def printable(text: str) -> bool:
    return all(line.isprintable() for line in text.split("\n"))


def test_what_is_printed_can_be_copied_and_what_is_written_is_text(options, adtrack, data, workplace):
    built = adtrack("build-bank", *options, "--register")
    assert built.code == 0 and printable(built.out + built.err), built.err
    (command,) = (line.partition("it:")[2] for line in built.out.splitlines() if line.startswith("Score your images"))
    words = shlex.split(command)
    assert words[3] == f"models:/adtrack-{CLASS}@champion"

    assert adtrack("build-bank", *options, "--coreset-fraction", "0.2").code == 0
    run, other = search_runs("")
    kinds = mlflow.artifacts.load_text(f"runs:/{run.info.run_id}/scores/val_clean.csv")
    assert f",'{KIND}," in kinds and f",{KIND}" not in kinds
    assert KIND in set_scores(scored_run(run.info.run_id), "val_clean").kinds
    assert KIND in set(read_scores(run.info.run_id, "val_clean")["kind"])

    compared = adtrack("compare", other.info.run_id, words[3], "--out", workplace / "compared")
    assert compared.code == 0 and printable(compared.out + compared.err), compared.err
    page = (workplace / "compared/compare.html").read_text()
    assert printable(page) and html.escape(CLASS) in page

    photo = workplace / f"={ESCAPE}.png"
    Image.open(next((data / CLASS / "test" / KIND).glob("*.png"))).save(photo)
    photo.with_name("=broken.png").write_bytes(b"no picture")
    scored = adtrack("score", photo.name, "=broken.png", *words[2:4], "--out", "scored", "--device", "cpu")
    assert scored.code == 1 and printable(scored.out + scored.err), scored.err
    with (workplace / "scored/scores.csv").open(newline="", encoding="utf-8") as stream:
        assert [row["path"] for row in csv.DictReader(stream)] == [f"'{photo.name}", "'=broken.png"]
    assert not (workplace / "pwned").exists()


def test_a_corrupt_image_is_named_without_its_escape_sequences(options, adtrack, data):
    for file in data.rglob(f"train/good/-{ESCAPE}*"):
        file.write_bytes(b"no picture")
    done = adtrack("build-bank", *options)
    assert done.code == 2 and done.err.startswith("Error: ") and printable(done.out + done.err)
    assert "-\\x1b[2J\\u202e\\n0.png" in done.err and done.err.count("\n") == 1


def test_a_class_that_no_command_could_name_is_not_registered(options, adtrack, data):
    (data / CLASS).rename(data / "a\nb")
    done = adtrack("build-bank", "--class", "a\nb", *options[2:], "--register")
    assert done.code == 2 and "what cannot be printed, but got 'a\\nb'" in done.err and done.err.count("\n") == 1
