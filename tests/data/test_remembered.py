"""Files that were checked before are not opened again, unless they have changed or the memory of them is damaged."""

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from adtrack.data import checking, memory_file, remembered
from adtrack.data.checked import CheckedImages, MaskFacts
from adtrack.data.checking import check_images
from adtrack.data.classes import ImageRecord
from adtrack.data.file_facts import FileFacts
from adtrack.data.memory_file import read_memory
from adtrack.data.reading import Reading

PIXELS = np.random.default_rng(0).integers(0, 256, (12, 17, 3), dtype=np.uint8)
FACTS = FileFacts("0" * 64, (12, 17), (17, 12), 6, 4095, True, MaskFacts(0.25, 0.0, True))


@pytest.fixture(autouse=True)
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests' own files are remembered although they have just been written."""
    monkeypatch.setattr(remembered, "_SETTLED_NS", -(10**12))


@pytest.fixture
def records(tmp_path: Path) -> list[ImageRecord]:
    """Three images: one is good, one has a mask, and one has a folder of two masks."""
    for name in ("a.png", "b.png", "c.png"):
        Image.fromarray(PIXELS).save(tmp_path / name)
    for name in ("b_mask.png", "c_masks/0.png", "c_masks/1.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(PIXELS[:, :, len(name) % 3] > 99).save(tmp_path / name)
    return [
        ImageRecord("a.png", 0, "good"),
        ImageRecord("b.png", 1, "crack", "b_mask.png"),
        ImageRecord("c.png", 1, "crack", "c_masks"),
    ]


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The images and masks that were opened, in their order."""
    found: list[str] = []

    def watched(check: Callable[[Path, str, bool], FileFacts]) -> Callable[[Path, str, bool], FileFacts]:
        def checked(file: Path, path: str, *rest: object) -> FileFacts:
            found.append(path)
            return check(file, path, *rest)

        return checked

    for name in ("_image_file", "_mask_file"):
        monkeypatch.setattr(checking, name, watched(getattr(checking, name)))
    return found


def check_twice(root: Path, records: list[ImageRecord], between: Callable[[], object], opened: list[str]) -> list[str]:
    """What a second check opens after something has happened, if its answer is the one without any memory."""
    check_images(root, records)
    between()
    opened.clear()
    again = check_images(root, records)
    second = sorted(opened)
    forget(Path(os.environ["ADTRACK_CACHE"]))
    assert again == check_images(root, records)
    return second


def forget(cache: Path) -> None:
    for file in memories(cache):
        file.unlink()


def memories(cache: Path) -> list[Path]:
    return sorted((cache / memory_file.ROOM).glob("*.json"))


def test_nothing_is_opened_again(tmp_path: Path, records: list[ImageRecord], opened: list[str]) -> None:
    assert check_twice(tmp_path, records, lambda: None, opened) == []
    assert len(opened) == 5  # the check without memory


def test_only_what_has_changed_is_opened_again(tmp_path: Path, records: list[ImageRecord], opened: list[str]) -> None:
    changed = tmp_path / "c_masks" / "1.png"
    before = changed.stat()

    def change() -> None:
        Image.fromarray(PIXELS[:, :, 0] > 10).save(changed)
        os.utime(changed, ns=(before.st_atime_ns, before.st_mtime_ns))  # as programs do that copy times

    assert check_twice(tmp_path, records, change, opened) == ["c_masks"]


@pytest.mark.parametrize("change", ["add", "remove"])
def test_a_folder_of_masks_is_known_by_all_its_files(
    tmp_path: Path, records: list[ImageRecord], opened: list[str], change: str
) -> None:
    masks = tmp_path / "c_masks"

    def between() -> None:
        if change == "add":
            Image.fromarray(PIXELS[:, :, 2] > 200).save(masks / "2.png")
        else:
            (masks / "0.png").unlink()

    assert check_twice(tmp_path, records, between, opened) == ["c_masks"]


def test_a_file_that_was_just_written_is_not_remembered(
    tmp_path: Path, records: list[ImageRecord], opened: list[str], own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remembered, "_SETTLED_NS", 3600 * 10**9)
    assert len(check_twice(tmp_path, records, lambda: None, opened)) == 5
    assert not memories(own_cache)


def test_a_file_that_changes_during_its_check_is_not_remembered(tmp_path: Path, records: list[ImageRecord]) -> None:
    checks = remembered.RememberedChecks(upright=True)

    def check() -> FileFacts:
        (tmp_path / "a.png").write_bytes(b"other")
        return FACTS

    assert checks.facts(tmp_path / "a.png", True, check) == FACTS
    assert checks.facts(tmp_path / "a.png", True, lambda: replace(FACTS, orientation=1)).orientation == 1


def test_orientation_tags_that_do_not_count_have_a_memory_of_their_own(
    tmp_path: Path, records: list[ImageRecord], opened: list[str]
) -> None:
    tag = Image.Exif()
    tag[0x0112] = 6
    for name in ("a.png", "b.png", "b_mask.png"):
        Image.open(tmp_path / name).save(tmp_path / name, exif=tag.tobytes())
    stored, shown = (
        [check_images(tmp_path, records[:2], Reading(16, upright)) for _ in range(2)] for upright in (False, True)
    )
    assert stored[0] == stored[1] and shown[0] == shown[1] and len(opened) == 6
    assert stored[0].sizes["a.png"] == (12, 17) and shown[0].sizes["a.png"] == (17, 12)


def test_several_classes_in_a_folder_share_its_memory(
    tmp_path: Path, records: list[ImageRecord], opened: list[str]
) -> None:
    check_images(tmp_path, records[:1])
    check_images(tmp_path, records[1:])
    opened.clear()
    check_images(tmp_path, records)
    assert opened == []


def test_an_image_that_fails_is_not_remembered_and_the_others_are(
    tmp_path: Path, records: list[ImageRecord], opened: list[str]
) -> None:
    whole = (tmp_path / "c.png").read_bytes()
    (tmp_path / "c.png").write_bytes(whole[:60])
    for _ in range(2):
        with pytest.raises(Exception, match=r"c\.png is corrupt"):
            check_images(tmp_path, records)
    assert opened.count("a.png") == 1 and opened.count("c.png") == 2


def test_files_that_are_gone_are_forgotten(tmp_path: Path, records: list[ImageRecord], own_cache: Path) -> None:
    check_images(tmp_path, records)
    (tmp_path / "a.png").unlink()
    Image.fromarray(PIXELS[:5]).save(tmp_path / "d.png")
    check_images(tmp_path, [ImageRecord("d.png", 0, "good")])
    held = set().union(*(read_memory(file) or {} for file in memories(own_cache)))
    assert "image d.png" in held and "image b.png" in held and "image a.png" not in held


def _spoilt(file: Path, spoil: Callable[[dict[str, Any]], object], honest: bool) -> None:
    """Change what a memory holds. An ``honest`` one has the digest of what it holds then."""
    told = json.loads(file.read_text())
    spoil(told)
    if honest:
        told["sha256"] = hashlib.sha256(json.dumps([file.stem, told["entries"]], sort_keys=True).encode()).hexdigest()
    file.write_text(json.dumps(told))


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"7", b"null", b"\xff\xfe", b"[" * 100_000, b'{"sha256": 1, "entries": []}']
)
def test_a_damaged_memory_is_as_none(
    tmp_path: Path, records: list[ImageRecord], opened: list[str], own_cache: Path, content: bytes
) -> None:
    expected = check_images(tmp_path, records)
    for file in memories(own_cache):
        file.write_bytes(content)
    opened.clear()
    assert check_images(tmp_path, records) == expected and len(opened) == 5
    assert all(map(read_memory, memories(own_cache)))  # whole again


def test_a_changed_memory_is_found_by_its_digest(
    tmp_path: Path, records: list[ImageRecord], opened: list[str], own_cache: Path
) -> None:
    expected = check_images(tmp_path, records)
    for file in memories(own_cache):
        _spoilt(file, lambda told: [held["facts"].update(sha256="1" * 64) for held in told["entries"].values()], False)
    opened.clear()
    assert check_images(tmp_path, records) == expected and len(opened) == 5


@pytest.mark.parametrize("held", [None, 1, [], {}, {"state": []}, {"state": [], "facts": {}}, "x"])
def test_an_entry_of_another_kind_is_as_none(
    tmp_path: Path, records: list[ImageRecord], opened: list[str], own_cache: Path, held: object
) -> None:
    expected = check_images(tmp_path, records)
    for file in memories(own_cache):
        _spoilt(file, lambda told: told.update(entries=dict.fromkeys(told["entries"], held)), True)
    opened.clear()
    assert check_images(tmp_path, records) == expected and len(opened) == 5


def test_facts_survive_json() -> None:
    for facts in (FACTS, replace(FACTS, deepest=None, is_cut=False, mask=None)):
        assert FileFacts.from_plain(json.loads(json.dumps(facts.plain()))) == facts


WRONG = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(max_value=-1),
    st.integers(min_value=10**9),
    st.floats().filter(lambda value: not 0 <= value <= 1),
    st.text(max_size=3),
    st.lists(st.integers(max_value=0), min_size=1, max_size=3),
    st.dictionaries(st.text(max_size=2), st.none(), max_size=2),
)
FIELDS = ["sha256", "size", "size_otherwise", "orientation", "mask"]


@given(st.sampled_from(FIELDS), WRONG)
def test_what_no_check_shows_is_no_fact(field: str, wrong: object) -> None:
    if field == "mask" and wrong is None:
        return
    plain = json.loads(json.dumps(FACTS.plain()))
    assert FileFacts.from_plain({**plain, field: wrong}) is None
    if field != "mask":
        return
    for part in plain["mask"]:
        wrongs = {**plain["mask"], part: wrong}
        assert isinstance(wrong, bool) or FileFacts.from_plain({**plain, "mask": wrongs}) is None


@pytest.mark.parametrize("plain", [None, [], "x", 1, {}, {**FACTS.plain(), "more": 1}])
def test_plain_data_of_another_form_are_no_facts(plain: object) -> None:
    assert FileFacts.from_plain(plain) is None


@pytest.mark.parametrize(
    ("field", "wrong"),
    [("deepest", -1), ("deepest", 2**16), ("deepest", True), ("is_cut", 1), ("is_cut", None), ("orientation", 9)],
)
def test_a_value_that_no_file_has_is_no_fact(field: str, wrong: object) -> None:
    assert FileFacts.from_plain({**json.loads(json.dumps(FACTS.plain())), field: wrong}) is None


def test_a_cache_that_cannot_be_written_is_done_without(
    tmp_path: Path, records: list[ImageRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("ADTRACK_CACHE", str(tmp_path / "file"))
    found = check_images(tmp_path, records)
    assert isinstance(found, CheckedImages) and found == check_images(tmp_path, records)
