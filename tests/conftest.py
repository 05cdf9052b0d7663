"""Fixtures that several rooms share: a cache of their own, a miniature data set, the real data where it is."""

import os
from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Each test keeps its caches to itself, so that none passes because another has run before it."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("ADTRACK_CACHE", str(folder))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return folder


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with real images and weights; tests that ask for it skip where it is absent."""
    folder = Path(os.environ.get("ADTRACK_SHARED", SHARED))
    if not (folder / "data" / "magnetic_tile").is_dir():
        pytest.skip(f"needs the real data set in {folder}")
    return folder
