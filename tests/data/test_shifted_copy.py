"""A shifted class on disk: what is written, the manifest, going on after an interruption, and what is refused."""

import dataclasses
import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from adtrack import __version__
from adtrack.data import shifted_copy
from adtrack.data.layouts import read_class
from adtrack.data.masks import decode_mask
from adtrack.data.reading import Reading
from adtrack.data.shift import draw_shift
from adtrack.data.shifted_copy import write_shifted
from adtrack.data.transform import shift_image, shift_mask
from adtrack.errors import UserError

WriteClass = Callable[..., Path]


def pixels(file: Path) -> np.ndarray:
    return np.asarray(Image.open(file))


def files(folder: Path) -> dict[str, bytes]:
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def names(folder: Path) -> set[str]:
    return {file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()}


def write(root: Path, out: Path, seed: int = 42, severity: float = 1.0) -> shifted_copy.ShiftedCopy:
    return write_shifted(read_class(root, "part"), out, seed, severity)


@pytest.mark.parametrize("severity", [0.5, 1.0])
def test_the_class_is_written_through_its_shift(tiny_data: Path, tmp_path: Path, severity: float) -> None:
    copy = write(tiny_data, tmp_path, 7, severity)
    assert copy.folder == tmp_path / "part" and copy.kept == 0
    assert names(tmp_path) == names(tiny_data) | {"part/shift.json"}
    source, written = read_class(tiny_data, "part"), read_class(tmp_path, "part")
    assert (written.train, written.test) == (source.train, source.test)
    for record in source.train + source.test:
        shift = draw_shift(record.path, 7, severity)
        assert copy.shifts[record] == shift
        np.testing.assert_array_equal(
            pixels(tmp_path / record.path), shift_image(pixels(tiny_data / record.path), shift)
        )
        if record.mask:
            mask = pixels(tmp_path / record.mask)
            np.testing.assert_array_equal(mask > 0, shift_mask(pixels(tiny_data / record.mask) > 0, shift))
            assert mask.dtype == np.uint8 and set(np.unique(mask)) <= {0, 255}


def test_nested_images_and_folders_of_masks_are_written_where_they_are_found_again(
    write_part: WriteClass, tmp_path: Path
) -> None:
    root = write_part(tmp_path / "data")
    for spot in sorted((root / "part/test/spot").glob("*.png")):  # two cameras, the same names
        camera = f"cam{int(spot.stem) % 2}"
        name, mask = f"{int(spot.stem) // 2}.png", root / "part/ground_truth/spot" / f"{spot.stem}_mask.png"
        for file, target in ((spot, Path(name)), (mask, Path(name).with_suffix("") / "000.png")):
            place = file.parent / camera / target
            place.parent.mkdir(parents=True, exist_ok=True)
            file.rename(place)
    source = read_class(root, "part")
    copy = write(root, tmp_path / "out")
    written = read_class(tmp_path / "out", "part")
    assert [record.path for record in written.test] == [record.path for record in source.test]
    assert copy.remarks == source.remarks != ()
    for record, before in zip(written.test, source.test, strict=True):
        if before.mask:
            expected = shift_mask(decode_mask(root / before.mask), draw_shift(before.path, 42))
            np.testing.assert_array_equal(pixels(tmp_path / "out" / record.mask) > 0, expected)


def test_the_manifest_names_every_file_and_what_was_done_to_it(tiny_data: Path, tmp_path: Path) -> None:
    write(tiny_data, tmp_path, 7, 2)
    manifest = json.loads((tmp_path / "part" / "shift.json").read_text(encoding="utf-8"))
    rows = manifest.pop("images")
    assert manifest == {"class": "part", "seed": 7, "severity": 2.0, "adtrack": __version__}
    named = {row[name] for row in rows for name in ("path", "mask") if row[name]}
    assert named == names(tmp_path) - {"part/shift.json"}
    for row in rows:
        assert row["shift"] == dataclasses.asdict(draw_shift(row["source"], 7, 2))
        pairs = ((tmp_path, "path", "sha256"), (tmp_path, "mask", "mask_sha256"))
        pairs += ((tiny_data, "source", "source_sha256"), (tiny_data, "source_mask", "source_mask_sha256"))
        for root, name, digest in pairs:
            expected = row[name] and hashlib.sha256((root / row[name]).read_bytes()).hexdigest()
            assert row[digest] == expected


def test_nothing_is_labelled_that_was_not(tmp_path: Path, write_part: WriteClass) -> None:
    write(write_part(tmp_path / "in", masks=False), tmp_path / "out")
    assert names(tmp_path / "out") == names(tmp_path / "in") | {"part/shift.json"}
    assert not (tmp_path / "out" / "part" / "ground_truth").exists()


def test_other_formats_become_png_under_their_stems(tmp_path: Path, write_part: WriteClass) -> None:
    root = write_part(tmp_path / "in")
    for old, new in (("train/good/000.png", "train/good/a.b.jpg"), ("test/spot/001.png", "test/spot/001.BMP")):
        Image.open(root / "part" / old).save(root / "part" / new)
        (root / "part" / old).unlink()
    (root / "part/ground_truth/spot/002_mask.png").rename(root / "part/ground_truth/spot/002.png")
    write(root, tmp_path / "out")
    written = names(tmp_path / "out" / "part")
    assert {"train/good/a.b.png", "test/spot/001.png", "ground_truth/spot/001_mask.png"} <= written
    assert "ground_truth/spot/002_mask.png" in written and "ground_truth/spot/002.png" not in written
    source = pixels(root / "part/train/good/a.b.jpg")
    expected = shift_image(source, draw_shift("part/train/good/a.b.jpg", 42))
    np.testing.assert_array_equal(pixels(tmp_path / "out/part/train/good/a.b.png"), expected)


def test_images_that_would_get_one_name_are_refused(tmp_path: Path, write_part: WriteClass) -> None:
    root = write_part(tmp_path / "in")
    Image.open(root / "part/train/good/003.png").save(root / "part/train/good/003.jpg")
    with pytest.raises(UserError, match=r"003\.jpg and part/train/good/003\.png would both become part/train/good/003"):
        write(root, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_same_call_gives_the_same_bytes_and_keeps_what_is_there(tiny_data: Path, tmp_path: Path) -> None:
    write(tiny_data, tmp_path / "one")
    there = files(tmp_path / "one")
    assert write(tiny_data, tmp_path / "two").kept == 0 and files(tmp_path / "two") == there
    assert write(tiny_data, tmp_path / "one").kept == 22 and files(tmp_path / "one") == there


def test_lost_and_changed_files_are_mended(tiny_data: Path, tmp_path: Path) -> None:
    write(tiny_data, tmp_path)
    there = files(tmp_path)
    (tmp_path / "part/test/good/000.png").unlink()
    Image.new("L", (64, 64)).save(tmp_path / "part/ground_truth/spot/001_mask.png")
    assert write(tiny_data, tmp_path).kept == 20 and files(tmp_path) == there


def test_an_interrupted_call_goes_on_where_it_stopped(
    tiny_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tiny_data, tmp_path / "whole")
    count = 0

    def breaks(*arguments: object) -> np.ndarray:
        nonlocal count
        count += 1
        if count > 10:
            raise KeyboardInterrupt
        return shift_image(*arguments)

    monkeypatch.setattr(shifted_copy, "shift_image", breaks)
    with pytest.raises(KeyboardInterrupt):
        write(tiny_data, tmp_path / "out")
    rows = json.loads((tmp_path / "out/part/shift.json").read_text(encoding="utf-8"))["images"]
    assert {row["sha256"] for row in rows} == {None}  # so that nobody takes it for finished
    monkeypatch.undo()
    assert 0 < write(tiny_data, tmp_path / "out").kept < 22
    assert files(tmp_path / "out") == files(tmp_path / "whole")


@pytest.mark.parametrize(("other", "said"), [({"seed": 43}, "seed, images"), ({"severity": 0.5}, "severity, images")])
def test_a_folder_with_other_parameters_is_left_alone(tiny_data: Path, tmp_path: Path, other: dict, said: str) -> None:
    write(tiny_data, tmp_path)
    there = files(tmp_path)
    with pytest.raises(UserError, match=f"shifted in another way, but .*shift.json differs in {said}"):
        write(tiny_data, tmp_path, **other)
    assert files(tmp_path) == there


def test_a_folder_of_other_images_is_left_alone(tiny_data: Path, tmp_path: Path, write_part: WriteClass) -> None:
    write(tiny_data, tmp_path / "out")
    root = write_part(tmp_path / "in")
    Image.new("RGB", (64, 64)).save(root / "part/train/good/000.png")
    with pytest.raises(UserError, match="differs in images"):
        write(root, tmp_path / "out")


@pytest.mark.parametrize(
    "manifest", [b"", b"[]", b"{}", b'{"images": [1]}', b'{"images": {"a": 1}}', b"\xff", b"[" * 9999]
)
def test_a_manifest_of_something_else_is_a_sentence(tiny_data: Path, tmp_path: Path, manifest: bytes) -> None:
    (tmp_path / "part").mkdir()
    (tmp_path / "part/shift.json").write_bytes(manifest)
    with pytest.raises(UserError, match=r"shift\.json must be one of make-shift's|differs in"):
        write(tiny_data, tmp_path)
    assert names(tmp_path) == {"part/shift.json"}


def test_a_class_that_is_there_already_is_left_alone(tiny_data: Path, tmp_path: Path, write_part: WriteClass) -> None:
    write_part(tmp_path)
    there = files(tmp_path)
    with pytest.raises(UserError, match="out must not hold the class yet"):
        write(tiny_data, tmp_path)
    assert files(tmp_path) == there


@pytest.mark.parametrize("through", ["itself", "a link"])
def test_the_source_is_never_written_to(tmp_path: Path, write_part: WriteClass, through: str) -> None:
    root = write_part(tmp_path / "in")
    out = root
    if through == "a link":
        out = tmp_path / "link"
        out.symlink_to(root)
    there = files(root)
    with pytest.raises(UserError, match="out must be another folder than data"):
        write(root, out)
    assert files(root) == there


def test_out_must_be_a_folder(tiny_data: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="out must be a folder that can be written to"):
        write(tiny_data, tmp_path / "file")


def test_what_is_written_lies_as_shown_in_eight_bits_and_needs_no_tag(tiny_data: Path, tmp_path: Path) -> None:
    root, out = shutil.copytree(tiny_data, tmp_path / "root"), tmp_path / "out"
    exif = Image.Exif()
    exif[0x0112] = 6
    for file in (root / "part").rglob("*.png"):
        plane = np.asarray(Image.open(file).convert("L")).astype(np.uint16)
        Image.fromarray(plane if "_mask" in file.name else plane * 16).save(file, exif=exif)
    copy = write(root, out, severity=0)
    for record in copy.shifts:
        stored = pixels(root / record.path).astype(np.uint32)
        expected = np.rot90((stored * 255 + 2047) // 4095, -1)
        with Image.open(out / record.path) as written:
            assert not written.getexif()
            assert (np.asarray(written)[..., 0] == expected).all()
        if record.mask:
            assert (pixels(out / record.mask) == np.rot90(pixels(root / record.mask), -1)).all()
    assert "12-bit" in " ".join(copy.remarks) and "orientation tag" in " ".join(copy.remarks)
    with pytest.raises(UserError, match=r"differs in .*reading"):
        write_shifted(read_class(root, "part"), out, 42, 0, Reading(16, False))
