"""What is remembered is read as it was written, or not at all."""

from pathlib import Path

import pytest

from adtrack.data.memory_file import memory_file, read_memory, write_memory

ENTRIES = {"a": [1, None, "ü \udc80"], "b": {"c": 0.1}}


@pytest.fixture
def file(own_cache: Path) -> Path:
    written = memory_file("0" * 64)
    write_memory(written, ENTRIES)
    return written


def test_what_was_written_is_read(file: Path, own_cache: Path) -> None:
    assert read_memory(file) == ENTRIES and [*(own_cache / "checked").iterdir()] == [file]
    write_memory(file, {})
    assert read_memory(file) == {}


def test_every_flipped_byte_is_found(file: Path) -> None:
    content = file.read_bytes()
    for place in range(len(content)):
        file.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        assert read_memory(file) is None or read_memory(file) == ENTRIES  # as in the spaces between two entries


def test_a_memory_under_another_name_is_none(file: Path) -> None:
    assert read_memory(file.rename(file.with_name("1" * 64 + ".json"))) is None
    assert read_memory(file) is None


@pytest.mark.parametrize("content", [b"", b"7", b"[]", b"{}", b"\xff", b"[" * 100_000, b'{"sha256": "", "entries": 1}'])
def test_anything_else_is_none(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    assert read_memory(file) is None
