"""cache: what lies on disk, and how to get rid of it."""

import re
import shutil

import platformdirs
import pytest

from adtrack.cache import cache_folder


def test_rooms_and_their_sizes(own_cache, adtrack):
    (own_cache / "features/one").mkdir(parents=True)
    (own_cache / "features/one/features.npy").write_bytes(bytes(2_500_000))
    done = adtrack("cache")
    assert done.code == 0 and done.out.startswith(f"{own_cache}\n")
    sizes = dict(re.findall(r"^  (\w+) +(\d+\.\d) MB", done.out, re.M))
    assert sizes == {
        "features": "2.5",
        "orders": "0.0",
        "distances": "0.0",
        "scores": "0.0",
        "trunks": "0.0",
        "training": "0.0",
        "checked": "0.0",
        "demo": "0.0",
    }
    assert "Features may take 20 GB (ADTRACK_CACHE_GB)" in done.out
    assert "may take 0.5 GB" in adtrack("cache", ADTRACK_CACHE_GB="0.5").out
    wrong = adtrack("cache", ADTRACK_CACHE_GB="much")
    assert wrong.code == 2 and "ADTRACK_CACHE_GB must be a number of gigabytes" in wrong.err


def test_an_emptied_cache_is_made_again_with_the_same_bits(workplace, own_cache, adtrack, part):
    def figures() -> str:
        done = adtrack("build-bank", *part, "--layers", "layer2")
        assert done.code == 0, done.err
        return re.search(r"^  val_clean.*\n  val_shift.*", done.out, re.M)[0]

    first = figures()
    assert {"features", "orders"} <= {room.name for room in own_cache.iterdir()}
    done = adtrack("cache", "--clear")
    assert done.code == 0 and f"Emptied {own_cache}" in done.out
    assert not {"features", "orders", "trunks", "demo"} & {room.name for room in own_cache.iterdir()}
    assert adtrack("cache", "--clear").code == 0  # there is nothing left, and that is fine
    assert figures() == first


@pytest.mark.parametrize("variable", ["ADTRACK_CACHE", "XDG_CACHE_HOME", "neither"])
def test_where_the_cache_is(monkeypatch, tmp_path, variable):
    monkeypatch.delenv("ADTRACK_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    if variable == "neither":
        expected = platformdirs.user_cache_path("adtrack", appauthor=False)
        assert expected.is_relative_to(tmp_path / "home")
    else:
        monkeypatch.setenv(variable, str(tmp_path / "c"))
        expected = tmp_path / "c" if variable == "ADTRACK_CACHE" else tmp_path / "c" / "adtrack"
    assert cache_folder("features") == expected / "features"


def test_a_tilde_in_the_variable_is_the_home_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("ADTRACK_CACHE", "~/c")
    assert cache_folder() == tmp_path / "c"


def test_the_models_work_when_the_cache_is_gone(study, adtrack, tmp_path, tiny_data):
    cache = shutil.copytree(study.cache, tmp_path / "cache")
    variables = {"ADTRACK_CACHE": str(cache)}
    assert adtrack("cache", "--clear", **variables).code == 0
    photo = tiny_data / "part/test/good/000.png"
    trial = adtrack("score", photo, "--model", f"runs:/{study.children[0]}/bank", "--out", tmp_path / "1", **variables)
    assert trial.code == 0, trial.err
