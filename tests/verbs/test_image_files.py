"""Images meant by files and folders: links, ties, and what is left out."""

import os
from pathlib import Path

import pytest

from adtrack.errors import UserError
from adtrack.verbs.image_files import PhotoFile, find_images


def touch(*files: Path) -> None:
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()


def images(*sources: Path, out: Path) -> list[PhotoFile]:
    return find_images([str(source) for source in sources], out).photos


def found(*sources: Path, out: Path) -> list[str]:
    return [Path(photo.path).relative_to(sources[0]).as_posix() for photo in images(*sources, out=out)]


def test_places_of_overlays_never_collide(tmp_path):
    for name in ("x/a.png", "y/a.png", "x/a.jpg", "y/a-2.png", "y/a.tif"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    sources = [tmp_path / "x", tmp_path / "y"]
    found = images(*sources, out=tmp_path / "out")
    assert len(found) == len({photo.place for photo in found}) == 5
    assert images(*sources, *sources, out=tmp_path / "out") == found
    with pytest.raises(UserError):
        images(tmp_path / "z", out=tmp_path / "out")


def test_overlays_are_called_as_every_file_system_and_server_can_give_back(tmp_path):
    names = ("cam?1/a#b.png", "cam?1/a%20b.png", "new\nline.png", "x" * 180 + ".png", "A.png", "a.png", "0.bmp")
    touch(*(tmp_path / "photos" / name for name in (*names, "0.png/2.png")))  # a folder called as 0.bmp's overlay
    places = [photo.place for photo in images(tmp_path / "photos", out=tmp_path / "out")]
    assert len({place.casefold() for place in places}) == len(places) == 8
    assert {"overlays/A.png", "overlays/a-2.png", "overlays/0.png", "overlays/0-2.png/2.png"} <= set(places)
    for place in places:
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).touch()
        assert not set(place) & set("#?%\n") and max(map(len, place.split("/"))) < 100


def test_linked_folders_are_searched_once_and_never_round_in_circles(tmp_path):
    photos, elsewhere = tmp_path / "photos", tmp_path / "elsewhere"
    touch(photos / "z/1.png", elsewhere / "2.png", elsewhere / "deep/3.png", tmp_path / "outside.png")
    (photos / "a").symlink_to(elsewhere, target_is_directory=True)
    (photos / "b").symlink_to(elsewhere, target_is_directory=True)  # a second way to the same folder
    (photos / "c").symlink_to(photos / "z", target_is_directory=True)  # and one to a folder that is no link
    (elsewhere / "round").symlink_to(photos, target_is_directory=True)
    (elsewhere / "deep/again").symlink_to(elsewhere, target_is_directory=True)
    (photos / "up").symlink_to(tmp_path, target_is_directory=True)
    (photos / "lost").symlink_to(tmp_path / "nowhere", target_is_directory=True)
    (photos / "itself").symlink_to(photos / "itself")
    assert found(photos, out=tmp_path / "out") == ["z/1.png", "a/2.png", "a/deep/3.png"]
    (tmp_path / "way").symlink_to(photos, target_is_directory=True)
    assert found(tmp_path / "way", out=tmp_path / "out") == ["z/1.png", "a/2.png", "a/deep/3.png"]


def test_a_link_to_the_folder_of_results_is_not_searched(tmp_path):
    touch(tmp_path / "photos/1.png", tmp_path / "out/overlays/1.png")
    (tmp_path / "photos/results").symlink_to(tmp_path / "out", target_is_directory=True)
    assert found(tmp_path / "photos", out=tmp_path / "out") == ["1.png"]


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="the superuser may read every folder")
def test_a_folder_that_cannot_be_read_is_named(tmp_path):
    touch(tmp_path / "photos/1.png", tmp_path / "photos/locked/2.png")
    (tmp_path / "photos/locked").chmod(0)
    with pytest.raises(UserError, match="locked is not"):
        images(tmp_path / "photos", out=tmp_path / "out")
