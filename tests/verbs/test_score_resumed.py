"""score goes on where it was stopped: no image is scored twice, and what comes out is as if it had never stopped."""

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pandas
import pytest
from filelock import FileLock
from PIL import Image

import adtrack as package
from adtrack.verbs.score.judging import Judge, Scored
from adtrack.verbs.score.results import Results

CHAMPION = "models:/adtrack-part@champion"
# The command line, which notes in a file each image that is judged, and takes its time for it.
NOTING = """
import sys, time
from pathlib import Path
from adtrack.verbs.score.judging import Judge, Scored
from adtrack.verbs.score.results import Results
scored = Judge._scored
def noting(judge, one):
    result = scored(judge, one)
    with Path({log!r}).open("a") as log:
        log.write(result.photo.path + "\\n")
    time.sleep(0.1)
    return result
Judge._scored = noting
if __name__ == "__main__":
    from adtrack.cli import main
    main()
"""


@pytest.fixture
def photos(tmp_path: Path, tiny_data: Path) -> Path:
    """Twelve photos, good ones and defects."""
    return shutil.copytree(tiny_data / "part/test", tmp_path / "photos")


@pytest.fixture
def judged(monkeypatch) -> list[str]:
    """The photos that are judged in this process, in their order."""
    found, scored = [], Judge._scored

    def noting(judge, one):
        result = scored(judge, one)
        found.append(Path(result.photo.path).name if result.error else result.photo.path)
        return result

    monkeypatch.setattr(Judge, "_scored", noting)
    return found


@pytest.fixture
def score(study, adtrack, photos, tmp_path):
    """Scores the photos into ``out``, and gives the bytes of the table."""

    def run(*options: object, out: Path = tmp_path / "out", code: int = 0, said: str = "", model: str = CHAMPION):
        done = adtrack("score", photos, "--model", model, "--out", out, "--device", "cpu", *options)
        assert done.code == code and said in done.out + done.err, done.out + done.err
        return (out / "scores.csv").read_bytes()

    return run


def rows(table: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(table.decode().splitlines()))


def items(out: Path) -> list[dict]:
    page = (out / "gallery.html").read_text(encoding="utf-8")
    return [json.loads(text) for text in re.findall(r'class="item">(.*?)</script>', page)]


def test_killed_it_goes_on_without_scoring_anything_twice(study, photos: Path, tmp_path: Path, score) -> None:
    script, log, out = tmp_path / "noting.py", tmp_path / "log", tmp_path / "out"
    script.write_text(NOTING.format(log=str(log)))
    log.touch()
    for number in range(3):
        shutil.copytree(photos / "spot", photos / f"more{number}")
    command = [sys.executable, script, "score", photos, "--model", CHAMPION, "--out", out, "--device", "cpu"]
    first = subprocess.Popen([*map(str, command), "--workers", "2"], env=dict(os.environ), stderr=subprocess.PIPE)
    journal, end = out / "parts/_journal.jsonl", time.monotonic() + 120
    while first.poll() is None and time.monotonic() < end and len(lines(journal)) < 6:
        time.sleep(0.01)
    first.send_signal(signal.SIGKILL)
    assert first.wait() == -signal.SIGKILL, first.stderr.read()
    with_rows = {json.loads(line)["path"] for line in lines(journal) if line.endswith("\n")}
    assert 6 <= len(with_rows) < 24
    done = subprocess.run(command, env=dict(os.environ), capture_output=True, text=True)
    assert done.returncode == 0 and f"{len(with_rows)} of these scores are of an earlier call" in done.stdout, done
    times = Counter(lines(log))
    assert len(times) == 24 and max(times.values()) <= 2
    assert not [path for path in with_rows if times[f"{path}\n"] > 1]
    table = (out / "scores.csv").read_bytes()
    assert table == score(out=tmp_path / "fresh") and len(items(out)) == 24
    assert {file.relative_to(out) for file in out.rglob("*.png")} == {
        file.relative_to(tmp_path / "fresh") for file in (tmp_path / "fresh").rglob("*.png")
    }


def lines(file: Path) -> list[str]:
    return file.read_text().splitlines(True) if file.is_file() else []


def test_only_photos_that_are_new_or_changed_are_scored(score, photos: Path, tmp_path: Path, judged) -> None:
    first = score()
    assert len(judged) == 12 and len(rows(first)) == 12
    assert score(said="12 of these scores are of an earlier call") == first and len(judged) == 12
    shutil.copy(photos / "spot/000.png", photos / "good/004.bmp")
    shutil.copy(photos / "spot/001.png", photos / "good/000.png")
    (photos / "good/001.png").unlink()
    assert len(rows(score())) == 12
    assert sorted(judged[12:]) == [str(photos / "good/000.png"), str(photos / "good/004.bmp")]
    assert (tmp_path / "out/scores.csv").read_bytes() == score(out=tmp_path / "fresh")
    assert len(items(tmp_path / "out")) == 12
    paths = sorted(pandas.read_parquet(tmp_path / "out/parts")["path"])
    assert paths == sorted(str(file) for file in photos.rglob("*.*"))


def test_what_could_not_be_scored_is_tried_again(score, photos: Path, judged) -> None:
    (photos / "bad.png").write_bytes(b"none")
    assert rows(score(code=1, said="1 could not be scored"))[0]["error"]
    shutil.copy(photos / "spot/000.png", photos / "bad.png")
    assert rows(score())[0]["score"] and len(judged) == 14


def test_another_model_scores_all_anew_and_says_so(score, photos: Path, tmp_path: Path, judged) -> None:
    score()
    folder = package.load(CHAMPION).save(tmp_path / "saved")
    score(model=str(folder), said="out held scores of models:/adtrack-part/1: all images are scored anew with")
    assert len(judged) == 24 and len(items(tmp_path / "out")) == 12


def test_a_journal_whose_end_is_torn_loses_that_row_alone(score, photos: Path, tmp_path: Path, judged) -> None:
    first = score()
    parts = tmp_path / "out/parts"
    table = pandas.read_parquet(parts)
    (parts / "part-00000.parquet").unlink()
    text = "".join(f"{json.dumps(row)}\n" for row in table.to_dict("records"))
    (parts / "_journal.jsonl").write_text(text[:-20])
    assert score() == first and len(judged) == 13
    assert len(pandas.read_parquet(parts)) == 12 and not (parts / "_journal.jsonl").exists()


def test_two_commands_do_not_score_into_one_folder(study, adtrack, photos: Path, tmp_path: Path) -> None:
    (tmp_path / "out/parts").mkdir(parents=True)
    with FileLock(tmp_path / "out/parts/_lock"):
        done = adtrack("score", photos, "--model", CHAMPION, "--out", tmp_path / "out", "--device", "cpu")
    assert done.code == 2 and f"another one is at work in {tmp_path}/out" in done.err


@pytest.mark.parametrize("file", ["part-00000.parquet", "_journal.jsonl"])
def test_damaged_parts_are_named(score, tmp_path: Path, file: str, adtrack, photos: Path) -> None:
    score()
    (tmp_path / "out/parts" / file).write_text('{"path": 3, "score": "none"}\n')
    done = adtrack("score", photos, "--model", CHAMPION, "--out", tmp_path / "out", "--device", "cpu")
    assert done.code == 2 and f"parts must be as adtrack wrote them, but {tmp_path}/out/parts/{file} is not" in done.err


def test_pictures_of_what_is_asked_alone(score, photos: Path, tmp_path: Path, judged) -> None:
    every = rows(score())
    anomalous = [row["path"] for row in every if row["label"] == "1"]
    assert 0 < len(anomalous) < 12
    highest = sorted(every, key=lambda row: -float(row["score"]))[:3]
    expected = {"none": [], "anomalous": anomalous, "3": [row["path"] for row in highest]}
    for asked, drawn in expected.items():
        out = tmp_path / asked
        found = rows(score("--pictures", asked, out=out))
        assert sorted(row["path"] for row in found if row["overlay"]) == sorted(drawn)
        assert [{**row, "overlay": ""} for row in found] == [{**row, "overlay": ""} for row in every]
        assert sorted(out.rglob("*.png")) == sorted(out / row["overlay"] for row in found if row["overlay"])
        assert sorted(item["name"] for item in items(out)) == sorted(drawn)
    assert "the anomalous ones" in (tmp_path / "anomalous/gallery.html").read_text()
    for row in every:
        if row["path"] in anomalous:
            with (
                Image.open(tmp_path / "out" / row["overlay"]) as one,
                Image.open(tmp_path / "anomalous" / row["overlay"]) as other,
            ):
                assert np.array_equal(np.asarray(one), np.asarray(other))


def test_other_pictures_are_drawn_of_what_is_scored(score, photos: Path, tmp_path: Path, judged) -> None:
    without = score("--pictures", "none")
    few = score("--pictures", "2")
    assert len(judged) == 14 and few == score("--pictures", "2") and len(judged) == 14
    every = score("--pictures", "all")
    assert len(items(tmp_path / "out")) == 12 and len(judged) == 14 + 10  # two have theirs
    assert every == score(out=tmp_path / "fresh") != without
    assert few == score("--pictures", "2") and len(items(tmp_path / "out")) == 2
    (tmp_path / "out/gallery.html").unlink()
    judged.clear()
    assert few == score("--pictures", "2") and len(judged) == 2


@pytest.mark.parametrize("asked", ["some", "0", "-1", "1.5"])
def test_no_such_pictures(study, adtrack, photos: Path, tmp_path: Path, asked: str) -> None:
    done = adtrack("score", photos, "--model", CHAMPION, "--out", tmp_path / "out", "--pictures", asked)
    assert done.code == 2 and "pictures must be all, anomalous, none or a whole number" in done.err


@pytest.mark.parametrize("options", [("--workers", "2"), ("--pictures", "2")])
def test_stopped_it_keeps_what_is_scored(score, photos: Path, monkeypatch, tmp_path: Path, options) -> None:
    add, out = Results.add, tmp_path / "out"

    def stopping(results: Results, scored: Scored) -> None:
        add(results, scored)
        if len(lines(out / "parts/_journal.jsonl")) == 5:
            raise KeyboardInterrupt

    monkeypatch.setattr(Results, "add", stopping)
    found = rows(score(*options, code=130, said="Stopped: 7 images are not scored."))
    overlays = [row["overlay"] for row in found if row["overlay"]]
    assert len(found) == 5 and len(items(out)) == len(overlays) == (5 if "--workers" in options else 0)
    assert all((out / overlay).is_file() for overlay in overlays)
