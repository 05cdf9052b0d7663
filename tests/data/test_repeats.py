"""Files that are there twice are told with their names."""

from adtrack.data.classes import ImageRecord
from adtrack.data.repeats import repeated


def records(kind: str, *names: str) -> list[ImageRecord]:
    return [ImageRecord(f"{kind}/{name}.png", int(kind != "good"), kind) for name in names]


def test_files_of_their_own_need_no_word() -> None:
    parts = {"Train": records("good", "a", "b"), "Test": records("spot", "c")}
    assert repeated(parts, {"good/a.png": "1", "good/b.png": "2", "spot/c.png": "3"}) == ()
    assert (
        repeated(parts, {"good/a.png": "1", "good/b.png": "1", "spot/c.png": "3"}) == ()
    )  # twice in Train harms nobody


def test_what_two_parts_share_is_named() -> None:
    parts = {"Train": records("good", "a", "b"), "Val": records("good", "c"), "Test": records("good", *"defg")}
    contents = {f"good/{name}.png": content for name, content in zip("abcdefg", "1221112", strict=True)}
    assert repeated(parts, contents) == (
        "1 image of Val is byte for byte also in Train (good/c.png = good/b.png): what is measured on it says nothing "
        "about new parts.",
        "4 images of Test are byte for byte also in Train (good/d.png = good/a.png, good/e.png = good/a.png, "
        "good/f.png = good/a.png and 1 more): what is measured on them says nothing about new parts.",
        "1 image of Test is byte for byte also in Val (good/g.png = good/c.png): what is measured on it says nothing "
        "about new parts.",
    )


def test_what_is_good_and_defective_is_named_once() -> None:
    parts = {"Train": records("good", "a"), "Test": records("spot", "c")}
    assert repeated(parts, {"good/a.png": "1", "spot/c.png": "1"}) == (
        "1 defect image is byte for byte also a good one (spot/c.png = good/a.png): one of the two is wrong, and with "
        "it every number.",
    )


def test_a_part_that_is_mostly_repetition_is_named() -> None:
    """As by a camera that stands still."""
    parts = {"Train": records("good", *"abcde"), "Val": records("good", "f", "g")}
    contents = {f"good/{name}.png": content for name, content in zip("abcdefg", "1111123", strict=True)}
    (remark,) = repeated(parts, contents)
    assert remark.startswith("Train's 5 images are 1 picture, byte for byte: it shows less of the parts than")
    contents["good/e.png"] = "4"
    assert "Train's 5 images are 2 different pictures" in repeated(parts, contents)[0]
    contents["good/d.png"] = "5"
    assert repeated(parts, contents) == ()
