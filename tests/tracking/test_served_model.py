"""The registered model as MLflow serves it: same scores as adtrack's own, any kind of input, no adtrack, no network."""

import base64
import csv
import io
import os
import subprocess
import sys
import sysconfig
import threading
import time
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
import torch
from mlflow.exceptions import MlflowException
from PIL import Image

from adtrack.tracking.models import load_model

CHAMPION = "models:/adtrack-part@champion"


@pytest.fixture
def served(study):
    return mlflow.pyfunc.load_model(CHAMPION)


@pytest.fixture(scope="module")
def photos(tiny_data) -> list[Path]:
    return sorted((tiny_data / "part/test").rglob("*.png"))[:6]


@pytest.fixture(scope="module")
def batch(photos) -> np.ndarray:
    """uint8 (6, 64, 64, 3)."""
    return np.stack([np.asarray(Image.open(photo)) for photo in photos])


@pytest.fixture
def expected(study, batch) -> pd.DataFrame:
    """What the same bank says through adtrack itself."""
    scorer = load_model(CHAMPION, torch.device("cpu")).scorer
    found = [scorer.judge(image) for image in batch]
    rows = [(one.score, one.threshold, int(one.anomalous)) for one in found]
    return pd.DataFrame(rows, columns=["score", "threshold", "label"])


def test_a_batch_gets_the_same_bits_as_in_adtrack(served, batch, expected):
    pd.testing.assert_frame_equal(served.predict(batch), expected, check_exact=True)
    assert 0 < expected["label"].sum() < len(expected)
    pd.testing.assert_frame_equal(served.predict(batch.astype(np.int64).tolist()), expected, check_exact=True)


def test_scores_are_those_of_the_score_verb(study, served, photos, batch, adtrack, tmp_path):
    done = adtrack("score", *photos, "--model", CHAMPION, "--out", tmp_path / "out", "--device", "cpu")
    assert done.code == 0, done.err
    with (tmp_path / "out/scores.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    found = served.predict(batch)
    for column in ("score", "threshold", "label"):
        assert [float(row[column]) for row in rows] == found[column].tolist()


@pytest.mark.parametrize("column", ["paths", "bytes", "base64", "data URL"])
def test_a_column_of_images_gets_the_same_bits(served, photos, expected, column):
    encoded = [base64.b64encode(photo.read_bytes()).decode() for photo in photos]
    items = {
        "paths": [str(photo) for photo in photos],
        "bytes": [photo.read_bytes() for photo in photos],
        "base64": encoded,
        "data URL": [f"data:image/png;base64,{text}" for text in encoded],
    }[column]
    pd.testing.assert_frame_equal(served.predict(pd.DataFrame({"image": items})), expected, check_exact=True)


def test_base64_of_a_very_small_picture_is_not_taken_for_a_path(served, tmp_path):
    Image.new("RGB", (10, 7), (90, 120, 30)).save(tmp_path / "small.png")
    text = base64.b64encode((tmp_path / "small.png").read_bytes()).decode()
    assert len(text) < 4096
    long = base64.b64encode((tmp_path / "small.png").read_bytes() + b"\xb6" * 900).decode()  # no "/" for 255 characters
    both = served.predict(pd.DataFrame({"image": [text, long, str(tmp_path / "small.png")]}))
    assert both["score"].nunique() == 1


def test_the_map_comes_on_request(served, batch, study):
    found = served.predict(batch[:2], params={"return_map": True})
    assert list(found) == ["score", "threshold", "label", "anomaly_map"]
    scorer = load_model(CHAMPION, torch.device("cpu")).scorer
    for image, rows in zip(batch, found["anomaly_map"], strict=False):
        assert np.array_equal(np.array(rows, np.float32), scorer.map(scorer.judge(image), 64, 64))
    assert "anomaly_map" not in served.predict(batch[:1], params={"return_map": False})


def test_a_model_without_maps_refuses_the_request_for_one(served, batch, expected, monkeypatch):
    monkeypatch.setattr(served.unwrap_python_model()._scorer.detector, "has_maps", False, raising=False)
    with pytest.raises(ValueError, match=r"return_map must be false for this model, .* has no anomaly maps"):
        served.predict(batch[:1], params={"return_map": True})
    pd.testing.assert_frame_equal(served.predict(batch), expected, check_exact=True)


def test_nothing_in_nothing_out(served):
    assert served.predict(np.zeros((0, 64, 64, 3), np.uint8)).empty
    assert served.predict(pd.DataFrame({"image": []})).empty


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (np.zeros((1, 64, 64, 3), np.float32), "uint8 batch"),
        (np.zeros((64, 64, 3), np.uint8), "uint8 batch"),
        (np.zeros((1, 64, 64, 4), np.uint8), "uint8 batch"),
        (np.full((1, 8, 8, 3), 300), "0 … 255"),
        (np.full((1, 8, 8, 3), -1), "0 … 255"),
        ([np.zeros((8, 8, 3), np.uint8), np.zeros((9, 8, 3), np.uint8)], "uint8 batch"),
        (pd.DataFrame({"image": ["no/such/file.png"]}), "must be a file or base64"),
        (pd.DataFrame({"image": ["x" * 9000 + "!"]}), "must be a file or base64"),
        (pd.DataFrame({"image": [b"garbage"]}), "image must be PNG"),
        (pd.DataFrame({"image": [base64.b64encode(b"garbage").decode()]}), "image must be PNG"),
        (pd.DataFrame({"image": [None]}), "uint8 batch"),
        (pd.DataFrame({"image": [1.5, 2.5]}), "uint8 batch"),
        (pd.DataFrame(), "must have a column image, but it has no column"),
        (pd.DataFrame({"picture": ["eA=="]}), "must have a column image, but it has picture"),
        ([], "at least one image"),
        (np.array([]), "at least one image"),
        (np.zeros((1, 0, 8, 3), np.uint8), "uint8 batch"),
    ],
    ids=str,
)
def test_bad_input_is_a_sentence(served, bad, said):
    with pytest.raises(ValueError, match=said):
        served.predict(bad)


def test_a_table_may_have_other_columns_and_images_other_sizes(served, photos, expected, tmp_path):
    Image.new("RGB", (90, 20)).save(tmp_path / "wide.png")
    table = pd.DataFrame({"part": range(7), "image": [*map(str, photos), str(tmp_path / "wide.png")]})
    pd.testing.assert_frame_equal(served.predict(table).iloc[:6], expected, check_exact=True)


@pytest.mark.parametrize("server", ["MLflow", "MLServer"])
def test_where_a_server_answers_paths_are_not_read(served, photos, monkeypatch, server):
    table = pd.DataFrame({"image": [str(photos[0])]})
    assert len(served.predict(table)) == 1
    if server == "MLflow":
        monkeypatch.setenv("_MLFLOW_IS_IN_SERVING_ENVIRONMENT", "true")
    else:
        monkeypatch.setitem(sys.modules, "mlserver", sys)
    with pytest.raises(ValueError, match="must be base64 of an image file, but row 0 is"):
        served.predict(table)


@pytest.fixture
def large() -> str:
    """Base64 of a PNG of 26 megapixels."""
    buffer = io.BytesIO()
    Image.new("1", (6500, 4000)).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def test_what_others_send_may_have_so_many_pixels_and_ones_own_more(study, large, monkeypatch):
    own = mlflow.pyfunc.load_model(CHAMPION)
    expected = own.predict(pd.DataFrame({"image": [large]}))
    monkeypatch.setenv("_MLFLOW_IS_IN_SERVING_ENVIRONMENT", "true")
    with pytest.raises(ValueError, match="at most 25 megapixels, but row 0 has 6500 × 4000 pixels"):
        own.predict(pd.DataFrame({"image": [large]}))
    monkeypatch.setenv("ADTRACK_SERVED_MEGAPIXELS", "26")
    found = mlflow.pyfunc.load_model(CHAMPION).predict(pd.DataFrame({"image": [large]}))
    pd.testing.assert_frame_equal(found, expected, check_exact=True)


@pytest.mark.parametrize("limit", ["0", "-1", "nan", "many", "101"])
def test_a_limit_that_is_none_is_refused(study, monkeypatch, limit):
    monkeypatch.setenv("ADTRACK_SERVED_MEGAPIXELS", limit)
    with pytest.raises(MlflowException, match=rf"must be a number of megapixels in \(0, 100\], but is '{limit}'"):
        mlflow.pyfunc.load_model(CHAMPION)


def test_two_images_at_most_are_in_memory_however_many_ask(study, photos, monkeypatch):
    model = mlflow.pyfunc.load_model(CHAMPION)
    code = model.unwrap_python_model()
    decoded, row = code._decoded, code._row
    held, most, all_ask = [], [], threading.Barrier(6)

    def counted(item, name):
        held.append(name)
        most.append(len(held))
        return decoded(item, name)

    def slowly(image, with_map):
        time.sleep(0.05)  # long enough for all others to be decoded, if they might
        found = row(image, with_map)
        held.pop()
        return found

    monkeypatch.setattr(code, "_decoded", counted)
    monkeypatch.setattr(code, "_row", slowly)

    def ask():
        all_ask.wait()
        model.predict(pd.DataFrame({"image": [str(photos[0])] * 2}))

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(most) == 12 and max(most) == 2


def test_maps_that_no_answer_could_hold_are_refused(served):
    with pytest.raises(ValueError, match="at most 20,000,000 pixels together"):
        served.predict(np.zeros((1, 4000, 5001, 3), np.uint8), params={"return_map": True})


ALONE = """
import importlib.util, os, socket, sys
assert importlib.util.find_spec("adtrack") is None

def refused(*_):
    raise OSError("no network here")

socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = refused
import mlflow, numpy
for uri in sys.argv[2:]:
    found = mlflow.pyfunc.load_model(uri).predict(numpy.load(sys.argv[1], allow_pickle=False))
    print([value.hex() for value in found["score"]], found["label"].tolist())
assert "adtrack" not in sys.modules
"""


@pytest.mark.slow
def test_it_scores_alike_where_there_is_neither_adtrack_nor_a_network(study, batch, expected, tmp_path):
    """In the base interpreter, which finds the same packages but not adtrack's link among them; no cache, no pickle."""
    copy = mlflow.artifacts.download_artifacts(CHAMPION, dst_path=str(tmp_path / "copy"))
    np.save(tmp_path / "batch.npy", batch)
    variables = {
        "PYTHONPATH": sysconfig.get_path("purelib"),
        "MLFLOW_TRACKING_URI": f"sqlite:///{study.folder}/mlflow.db",
        "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
        "ADTRACK_CACHE": str(tmp_path / "no-cache"),
    }
    base = Path(sys.base_prefix, "bin", f"python{sys.version_info.major}.{sys.version_info.minor}")
    done = subprocess.run(
        [base, "-c", ALONE, str(tmp_path / "batch.npy"), CHAMPION, copy],
        **{"cwd": tmp_path, "env": os.environ | variables, "capture_output": True, "text": True},
    )
    assert done.returncode == 0, done.stderr
    scores = [value.hex() for value in expected["score"]]
    assert done.stdout.strip().splitlines()[-2:] == [f"{scores} {expected['label'].tolist()}"] * 2
    assert not (tmp_path / "no-cache").exists()
