"""The pictures of both pages: which study they show, how they are put together, and that they are there."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from adtrack.errors import UserError
from experiments.screenshots import MOST_ANOMALOUS, heatmaps, part, save, shown, stacked

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        ("README.md", {"zipper", "report", "mlflow_study", "mlflow_compare", "mlflow_trial", "severity", "speed"}),
        (
            "experiments/README.md",
            {"shift_regimes", "unseen_shifts", "few_shot", "backbones", "feature_map", "growth"}
            | {"methods_auroc", "methods_cost", "methods_magnetic_tile"},
        ),
    ],
)
def test_the_pictures_of_the_pages_are_there_described_and_small(page: str, expected: set[str]) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    named = re.findall(r"!\[[^\]]{20,}\]\((\S+?\.png)\)", text)
    named += re.findall(r'<img src="(\S+?\.png)" width="\d+" alt="[^"]{20,}">', text)
    assert sorted(named) == sorted(re.findall(r"[\w/]*figures/\w+\.png", text)), "a picture without a description"
    assert {Path(name).stem for name in named} == expected
    for name in named:
        file = (ROOT / page).parent / name
        assert file.parent == ROOT / "experiments" / "figures"
        with Image.open(file) as picture:
            picture.verify()
        assert file.stat().st_size < 400_000, name


def test_the_newest_finished_study_is_shown_or_the_one_that_is_named(study) -> None:
    for found in (shown(None), shown(study.name)):
        assert (found.experiment, found.parent, found.best) == ("1", study.parent, study.best)
        assert "<h1>part: the best of" in found.report.read_text(encoding="utf-8")
        assert 0 < heatmaps(found).height <= MOST_ANOMALOUS


@pytest.mark.parametrize(("name", "message"), [(None, "the store has none"), ("x", "study x is not one")])
def test_without_a_finished_study_there_is_nothing_to_show(opened_store, name, message) -> None:
    with pytest.raises(UserError, match=message):
        shown(name)


def test_parts_of_pages_are_stacked_on_white(tmp_path: Path) -> None:
    page = Image.fromarray(np.repeat(np.arange(10, dtype=np.uint8) * 20, 6).reshape(10, 6)).convert("RGB")
    top, rest = part(page, 0, 2.4), part(page, 7, 99).crop((0, 0, 4, 3))
    whole = np.asarray(stacked([top, rest]))[..., 0]
    assert whole[:, 0].tolist() == [0, 20, 140, 160, 180]
    assert whole[:, 5].tolist() == [0, 20, 255, 255, 255]


def test_a_saved_picture_has_at_most_256_colours(tmp_path: Path) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    with Image.open(save(noise, tmp_path / "new" / "noise.png")) as kept:
        assert kept.mode == "P" and kept.size == (64, 64)
        error = np.abs(np.asarray(kept.convert("RGB"), dtype=int) - np.asarray(noise, dtype=int))
    assert error.mean() < 40
    flat = Image.new("RGB", (8, 8), (0, 114, 178))
    with Image.open(save(flat, tmp_path / "flat.png")) as kept:
        assert np.unique(np.asarray(kept.convert("RGB")).reshape(-1, 3), axis=0).tolist() == [[0, 114, 178]]
