"""A method that scores whole images, by the view and a layer: from its specification to the pictures without maps."""

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor

from adtrack.config import VIEW, BackboneSpec, DataSpec, ImageSpec, LayersSpec
from adtrack.detectors import DETECTORS
from adtrack.detectors.contract import Detector, FitResult, Scores
from adtrack.detectors.description import load_description, save_description
from adtrack.detectors.scorer import Scorer
from adtrack.detectors.training import TrainingSet
from adtrack.errors import UserError
from adtrack.evaluation.building import build
from adtrack.evaluation.evaluate import PIXEL_METRICS
from adtrack.evaluation.pictures.of_evaluation import write_pictures
from adtrack.evaluation.pictures.side_by_side import compare, comparison_sheet
from adtrack.evaluation.telling import telling_images
from adtrack.evaluation.workbench import Workbench
from adtrack.features.grids import Grid

SETS = ("val_clean", "val_shift", "test_clean")


@dataclass(frozen=True)
class MeansSpec(LayersSpec):
    """The layers whose means are taken, beside those of the view."""

    _: KW_ONLY
    method: str = "means"

    @property
    def inputs(self) -> tuple[str, ...]:
        """The layers and the view."""
        return *self.layers, VIEW


class Means(Detector[MeansSpec]):
    """The distance of an image's channel means to the nearest of a good image."""

    spec_type, name, rows_called, has_maps = MeansSpec, "Means", "images", False

    def __init__(self, spec: MeansSpec, means: Tensor, grids: Mapping[str, Grid]) -> None:
        self.spec, self.means, self.grids = spec, means, grids

    @classmethod
    def fit(cls, train: TrainingSet, spec: MeansSpec) -> FitResult[MeansSpec]:
        return FitResult(cls(spec, torch.cat([_means(batch, spec) for batch in train.images()]), train.grids))

    def score(self, batch: Mapping[str, Tensor]) -> Scores:
        apart = (_means(batch, self.spec)[:, None] - self.means).square().sum(dim=2).sqrt()
        return Scores(apart.min(dim=1).values.numpy(), None)

    @property
    def rows(self) -> int:
        return len(self.means)

    @property
    def megabytes(self) -> float:
        return self.means.nbytes / 1e6

    def state(self) -> Mapping[str, Tensor]:
        return {"means": self.means}

    def save(self, folder: Path) -> None:
        save_description(folder, self.spec, self.grids)
        save_file({"means": self.means}, folder / "means.safetensors")

    @classmethod
    def load(cls, folder: Path, device: torch.device) -> "Means":
        described = load_description(folder, MeansSpec)
        return cls(described.spec, load_file(folder / "means.safetensors")["means"], described.grids)


def _means(batch: Mapping[str, Tensor], spec: MeansSpec) -> Tensor:
    return torch.cat([batch[name].double().mean(dim=(2, 3)) for name in spec.inputs], dim=1)


@pytest.fixture
def bench(tiny_data: Path, monkeypatch: pytest.MonkeyPatch) -> Workbench:
    monkeypatch.setitem(DETECTORS, "means", Means)
    inputs = MeansSpec(("layer1",)).inputs
    network = BackboneSpec("resnet18", "random", 1)
    return Workbench.open(DataSpec("part", str(tiny_data)), ImageSpec(64, 0), network, inputs, "cpu")


def test_it_is_built_measured_and_judges_alike(bench: Workbench, tmp_path: Path) -> None:
    built = build(bench, MeansSpec(("layer1",)), SETS)
    assert built.scorer.calibration.colours is None and built.costs["bank_rows"] == 8
    for evaluation in built.evaluations:
        assert evaluation.scored.maps is None and evaluation.pro_curve is None
        assert not set(PIXEL_METRICS) & set(evaluation.metrics) and "image_auroc" in evaluation.metrics
    assert built.evaluations[0].metrics["image_auroc"] > 0.5
    built.scorer.save(tmp_path, with_trunk=True)
    read = Scorer.load(tmp_path, torch.device("cpu"), lambda run, path: "")
    scored = built.evaluations[2].scored
    for at in range(3):
        judged = read.judge(scored.images.image(at))
        assert judged.score == scored.scores[at] and judged.patches is None
        assert read.map(judged, 64, 64) is None
    assert read.calibration == built.scorer.calibration


def test_its_pictures_are_the_images_themselves(bench: Workbench, tmp_path: Path) -> None:
    built = build(bench, MeansSpec(("layer1",)), ("val_clean",))
    (evaluation,) = built.evaluations
    written = write_pictures(bench, evaluation, built.scorer.calibration.colours, tmp_path)
    assert set(written) == {name for name, _ in telling_images(evaluation.scored)}
    sheet = Image.open(tmp_path / "heatmaps" / "val_clean.png")
    assert sheet.width > 100 and all(Image.open(file).height > 64 for file in written.values())
    (row,) = compare(bench, [built.scorer], [("val_clean", 0)])
    assert row.looks[0].overlay is None and row.looks[0].score == evaluation.scored.scores[0]
    assert comparison_sheet([row], ["means"]).dtype == np.uint8


def test_a_model_whose_method_and_colours_disagree_is_refused(
    bench: Workbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(bench, MeansSpec(("layer1",)), ()).scorer.save(tmp_path, with_trunk=True)
    monkeypatch.setattr(Means, "has_maps", True)
    with pytest.raises(UserError, match=r"must have colours if its method has anomaly maps.*means without colours"):
        Scorer.load(tmp_path, torch.device("cpu"), lambda run, path: "")
