"""Which classes --class names."""

import shutil
from pathlib import Path

import pytest

from adtrack.cli.classes import asked_classes
from adtrack.config import DEMO_CLASSES
from adtrack.errors import UserError


@pytest.fixture
def data(tmp_path: Path, tiny_data: Path) -> Path:
    """A data root with the classes "nut", "part", "part,nut" and "plain", of which the last has good images alone."""
    for name in ("nut", "part", "part,nut"):
        shutil.copytree(tiny_data / "part", tmp_path / name)
    shutil.copytree(tiny_data / "part" / "train", tmp_path / "plain" / "train")
    return tmp_path


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("part", ["part"]),
        ("nut,part", ["nut", "part"]),
        ("nut, part,nut", ["nut", "part"]),
        ("part,nut", ["part,nut"]),  # a folder of that name is one class
        ("nowhere", ["nowhere"]),  # refused where all classes are
    ],
)
def test_one_or_several(data: Path, text: str, names: list[str]) -> None:
    assert asked_classes(text, str(data)) == (names, [])


def test_all_are_those_with_labelled_anomalies(data: Path) -> None:
    assert asked_classes("all", str(data)) == (["nut", "part", "part,nut"], ["plain"])
    assert asked_classes("all", "demo") == (list(DEMO_CLASSES), [])
    shutil.copytree(data / "nut", data / "all")
    assert asked_classes("all", str(data)) == (["all"], [])


def test_an_empty_name_and_data_without_anomalies_are_refused(data: Path) -> None:
    with pytest.raises(UserError, match="'part,' holds an empty one"):
        asked_classes("part,", str(data))
    for name in ("nut", "part", "part,nut"):
        shutil.rmtree(data / name)
    with pytest.raises(UserError, match="all must find a class with labelled anomalies"):
        asked_classes("all", str(data))
