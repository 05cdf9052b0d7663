"""The gallery: a page that is whole at every moment, holds names as text, and asks for nothing."""

import base64
import io
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from adtrack.reporting.gallery import SIDE, Gallery, ScoredImage, SmallPicture
from adtrack.reporting.gallery import shown as gallery_images

HOSTILE = '</script><script>document.title = "run"</script><img src=x onerror=\'document.title="run"\'>&amp;\u2028"'


def scored(name: str, score: float, threshold: float = 2.0, size: tuple[int, int] = (30, 40), **addresses: str):
    image = np.full((*size, 3), 90, np.uint8)
    return ScoredImage(name, score, score >= threshold, SmallPicture.of(image, image + 100), **addresses)


def items(page: str) -> list[dict]:
    return [
        json.loads(text) for text in re.findall(r'<script type="application/json" class="item">(.*?)</script>', page)
    ]


def write(path: Path, total: int = 4) -> Path:
    with Gallery(path, "models:/adtrack-part/3", 2.0, total) as gallery:
        gallery.add(scored("low.png", 1.25, image_address="../low.png", overlay_address="overlays/low.png"))
        gallery.add(scored("high.png", 4.5))
        gallery.add(scored(HOSTILE, 2.0))
        gallery.add_failure("broken.png", "image must be readable, but <b>broken.png</b> is corrupt.")
    return path


def test_every_image_is_in_the_page_with_both_pictures(tmp_path):
    found = items(write(tmp_path / "page.html").read_text(encoding="utf-8"))
    assert [item["name"] for item in found] == ["low.png", "high.png", HOSTILE, "broken.png"]
    assert [item.get("anomalous") for item in found] == [False, True, True, None]
    assert found[0]["image"] == "../low.png" and found[1]["overlay"] == ""
    pair = np.asarray(Image.open(io.BytesIO(base64.b64decode(found[0]["picture"]))))
    assert pair.shape == (96, 2 * SIDE, 3)
    assert abs(pair[:, : SIDE - 8].mean() - 90) < 2 and abs(pair[:, SIDE + 8 :].mean() - 190) < 2


def test_a_model_without_heatmaps_shows_the_image_alone(tmp_path):
    with Gallery(tmp_path / "page.html", "models:/m-1", 2.0, 1) as gallery:
        gallery.add(replace(scored("alone.png", 1), small=SmallPicture.of(np.zeros((30, 40, 3), np.uint8), None)))
    (item,) = items((tmp_path / "page.html").read_text())
    assert np.asarray(Image.open(io.BytesIO(base64.b64decode(item["picture"])))).shape == (96, SIDE, 3)
    assert item["heatmap"] is False


def test_the_same_images_give_the_same_bytes(tmp_path):
    assert write(tmp_path / "a.html").read_bytes() == write(tmp_path / "b.html").read_bytes()


def test_no_name_becomes_html_and_no_script_but_ours_may_run(tmp_path):
    page = write(tmp_path / "page.html").read_text(encoding="utf-8")
    assert "<script>document" not in page and "<img" not in page and "<b>broken" not in page
    assert "\u2028" not in page
    policy = re.search('http-equiv="Content-Security-Policy" content="([^"]*)"', page)[1]
    assert "default-src 'none'" in policy and "unsafe" not in policy and "http" not in policy
    assert not re.search("https?://(?!www.w3.org/2000/svg)", page)


def test_it_can_be_looked_at_while_it_grows(tmp_path):
    gallery = Gallery(tmp_path / "page.html", "models:/m-1", 2.0, 3)
    for number in range(3):
        gallery.add(scored(f"{number}.png", number))
        assert len(items((tmp_path / "page.html").read_text())) == number + 1
    with pytest.raises(KeyboardInterrupt), gallery:
        raise KeyboardInterrupt
    assert (tmp_path / "page.html").read_text().endswith("</html>\n")


def test_where_it_cannot_be_written(tmp_path):
    with pytest.raises(OSError):
        Gallery(tmp_path / "nowhere/page.html", "models:/m-1", 2.0, 3)


@pytest.mark.parametrize("size", [(1, 1), (1, 4000), (4000, 1)])
def test_odd_sizes(tmp_path, size):
    with Gallery(tmp_path / "page.html", "models:/m-1", 2.0, 1) as gallery:
        gallery.add(scored("odd.png", 1, size=size))
    (item,) = items((tmp_path / "page.html").read_text())
    assert (item["height"], item["width"]) == size


def test_a_later_page_keeps_the_images_that_it_is_told_to(tmp_path):
    """Also of a page that was cut off, whose last image is torn."""
    page = tmp_path / "page.html"
    gallery = Gallery(page, "models:/m-1", 2.0, 4)
    for number in range(4):
        gallery.add(replace(scored(f"{number}.png", number), key=f"key{number}"))
    gallery.add(scored("without a key.png", 1))
    page.write_text(page.read_text().replace('"key3"', '"key3'), encoding="utf-8")
    assert [image["key"] for image in gallery_images(page)] == ["key0", "key1", "key2", ""]
    with Gallery(page, "models:/m-1", 2.0, 4, kept={"key0", "key2", "key3"}) as later:
        later.add(replace(scored("4.png", 4), key="key4"))
    text = page.read_text(encoding="utf-8")
    assert [item["name"] for item in items(text)] == ["0.png", "2.png", "4.png"] and text.endswith("</html>\n")
    assert list(gallery_images(tmp_path / "none.html")) == []
