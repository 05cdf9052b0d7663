"""AnomalyDINO's recipe of settings gives the scores of anomalib's AnomalyDINO on the same features."""

from pathlib import Path

import numpy as np
import pytest
import torch
from anomalib.models.image.anomaly_dino import torch_model
from torch import Tensor, nn

from adtrack.detectors.patchcore_spec import PatchCoreSpec
from adtrack.features.feature_set import FeatureSet
from adtrack.features.grids import Grid
from tests.detectors.fitting import fitted

LAYER, SIDES = "blocks.11.norm", (15, 20)  # 300 patches, of which 1 % are three
RECIPE = PatchCoreSpec((LAYER,), patch_size=1, coreset_fraction=1.0, distance="cosine", score_top=0.01)


class Tokens(nn.Module):
    """Gives tokens (n, N, C) that are known already, whatever images it is shown."""

    patch_size = 14

    def __init__(self, **_: object) -> None:
        super().__init__()
        self.known = torch.empty(0)

    def forward(self, _: Tensor) -> dict[str, Tensor]:
        return {"blocks.11": self.known}


def features(count: int, seed: int) -> np.ndarray:
    draws = np.random.default_rng(seed)
    lengths = draws.uniform(0.1, 10, (count, 1, *SIDES))
    return ((draws.standard_normal((count, 8, *SIDES)) + 2) * lengths).astype(np.float32)


def test_scores_are_those_of_anomalib(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch_model, "TimmFeatureExtractor", Tokens)
    theirs, images = torch_model.AnomalyDINOModel(), torch.zeros(4, 3, 14 * SIDES[0], 14 * SIDES[1])
    train, test = features(4, 0), features(4, 1)
    theirs.feature_encoder.known = torch.from_numpy(train).flatten(2).mT
    theirs.train()(images)
    theirs.fit()
    theirs.feature_encoder.known = torch.from_numpy(test).flatten(2).mT
    expected = theirs.eval()(images).pred_score[:, 0].numpy()

    ours = FeatureSet("tokens", {LAYER: train}, {LAYER: Grid(6.5, 14.0)}, torch.device("cpu"), 210)
    detector = fitted(ours, RECIPE, tmp_path)
    assert detector.rows == 4 * 300
    found = detector.score({LAYER: torch.from_numpy(test)})
    np.testing.assert_allclose(found.image, expected, rtol=1e-4)
    np.testing.assert_allclose(np.sort(found.patches.reshape(4, -1))[:, -3:].mean(axis=1), expected, rtol=1e-4)
