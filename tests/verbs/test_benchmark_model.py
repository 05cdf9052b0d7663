"""benchmark-model: the engines score the same images, and what each takes stands on a run."""

import csv
from pathlib import Path

import pytest

from adtrack.errors import UserError
from adtrack.verbs.benchmark_model.asked import ENGINES, parse_engines


def test_engines_are_compared_and_what_they_take_is_kept(
    workplace: Path, adtrack, part, tiny_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from adtrack.tracking.run_contents import run_file
    from adtrack.tracking.store import search_runs
    from adtrack.verbs.benchmark_model import verb

    monkeypatch.setattr(verb, "cores", lambda: 2)
    built = adtrack("build-bank", *part, "--backbone", "timm/test_resnet", "--layers", "layer2", "--register")
    assert built.code == 0, built.err
    asked = ("--model", "models:/adtrack-part@champion", "--images", 3)
    found = adtrack("benchmark-model", *asked, "--engines", "torch,onnx-int8")
    assert found.code == 0, found.err
    (run,) = search_runs("tags.`adtrack.role` = 'benchmark'")
    assert run.data.tags["adtrack.class"] == "part" and run.data.params["engines"] == "torch,onnx-int8"
    with run_file(run.info.run_id, "benchmark.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["engine"], row["threads"]) for row in rows] == [
        (name, threads) for name in ("torch", "onnx-int8") for threads in "12"
    ]
    metrics, first = run.data.metrics, rows[0]
    assert metrics["torch/median_ms"] == float(first["median_ms"])
    assert metrics["onnx-int8/all_cores/p95_ms"] == float(rows[3]["p95_ms"])
    assert 0 < float(first["graph_ms"]) < float(first["median_ms"]) <= float(first["p95_ms"])
    # Torch alone takes more than twice the memory of a library that needs no torch.
    assert metrics["torch/peak_mb"] > 2 * metrics["onnx-int8/peak_mb"] > 0
    assert -1 <= metrics["onnx-int8/val_clean/image_auroc_difference"] <= 1
    assert "3 images in 3 files" in found.out and "with 8 bits" in found.out
    moved = adtrack("benchmark-model", *asked, "--engines", "onnx-int8", "--data", "demo")
    assert moved.code == 2 and "class" in moved.err


@pytest.mark.parametrize("text", ["tensorrt", "torch,", "onnx,torch-int8"])
def test_an_unknown_engine_is_answered_with_those_there_are(text: str) -> None:
    with pytest.raises(UserError, match=", ".join(ENGINES)):
        parse_engines(text)
    assert parse_engines("onnx, torch,onnx") == ("onnx", "torch")
