"""Scores image by image, aligned between runs."""

import json
from pathlib import Path

import pytest

from adtrack.tracking import scored_runs
from adtrack.tracking.scored_runs import ScoredRun, set_scores


@pytest.mark.parametrize("reading", [None, {"bits": 12, "upright": False}])
def test_images_that_were_read_otherwise_are_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reading: dict | None
) -> None:
    manifest = {"seed": 42, "splits": {"val": [{"path": "a.png", "sha256": "x"}]}}
    (tmp_path / "first").mkdir()
    (tmp_path / "other").mkdir()
    for run, more in (("first", {}), ("other", {"reading": reading} if reading else {})):
        (tmp_path / run / "splits.json").write_text(json.dumps(manifest | more))
        (tmp_path / run / "val_clean.csv").write_text("path,kind,label,score,threshold\na.png,good,0,1.0,2.0\n")
    monkeypatch.setattr(scored_runs, "run_file", lambda run, path: tmp_path / run / Path(path).name)
    runs = [ScoredRun(run, run, run, "tile", "d", {}, {}, {"val_clean": run}) for run in ("first", "other")]
    (first,), (other,) = (set_scores(run, "val_clean", by_content=True).images for run in runs)
    assert (first == other) == (reading is None)
