"""The registered model over HTTP: MLflow's own server around it, what it answers, and what it refuses to read."""

import base64
import contextlib
import io
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from adtrack.tracking.model_card import example, how_to_call
from adtrack.tracking.model_figures import figures_of
from adtrack.tracking.models import load_model

CHAMPION = "models:/adtrack-part@champion"
Ask = Callable[..., tuple[int, str]]


def post(port: int, body: object, kind: str = "application/json") -> tuple[int, str]:
    """Status and body of an answer."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}/invocations", data, {"Content-Type": kind})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


@pytest.fixture(scope="module")
def ask(_finished_study) -> Iterator[Ask]:
    """Sends a request to MLflow's scoring server, which runs in a thread around the registered model."""
    import uvicorn
    from mlflow.pyfunc import scoring_server

    whole = next(_finished_study.folder.rglob("trunk.safetensors"), None) or pytest.fail("no registered model")
    model = mlflow.pyfunc.load_model(str(whole.parents[2]))
    with pytest.MonkeyPatch.context() as patch, socket.socket() as listening:
        patch.setenv("_MLFLOW_IS_IN_SERVING_ENVIRONMENT", "false")  # so that what the server sets is taken back
        server = uvicorn.Server(uvicorn.Config(scoring_server.init(model), log_level="critical"))
        listening.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        while not server.started and thread.is_alive():
            time.sleep(0.01)
        try:
            yield lambda *request: post(listening.getsockname()[1], *request)
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture(scope="module")
def photos(tiny_data) -> list[Path]:
    return sorted((tiny_data / "part/test").rglob("*.png"))[2:5]


@pytest.fixture(scope="module")
def texts(photos) -> list[str]:
    return [base64.b64encode(photo.read_bytes()).decode() for photo in photos]


def expected(photos: list[Path]) -> list[dict]:
    scorer = load_model(CHAMPION, torch.device("cpu")).scorer
    found = [scorer.judge(np.asarray(Image.open(photo))) for photo in photos]
    return [{"score": one.score, "threshold": one.threshold, "label": int(one.anomalous)} for one in found]


def test_base64_is_answered_with_the_same_scores_in_every_form_that_mlflow_takes(study, ask, photos, texts):
    bodies = [
        {"inputs": texts},
        {"instances": texts},
        {"inputs": {"image": texts}},
        {"instances": [{"image": text} for text in texts]},
        {"dataframe_split": {"columns": ["number", "image"], "data": [[1, text] for text in texts]}},
        {"dataframe_records": [{"image": text} for text in texts]},
        {"inputs": [f"data:image/png;base64,{text}" for text in texts]},
        {"inputs": [base64.encodebytes(base64.b64decode(text)).decode() for text in texts]},  # with line ends
        {"inputs": np.stack([np.asarray(Image.open(photo)) for photo in photos]).tolist()},
    ]
    said = expected(photos)
    assert {row["label"] for row in said} == {0, 1}
    for body in bodies:
        status, answer = ask(body)
        assert status == 200, answer
        assert json.loads(answer) == {"predictions": said}
    table = pd.DataFrame({"image": texts}).to_csv(index=False).encode()
    assert json.loads(ask(table, "text/csv")[1]) == {"predictions": said}
    assert ask({"dataframe_split": {"columns": ["image"], "data": []}}) == (200, '{"predictions": []}')


def test_the_map_comes_on_request(ask, texts):
    status, answer = ask({"inputs": texts[:1], "params": {"return_map": True}})
    (row,) = json.loads(answer)["predictions"]
    assert status == 200 and np.array(row["anomaly_map"]).shape == (64, 64)
    assert list(row) == ["score", "threshold", "label", "anomaly_map"]
    assert "anomaly_map" not in ask({"inputs": texts[:1], "params": {"return_map": False}})[1]


def png(mode: str, size: tuple[int, int]) -> bytes:
    stream = io.BytesIO()
    Image.new(mode, size).save(stream, format="PNG")
    return stream.getvalue()


def text(data: bytes) -> str:
    return base64.b64encode(data).decode()


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"inputs": [text(png("1", (20000, 20000)))]}, "at most 25 megapixels"),
        ({"inputs": [text(png("RGB", (64, 64))[:60])]}, "corrupt or truncated"),
        ({"inputs": [text(b"\x80\x04garbage")]}, "must be PNG"),
        ({"inputs": ["not base64!"]}, "must be base64 of an image file"),
        ({"inputs": "not base64 either"}, "images must be base64"),
        ({"inputs": [None]}, "images must be base64"),
        ({"inputs": [1.5, 2.5]}, "images must be base64"),
        ({"inputs": [[[[1, 2, 300]]]]}, "0 … 255"),
        ({"inputs": [[[]]]}, "images must be base64"),
        ({"inputs": [[[[1, 2]], [[3]]]]}, ""),
        ({"inputs": []}, "at least one image"),
        ({"inputs": {"image": []}}, "at least one image"),
        ({"inputs": {"picture": ["eA=="]}}, "must have a column image, but it has picture"),
        ({"dataframe_records": []}, "must have a column image"),
        ({"dataframe_split": {"columns": ["path"], "data": [["eA=="]]}}, "must have a column image, but it has path"),
        ({"inputs": [text(png("1", (4500, 4500)))], "params": {"return_map": True}}, "20,000,000 pixels"),
        ({"inputs": [text(png("1", (9000, 9000)))]}, "at most 25 megapixels, but row 0 has 9000 × 9000 pixels"),
        ({"inputs": [text(png("1", (9, 9)))], "params": {"return_map": "yes"}}, "return_map"),
        ({"inputs": [text(png("1", (9, 9)))], "params": ["return_map"]}, "dictionary"),
        ({"images": ["eA=="]}, "exactly one of the input fields"),
        ({"input": ["eA=="]}, "must have a column image"),
        ([], "JSON dictionary"),
        (b"{", "valid JSON"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_bad_input_is_a_400_with_a_sentence(ask, body, said):
    status, answer = ask(body)
    assert 400 <= status < 500, answer
    assert said in json.loads(answer)["message"]
    assert "Traceback" not in answer and "stack_trace" not in answer and 'File \\"' not in answer


def test_our_own_sentences_come_without_the_input(ask):
    _, answer = ask({"inputs": ["!" * 5000]})
    assert len(answer) < 300 and answer.startswith(
        '{"error_code": "INVALID_PARAMETER_VALUE", "message": "an image must'
    )


def test_a_servers_disk_cannot_be_probed(ask, photos, tmp_path):
    """Neither an image that exists, nor a file that is none, nor nothing: all three look alike."""
    (tmp_path / "secret.txt").write_text("secret")
    names = [str(photos[0]), str(tmp_path / "secret.txt"), str(tmp_path / "nothing"), "/etc/passwd", "/dev/stdin"]
    for body in ({"inputs": [name]} for name in names):
        status, answer = ask(body)
        assert status == 400
        assert json.loads(answer)["message"] == (
            f"an image must be base64 of an image file, but row 0 is {body['inputs'][0][:60]!r}."
        )
    assert ask(f"image\n{photos[0]}\n".encode(), "text/csv")[0] == 400


def test_requests_at_the_same_time_get_the_same_bits(study, ask, photos, texts):
    answers: list[tuple[int, str]] = []
    threads = [threading.Thread(target=lambda: answers.append(ask({"inputs": texts}))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [(200, json.dumps({"predictions": expected(photos)}))] * 4


def test_the_page_and_the_example_say_how_to_call_it(study, ask):
    client = mlflow.MlflowClient()
    version = client.get_model_version_by_alias("adtrack-part", "champion")
    model = client.get_logged_model(version.source.removeprefix("models:/"))
    figures = figures_of(model)
    assert model.tags["mlflow.note.content"] == how_to_call(model.model_uri, maps=True, figures=figures)
    assert json.loads(model.tags["mlflow.modelVersions"])[0]["name"] == "adtrack-part"
    assert version.description == how_to_call(f"models:/adtrack-part/{version.version}", maps=True, figures=figures)
    metrics = client.get_run(study.best).data.metrics
    for name, words in (("test_clean", "Test-clean"), ("test_shift", "Test-shift")):
        f1, alarms, recall = (f"{metrics[f'{name}/{key}']:.3f}" for key in ("f1", "false_alarm_rate", "recall"))
        assert re.search(rf"^\| {words} \| {f1} \| {alarms} \[.*\] \| {recall} \| ", version.description, re.M)
    assert "has the best F1 on Val-clean and Val-shift together" in version.description.replace("\\", "")
    assert client.get_registered_model("adtrack-part").description == how_to_call(CHAMPION, maps=True)
    trial = client.get_run(study.children[0]).data.tags["adtrack.model"]
    for uri in (CHAMPION, trial):
        loaded = mlflow.pyfunc.load_model(uri)
        assert loaded.input_example.equals(example())
        assert len(loaded.predict(loaded.input_example)) == 1
        folder = Path(mlflow.artifacts.download_artifacts(artifact_uri=uri))
        assert ask((folder / "serving_input_example.json").read_bytes())[0] == 200
    assert loaded.metadata.signature.params and loaded.metadata.signature.outputs


def test_hostile_names_stay_words_in_the_commands():
    page = how_to_call("models:/adtrack-a $(reboot)@champion", maps=True)
    assert "--model 'models:/adtrack-a $(reboot)@champion' photos/" in page


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@contextlib.contextmanager
def mlflow_serves(folder: Path, log: Path) -> Iterator[int]:
    """``mlflow models serve`` of the champion; gives its port once it answers, and ends it."""
    port = free_port()
    command = [sys.executable, "-m", "mlflow", "models", "serve", "--model-uri", CHAMPION, "--env-manager", "local"]
    environment = os.environ | {
        "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    }
    with log.open("wb") as stream:
        server = subprocess.Popen(
            [*command, "--port", str(port)], **{"cwd": folder, "env": environment, "start_new_session": True},
            stdout=stream, stderr=stream,
        )  # fmt: skip
    try:
        until = time.monotonic() + 120
        while not answers(port):
            assert server.poll() is None and time.monotonic() < until, log.read_text()
            time.sleep(0.2)
        yield port
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(30)


def answers(port: int) -> bool:
    with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/ping", timeout=5) as answer:
        return answer.status == 200
    return False


@pytest.mark.slow
def test_mlflow_models_serve_answers_curl(study, photos, tmp_path):
    """The two commands of the model's page, word by word, and a path that the server must not read."""
    with mlflow_serves(study.folder, tmp_path / "log") as port:
        command = how_to_call(CHAMPION, maps=True).partition("--port 5001\n")[2].partition("```")[0]
        shutil.copy(photos[0], tmp_path / "part.png")
        if shutil.which("curl"):
            done = subprocess.run(
                ["sh", "-c", command.replace("5001", str(port))], cwd=tmp_path, capture_output=True, check=True
            )
            assert json.loads(done.stdout) == {"predictions": expected(photos[:1])}, done.stderr
        for name in (photos[0], tmp_path / "nothing"):
            status, answer = post(port, {"inputs": [str(name)]})
            assert status == 400 and "base64 of an image file" in json.loads(answer)["message"]
