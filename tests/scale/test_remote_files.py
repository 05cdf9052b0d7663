"""Files that lie elsewhere: what they are called, what of that is kept from readers, and whether they have changed."""

import zipfile
from pathlib import Path

import pytest

from adtrack.errors import UserError
from adtrack.scale.remote_files import RemoteFile, files_at


@pytest.mark.parametrize(
    ("source", "address"),
    [
        ("s3://b/p/", "s3://b/p/x.png"),
        ("zip::file:///a.zip", "zip://x.png::file:///a.zip"),
        ("zip://::s3://b/a.zip", "zip://x.png::s3://b/a.zip"),
        ("simplecache::s3://b/p", "simplecache::s3://b/p/x.png"),
        ("filecache::zip://p::s3://b/a.zip", "filecache::zip://p/x.png::s3://b/a.zip"),
        ("sftp://anna:pass@word@host/p", "sftp://host/p/x.png"),
        ("simplecache::ftp://anna:secret@host/p", "simplecache::ftp://host/p/x.png"),
    ],
)
def test_addresses_are_those_of_the_files_and_name_no_password(source: str, address: str) -> None:
    assert RemoteFile(source, "p/x.png", "x.png", "").address == address


def test_names_that_look_like_logins_stay_as_they_are() -> None:
    assert RemoteFile("zip://::file:///a.zip", "cam@1.png", "cam@1.png", "").address == "zip://cam@1.png::file:///a.zip"


def test_messages_name_no_password() -> None:
    with pytest.raises(UserError, match="nosuch://host/photos is none") as refused:
        list(files_at("nosuch://anna:secret@host/photos"))
    assert "secret" not in str(refused.value)


def archive(file: Path, content: bytes) -> list[RemoteFile]:
    with zipfile.ZipFile(file, "w") as written:
        written.writestr(zipfile.ZipInfo("x.png"), content)
    return list(files_at(f"zip://::file://{file}"))


def test_a_file_in_an_archive_that_changes_has_another_stamp(tmp_path: Path) -> None:
    (one,), (same,) = archive(tmp_path / "a.zip", b"1"), archive(tmp_path / "b.zip", b"1")
    (other,) = archive(tmp_path / "c.zip", b"2")
    assert (one.address, one.read()) == (f"zip://x.png::file://{tmp_path}/a.zip", b"1")
    assert one.stamp == same.stamp != other.stamp


def test_a_file_of_which_only_the_size_is_told_never_counts_as_unchanged(monkeypatch) -> None:
    class Web:
        def invalidate_cache(self) -> None: ...

        def find(self, root: str, detail: bool) -> dict[str, dict[str, int]]:
            return {f"{root}/x.png": {"size": 1}}

    monkeypatch.setattr("adtrack.scale.remote_files._opened", lambda source: (Web(), source))
    (one,), (again,) = files_at("http://host"), files_at("http://host")
    assert one.name == again.name and one.stamp != again.stamp
