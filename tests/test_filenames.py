"""Names from data become names of files that MLflow, file systems and pages can give back."""

import unicodedata
from pathlib import PurePosixPath

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from mlflow.utils.uri import validate_path_is_safe

from adtrack import filenames
from adtrack.filenames import LONGEST, UniquePaths, ascii_name, file_name, file_path

ODD = [
    "a#b",
    "100%",
    "a%20b",
    "new\nline",
    "q?x=1",
    r"back\slash",
    '<b>&"x"',
    "trail ",
    "..dots",
    "..",
    "",
    "a/b",
    "x" * 180,
]


@pytest.mark.parametrize("name", ["000", "000.v2.final", "零件 ä", "photo (1)", "1+1=2, or @", "हिन्दी"])
def test_an_ordinary_name_stays(name):
    assert file_name(name) == name


@pytest.mark.parametrize("named", [file_name, ascii_name])
@given(name=st.text(max_size=300))
@example("\udcff")
def test_any_name_becomes_one_that_mlflow_gives_back(named, name):
    found = named(name)
    assert 0 < len(found.encode()) <= LONGEST and named(found) == found
    assert validate_path_is_safe(found) == found
    assert found == unicodedata.normalize("NFC", found) == found.strip() and not found.endswith(".")
    assert not set(found) & set('#?%\\/:*<>|"\n\0') and found not in (".", "..")


@pytest.mark.parametrize("named", [file_name, ascii_name])
def test_different_names_stay_different(named):
    names = [*ODD, "a?b", "a_b", "100", "x" * 181, "\u00e9", "e\u0301", "dots", "零件", "部品"]
    assert len({named(name) for name in names}) == len(names)


def test_a_changed_name_can_still_be_read():
    assert file_name("a#b") == "a_b-8187fc8f7f" and file_name("x" * 180).startswith("x" * 60)
    assert file_path(["left", "..", "a?b"]) == PurePosixPath("left", file_name(".."), file_name("a?b"))


def test_no_file_takes_anothers_place():
    places = UniquePaths()
    asked = ["a.png", "A.png", "a-2.png", "b.png", "b.png/c.png", "B.png/d.png", "e/f.png", "e"]
    found = [places.free(PurePosixPath(path)).as_posix() for path in asked]
    assert found == ["a.png", "A-2.png", "a-2-2.png", "b.png", "b-2.png/c.png", "B-2.png/d.png", "e/f.png", "e-2"]


def test_many_files_of_one_name_are_no_more_work_each(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looks, folded = [], filenames._folded
    monkeypatch.setattr(filenames, "_folded", lambda path: looks.append(path) or folded(path))
    places = UniquePaths()
    found = [places.free(PurePosixPath("shots/a.png")).name for _ in range(500)]
    assert found == ["a.png", *(f"a-{number}.png" for number in range(2, 501))]
    assert len(looks) < 500 * 12
