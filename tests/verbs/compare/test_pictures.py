"""Pictures of compare: the right images as the right banks see them, and what is said where there are none."""

import csv
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import mlflow
import numpy as np
import pytest
import torch
from mlflow import MlflowClient

from adtrack.data.imageset import image_set, parse_name
from adtrack.data.splits import Splits
from adtrack.detectors.seal import seal
from adtrack.errors import UserError
from adtrack.evaluation.pictures.sheets import fit, fit_mask
from adtrack.evaluation.pictures.side_by_side import SIDE, look
from adtrack.tracking.models import load_model
from adtrack.tracking.store import search_runs
from adtrack.verbs.compare import choosing, pictures
from adtrack.verbs.compare.pictures import draw
from adtrack.verbs.compare.verb import Comparison, compare

CPU = torch.device("cpu")


def model_of(run_id: str) -> str:
    return MlflowClient().get_run(run_id).data.tags["adtrack.model"]


@pytest.fixture
def numb(copied_run, tmp_path) -> Callable[[str], str]:
    """Copies a run and its model, with a threshold at which no image is an alarm, and gives the run's id."""

    def make(run_id: str) -> str:
        source = mlflow.artifacts.download_artifacts(model_of(run_id))
        folder = shutil.copytree(source, tmp_path / f"numb-{run_id}")
        (file,) = folder.rglob("scorer.json")
        text = json.loads(file.read_text())
        text["calibration"]["threshold"] = 1e9
        file.write_text(json.dumps(text))
        seal(file.parent)
        change = {"threshold": "1e9", "predicted": 0}
        return copied_run(run_id, lambda row: row | change, **{"adtrack.model": str(folder)})

    return make


@pytest.fixture
def differing(banks, numb) -> Comparison:
    """A bank beside one that sees the same and calls nothing an alarm."""
    return compare([banks.runs[0], numb(banks.runs[0])], any_split=False)


@pytest.fixture
def moved(tiny_data, tmp_path) -> Path:
    """A copy of the data that a test may spoil."""
    return shutil.copytree(tiny_data, tmp_path / "moved")


def test_the_page_shows_a_sheet_of_every_set_with_disagreements_and_asks_for_nothing(banks, numb, adtrack, workplace):
    runs = banks.runs[0], numb(banks.runs[0])
    for folder in ("one", "two"):
        done = adtrack("compare", *runs, "--out", folder, "--device", "cpu")
        assert done.code == 0 and done.err == "" and "no pictures" not in done.out, done.err
    for file in (workplace / "one").iterdir():
        assert file.read_bytes() == (workplace / "two" / file.name).read_bytes()
    page = (workplace / "one/compare.html").read_text()
    rows = list(csv.DictReader((workplace / "one/disagreements.csv").open(newline="")))
    sets = sorted({row["set"] for row in rows})
    assert len(re.findall(r"<figure>", page)) == len(sets) > 0
    for name in sets:
        count = sum(row["set"] == name for row in rows)
        images = "1 image" if count == 1 else f"{count} images"
        assert f"<figcaption>{name}: {images} called differently</figcaption>" in page
    sources = re.findall(r'src="([^"]{0,30})', page)
    assert len(sources) == len(sets) and all(source.startswith("data:image/jpeg;base64,") for source in sources)
    assert not re.search(r"href=\"[^#]|https?://|@import|url\(", page)
    assert page.index("Images called differently") < page.index("as the models see them")


def test_every_bank_sees_the_images_its_own_way(banks, numb, adtrack, part, tiny_data: Path, tiny_splits: Splits):
    """Another view and another layer, clean and shifted: what is drawn is what the bank says of the image by itself."""
    done = adtrack("build-bank", *part, "--layers", "layer3", "--resize", "80", "--crop", "64")
    assert done.code == 0, done.err
    other = search_runs("")[-1].info.run_id
    runs = [banks.runs[0], numb(other)]
    found = compare(runs, any_split=False)
    drawn = draw(found, None, "cpu")
    scorers = [load_model(model_of(run), CPU).scorer for run in runs]
    assert scorers[0].image != scorers[1].image and scorers[0].detector.spec.inputs != scorers[1].detector.spec.inputs
    assert drawn.missing == () and {sheet.caption.split(":")[0] for sheet in drawn.sheets} == {"val_clean", "val_shift"}
    for sheet in drawn.sheets:
        one = next(one for one in found.sets if sheet.caption.startswith(one.name))
        images = image_set(tiny_splits, tiny_data, *parse_name(one.name))
        places = {record.path: at for at, record in enumerate(images.records)}
        assert [model.split("\n")[0] for model in sheet.models] == ["A", "B"]
        for row, image in zip(sheet.rows, one.disagreements, strict=True):
            pixels = images.image(places[image.path])
            assert np.array_equal(row.image, fit(pixels, SIDE)) and row.anomalous == image.anomalous
            mask = images.mask(places[image.path])
            assert np.array_equal(row.mask, fit_mask(mask, SIDE)) if image.anomalous else row.mask is None
            assert row.name == f"{image.kind} {Path(image.path).stem}"
            for at, (shown, scorer) in enumerate(zip(row.looks, scorers, strict=True)):
                judged = scorer.judge(pixels)
                assert shown.score == image.scores[at] == judged.score and shown.threshold == image.thresholds[at]
                assert np.array_equal(shown.overlay, look(scorer, judged, fit(pixels, SIDE)).overlay)
    assert all(any(row.mask is not None for row in sheet.rows) for sheet in drawn.sheets)
    looks = drawn.sheets[0].rows[0].looks
    assert not np.array_equal(looks[0].overlay, looks[1].overlay)


def test_the_clearest_are_drawn_and_counted(differing, monkeypatch):
    monkeypatch.setattr(choosing, "MOST", 1)
    one = next(one for one in differing.sets if len(one.disagreements) > 1)
    sheet = next(sheet for sheet in draw(differing, None, "cpu").sheets if sheet.caption.startswith(one.name))
    assert sheet.caption == f"{one.name}: 1 of {len(one.disagreements)} images called differently"
    (row,) = sheet.rows
    assert row.looks[0].score == one.disagreements[0].scores[0]


def test_images_that_have_moved_are_drawn_from_where_they_are(differing, moved):
    there, here = draw(differing, None, "cpu"), draw(differing, str(moved), "cpu")
    assert here.missing == () and len(here.sheets) == len(there.sheets)
    for one, other in zip(there.sheets, here.sheets, strict=True):
        assert one.caption == other.caption
        for row, same in zip(one.rows, other.rows, strict=True):
            assert np.array_equal(row.image, same.image) and row.name == same.name


def test_images_that_have_changed_are_not_drawn(differing, moved):
    one = max(differing.sets, key=lambda one: len(one.disagreements))
    gone, *left = one.disagreements
    (moved / gone.path).write_bytes(b"another picture")
    sheet = next(sheet for sheet in draw(differing, str(moved), "cpu").sheets if sheet.caption.startswith(one.name))
    assert [row.looks[0].score for row in sheet.rows] == [image.scores[0] for image in left]
    words = f"{one.name}: {len(left)} of {len(left) + 1} images called differently"
    assert sheet.caption == f"{words}; the files of 1 have changed or gone"


def test_a_mask_that_has_changed_is_not_drawn(banks, numb, moved):
    found = compare([banks.runs[0], numb(banks.runs[0])], any_split=False)
    for file in (moved / "part/ground_truth").rglob("*.png"):
        file.write_bytes(b"another mask")
    rows = [row for sheet in draw(found, str(moved), "cpu").sheets for row in sheet.rows]
    assert any(row.anomalous for row in rows) and all(row.mask is None for row in rows)


def test_images_that_are_gone_leave_a_sentence_and_all_tables(banks, numb, adtrack, tmp_path, workplace):
    (tmp_path / "empty").mkdir()
    options = ("--out", "compared", "--device", "cpu", "--data", tmp_path / "empty")
    done = adtrack("compare", banks.runs[0], numb(banks.runs[0]), *options)
    assert done.code == 0 and "val_clean: B beside A" in done.out
    (line,) = [line for line in done.out.splitlines() if "no pictures" in line]
    assert line.startswith("There are no pictures of val_clean, val_shift: images are drawn if they lie in")
    assert line.endswith("Hint: --data says where they are now.")
    page = (workplace / "compared/compare.html").read_text()
    assert "There are no pictures of val_clean, val_shift" in page and "<img" not in page
    assert len(list((workplace / "compared").iterdir())) == 5


def test_models_that_cannot_be_drawn_with_leave_a_sentence(banks, copied_run):
    def blunted(row: dict) -> dict:
        return row | {"threshold": "-1.0"}

    def rescored(row: dict) -> dict:
        return row | {"score": 1.01 * float(row["score"]), "threshold": "-1.0"}

    threshold = load_model(model_of(banks.runs[0]), CPU).scorer.calibration.threshold

    def other_scores(row: dict) -> dict:
        return row | {"score": threshold + 1}

    for run, words in {
        copied_run(banks.runs[0], blunted): "for B, a model must have the threshold it was measured with",
        copied_run(banks.runs[0], other_scores): "for B, a model must score images as it did, but it gives part/",
        copied_run(
            banks.runs[0], rescored, **{"adtrack.model": ""}
        ): "for B, a run must say which model it has measured",
        copied_run(banks.runs[0], blunted, **{"adtrack.model": "models:/m-0123"}): "for B, model must be one that the",
    }.items():
        drawn = draw(compare([banks.runs[0], run], any_split=False), None, "cpu")
        assert drawn.sheets == () and len(drawn.missing) == 1
        assert drawn.missing[0].startswith(f"There are no pictures: {words}"), drawn.missing


@pytest.mark.parametrize(
    "text",
    ["", "[]", '{"seed": 42}', '{"seed": 42, "splits": {"val": [1]}}', '{"seed": "x", "splits": {"val": []}}'],
)
def test_a_manifest_that_cannot_be_read_leaves_a_sentence(banks, numb, copied_run, text):
    broken = copied_run(banks.runs[0])
    MlflowClient().log_text(broken, text, "splits.json")
    drawn = draw(compare([broken, numb(banks.runs[0])], any_split=False), None, "cpu")
    assert drawn.sheets == () and "a run must keep a manifest of its splits" in drawn.missing[0]


def test_a_path_that_leads_out_of_the_data_is_not_followed(banks, numb, copied_run):
    def outside(row: dict) -> dict:
        return row | {"path": "../" + row["path"]}

    first, second = (copied_run(run, outside) for run in (banks.runs[0], numb(banks.runs[0])))
    drawn = draw(compare([first, second], any_split=False), None, "cpu")
    assert drawn.sheets == () and "must stay below the data root" in drawn.missing[0]


def test_nothing_is_loaded_where_nothing_is_drawn(banks, numb, copied_run, adtrack, monkeypatch):
    def loaded(*_: object) -> None:
        raise AssertionError("a model was loaded")

    different, equal = numb(banks.runs[0]), copied_run(banks.runs[0])
    monkeypatch.setattr(pictures, "load_model", loaded)
    assert adtrack("compare", banks.runs[0], different).code == 0
    done = adtrack("compare", banks.runs[0], equal, "--out", "compared")
    assert done.code == 0 and "no pictures" not in done.out


def test_a_device_that_does_not_exist_is_refused(differing):
    with pytest.raises(UserError, match="device must be auto, cpu or cuda"):
        draw(differing, None, "tpu")
