"""score with several processes and machines, and photos that lie elsewhere: the same bits wherever the work is done."""

import csv
import importlib.util
import multiprocessing
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.request import Request, urlopen

import pandas
import pytest

from adtrack.errors import UserError
from adtrack.verbs.image_files import find_images
from adtrack.verbs.score.judging import Judge, Scored
from adtrack.verbs.score.results import Results
from tests.clusters import cluster_of

CHAMPION = "models:/adtrack-part@champion"
SECRET = "nobody-may-read-this"


@pytest.fixture
def photos(tmp_path: Path, tiny_data: Path) -> Path:
    """Twelve photos and one that cannot be read."""
    folder = shutil.copytree(tiny_data / "part/test", tmp_path / "photos")
    (folder / "bad.png").write_bytes(b"none")
    return folder


@pytest.fixture
def score(study, adtrack, photos, tmp_path):
    """Scores the photos into a folder and gives that folder."""

    def run(name: str, *options: object, sources: tuple[object, ...] = (photos,)) -> Path:
        given = ("--model", CHAMPION, "--out", tmp_path / name, "--device", "cpu", *options)
        done = adtrack("score", *sources, *given)
        assert done.code == 1 and "Traceback" not in done.err, done.err
        return tmp_path / name

    return run


def same(one: Path, other: Path) -> None:
    assert (one / "scores.csv").read_bytes() == (other / "scores.csv").read_bytes()
    pictures = sorted(file.relative_to(one) for file in one.rglob("*.png"))
    assert len(pictures) == 12 == len(list(other.rglob("*.png")))
    for picture in pictures:
        assert (one / picture).read_bytes() == (other / picture).read_bytes()
    columns = ["path", "score", "threshold", "label", "error"]
    tables = [pandas.read_parquet(folder / "parts").sort_values("path", ignore_index=True) for folder in (one, other)]
    assert tables[0][columns].equals(tables[1][columns])


@pytest.fixture(scope="module")
def nodes() -> Iterator:
    """Two nodes of a Ray cluster, to which this process is connected."""
    with cluster_of(1, 1) as (cluster, others):
        yield cluster, others[0]


@pytest.fixture
def after_the_first(monkeypatch) -> Callable[[Callable[[], object]], list[Scored]]:
    """Does something once, after the first score that is kept, and gives the list of those that are kept."""
    add = Results.add

    def arrange(happening: Callable[[], object]) -> list[Scored]:
        added: list[Scored] = []

        def adding(results: Results, scored: Scored) -> None:
            add(results, scored)
            added.append(scored)
            if len(added) == 1:
                happening()

        monkeypatch.setattr(Results, "add", adding)
        return added

    return arrange


def kill_one() -> None:
    os.kill(multiprocessing.active_children()[0].pid, signal.SIGKILL)


def test_scores_and_pictures_are_the_same_to_the_bit_though_a_process_is_killed(score, after_the_first) -> None:
    alone = score("alone")
    added = after_the_first(kill_one)
    same(alone, score("two", "--workers", "2"))
    assert len(added) == 13


def test_scores_and_pictures_are_the_same_to_the_bit_on_a_cluster(score, nodes, monkeypatch) -> None:
    alone = score("alone")
    monkeypatch.setattr(Judge, "__call__", None)  # from here on, this process scores nothing
    same(alone, score("ray", "--workers", "ray"))


def test_a_machine_that_goes_changes_nothing(score, nodes, after_the_first) -> None:
    cluster, second = nodes
    alone = score("alone")
    added = after_the_first(lambda: cluster.remove_node(second, allow_graceful=False))
    same(alone, score("ray", "--workers", "ray"))
    assert len(added) == 13


def test_a_photo_that_is_not_on_a_machine_of_the_cluster_says_so(photos: Path) -> None:
    (found, *_) = find_images([str(photos / "good/000.png")]).photos
    assert found.read("node7")
    (photos / "good/000.png").unlink()
    with pytest.raises(UserError, match=r"must lie on every machine of the cluster, but .*000\.png is not on node7"):
        found.read("node7")


@pytest.fixture
def bucket(photos: Path, monkeypatch) -> Iterator[str]:
    """The photos on a server that speaks S3, where names may be hostile."""
    server = pytest.importorskip("moto.server", reason="moto is not installed")
    s3fs = pytest.importorskip("s3fs", reason="s3fs is not installed")
    running = server.ThreadedMotoServer(port=0, verbose=False)
    running.start()
    address = "http://{}:{}".format(*running.get_host_and_port())
    monkeypatch.setenv("AWS_ENDPOINT_URL", address)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    store = s3fs.S3FileSystem()
    store.mkdir("plant")
    store.call_s3("put_object", Bucket="plant", Key="photos/")  # a folder, as consoles make it
    for file in photos.rglob("*.*"):
        store.pipe_file(f"plant/photos/{file.relative_to(photos)}", file.read_bytes())
    yield "s3://plant/photos"
    urlopen(Request(f"{address}/moto-api/reset", method="POST")).close()  # else the next server has its files
    running.stop()
    s3fs.S3FileSystem.clear_instance_cache()


def test_photos_on_s3_have_the_scores_of_the_same_files(score, bucket: str, photos: Path) -> None:
    here, there = score("here"), score("there", "--workers", "2", sources=(f"{bucket}/",))
    local, remote = (list(csv.DictReader((folder / "scores.csv").open(newline=""))) for folder in (here, there))
    assert [row["path"] for row in remote] == [row["path"].replace(str(photos), bucket) for row in local]
    for name in ("score", "threshold", "label", "overlay"):
        assert [row[name] for row in remote] == [row[name] for row in local]
    for row in filter(lambda row: row["overlay"], local):
        assert (here / row["overlay"]).read_bytes() == (there / row["overlay"]).read_bytes()
    assert 's3://plant/photos/good/000.png"' in (there / "gallery.html").read_text()


def test_names_in_a_bucket_lead_nowhere_else(score, bucket: str, photos: Path, tmp_path: Path) -> None:
    import s3fs

    image = (photos / "good/000.png").read_bytes()
    secret = tmp_path / "secret.png"
    secret.write_bytes((photos / "spot/000.png").read_bytes())
    names = (
        *("../../up.png", "/top.png", f"x::file://{secret}", "*.png", "tab\tname.png"),
        *("=1+1.png", "<script>.png", ".hidden.png", "@eaDir/a.png", "notes.txt", "folder.png/in.png", "shape.webp"),
    )
    store = s3fs.S3FileSystem()
    for name in names:
        store.pipe_file(f"plant/odd/{name}", image)
    store.pipe_file("plant/odd/bad.png", b"none")
    out = score("out", sources=("s3://plant/odd",))
    rows = list(csv.DictReader((out / "scores.csv").open(newline="")))
    scored = [row for row in rows if not row["error"]]
    assert len(scored) == 7 and len({row["score"] for row in scored}) == 1, rows
    files = {file.resolve() for file in tmp_path.rglob("*.png") if file.is_file()} - {
        file.resolve() for file in photos.rglob("*.png")
    }
    assert files == {secret.resolve()} | {(out / row["overlay"]).resolve() for row in scored}
    assert all(file.is_relative_to((out / "overlays").resolve()) for file in files - {secret.resolve()})
    assert "<script>." not in (out / "gallery.html").read_text()


def test_a_photo_in_a_bucket_is_scored_again_only_if_it_changes(score, bucket: str, photos: Path, monkeypatch) -> None:
    import s3fs

    added, add = [], Results.add
    monkeypatch.setattr(Results, "add", lambda results, scored: (added.append(scored), add(results, scored)))
    score("out", sources=(bucket,))
    score("out", sources=(bucket,))
    assert [one.photo.path for one in added[13:]] == [f"{bucket}/bad.png"]
    s3fs.S3FileSystem().pipe_file("plant/photos/good/000.png", (photos / "spot/000.png").read_bytes())
    score("out", sources=(bucket,))
    assert [one.photo.path for one in added[14:]] == [f"{bucket}/bad.png", f"{bucket}/good/000.png"]


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("s3://nowhere/photos", "images must be files or folders that can be read, but s3://nowhere/photos is not"),
        ("s3://plant/none", "images must be files or folders that can be read, but s3://plant/none is not"),
        ("nosuch://plant/photos", "images must have an address that fsspec opens here, but nosuch://plant/photos"),
    ],
)
def test_addresses_that_lead_nowhere_are_named(study, adtrack, bucket: str, tmp_path: Path, address, said) -> None:
    done = adtrack("score", address, "--model", CHAMPION, "--out", tmp_path / "out")
    assert done.code == 2 and said in done.err and "Traceback" not in done.err
    assert not (tmp_path / "out").exists() and SECRET not in done.err


@pytest.mark.skipif(importlib.util.find_spec("gcsfs") is not None, reason="gcsfs is installed")
def test_a_package_that_opens_an_address_is_named(study, adtrack, tmp_path: Path) -> None:
    done = adtrack("score", "gs://plant/photos", "--model", CHAMPION, "--out", tmp_path / "out")
    assert done.code == 2 and "install gcsfs" in done.err and "Traceback" not in done.err


def test_workers_must_be_a_number_or_ray(study, adtrack, photos: Path, tmp_path: Path) -> None:
    done = adtrack("score", photos, "--model", CHAMPION, "--out", tmp_path / "out", "--workers", "many")
    assert done.code == 2 and "workers must be ray or a whole number" in done.err
