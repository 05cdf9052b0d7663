"""Sets that are measured while others are scored have the metrics that each has alone."""

import threading
from pathlib import Path

import numpy as np
import pytest
import torch

from adtrack.config import BackboneSpec, DataSpec, ImageSpec
from adtrack.detectors.patchcore_spec import PatchCoreSpec
from adtrack.evaluation import measuring
from adtrack.evaluation.building import build
from adtrack.evaluation.measuring import measure, measure_all, measure_sets, score_set
from adtrack.evaluation.workbench import Workbench

SETS = ("val_clean", "val_shift", "test_clean", "test_shift")


@pytest.mark.parametrize("threads", [1, 2])
def test_sets_are_measured_as_each_alone(tiny_data: Path, threads: int) -> None:
    network = BackboneSpec("resnet18", "random", 1)
    bench = Workbench.open(DataSpec("part", str(tiny_data)), ImageSpec(72, 64), network, ("layer1",), "cpu")
    scorer = build(bench, PatchCoreSpec(layers=("layer1",), coreset_fraction=0.1)).scorer
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        found = measure_sets(bench, scorer, SETS)
    finally:
        torch.set_num_threads(before)
    for name, one in zip(SETS, found, strict=True):
        alone = measure(bench, score_set(bench, scorer.detector, name), scorer.calibration)
        assert one.name == name and one.metrics == alone.metrics
        assert np.array_equal(one.pro_curve, alone.pro_curve)


@pytest.mark.parametrize(("large", "beside"), [(10**6, 2), (1, 1)])
def test_two_sets_are_measured_at_once_but_only_one_of_large_photos(
    tiny_data: Path, monkeypatch: pytest.MonkeyPatch, large: int, beside: int
) -> None:
    network = BackboneSpec("resnet18", "random", 1)
    bench = Workbench.open(DataSpec("part", str(tiny_data)), ImageSpec(72, 64), network, ("layer1",), "cpu")
    meeting = threading.Barrier(beside)
    monkeypatch.setattr(measuring, "LARGE", large)
    monkeypatch.setattr(measuring, "measure", lambda *_, **__: meeting.wait(timeout=60))
    assert sorted(measure_all(bench, range(2), None)) == sorted([*range(beside)] * (2 // beside))
