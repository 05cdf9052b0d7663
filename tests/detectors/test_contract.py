"""Every method keeps the contract."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from adtrack.config import VIEW
from adtrack.detectors import DETECTORS
from adtrack.detectors.dfm import DfmSpec
from adtrack.detectors.knn import KnnSpec
from adtrack.detectors.learned.fastflow import FastflowSpec
from adtrack.detectors.learned.feature_ae import FeatureAeSpec
from adtrack.detectors.learned.pixel_ae import PixelAeSpec
from adtrack.detectors.learned.reverse_distillation import ReverseDistillationSpec
from adtrack.detectors.learned.skip_ae import SkipAeSpec
from adtrack.detectors.learned.stfpm import StfpmSpec
from adtrack.detectors.learned.vae import VaeSpec
from adtrack.detectors.padim import PadimSpec
from adtrack.detectors.patchcore_spec import PatchCoreSpec
from adtrack.features.feature_set import FeatureSet
from adtrack.features.grids import VIEW_GRID
from tests.detectors.contract import CPU, LAYERS, ContractTests, Synthetic
from tests.detectors.learned.teacher import TAUGHT, TEACHER, taught


def one_way(features: FeatureSet) -> FeatureSet:
    """The same with cells that all point about the same way."""
    layers = {name: features.layers[name][:] - 2 for name in features.layers}
    return replace(features, key=f"{features.key} one way", layers=layers)


class TestPatchCore(ContractTests):
    spec = PatchCoreSpec(LAYERS, coreset_fraction=0.25)


class TestPatchCoreForDrift(ContractTests):
    spec = PatchCoreSpec(LAYERS, coreset_fraction=0.25, standardise=0.5, whiten=0.1, score_top=0.1)


class TestPatchCoreByDirections(ContractTests):
    """Where directions alone count, patches are strange only if the usual ones point one way."""

    spec = PatchCoreSpec(LAYERS, coreset_fraction=1.0, distance="cosine", stride=2)

    def images(self, synthetic: Synthetic, count: int = 6, seed: int = 0) -> FeatureSet:
        return one_way(super().images(synthetic, count, seed))


class TestPadimForDrift(ContractTests):
    spec = PadimSpec(LAYERS, dimensions=7, standardise=1.0)


class TestPadim(ContractTests):
    spec = PadimSpec(LAYERS, dimensions=7)


class TestKnn(ContractTests):
    spec = KnnSpec(LAYERS, neighbours=3)


class TestDfm(ContractTests):
    spec = DfmSpec(LAYERS, pooling=1, standardise=0.5)


class TestFeatureAe(ContractTests):
    spec = FeatureAeSpec(LAYERS, latent=4, epochs=20)


class TestFastflow(ContractTests):
    """One cell of few can only exceed the spread of all of them so far: its layer norm flattens stronger defects."""

    strengths = (4.0,)
    spec = FastflowSpec(LAYERS, flow_steps=2, hidden_ratio=1.0, epochs=3)


class OfViews:
    """The images of methods of the view alone: of a size that no step of stride 2 divides."""

    @pytest.fixture
    def synthetic(self) -> Synthetic:
        def make(count: int = 6, seed: int = 0) -> FeatureSet:
            views = np.random.default_rng(seed).standard_normal((count, 3, 37, 37)).astype(np.float32)
            return FeatureSet(f"views {count} {seed}", {VIEW: views}, {VIEW: VIEW_GRID}, CPU, 37)

        return make


class TestPixelAe(OfViews, ContractTests):
    spec = PixelAeSpec(width=4, epochs=3)


class TestSkipAe(OfViews, ContractTests):
    spec = SkipAeSpec(width=4, epochs=3)


class TestVae(OfViews, ContractTests):
    spec = VaeSpec(width=4, epochs=3)


class TestReverseDistillation(ContractTests):
    """It compares directions too."""

    spec = ReverseDistillationSpec(LAYERS, epochs=15, batch=2, lr=2e-2)

    def images(self, synthetic: Synthetic, count: int = 6, seed: int = 0) -> FeatureSet:
        return one_way(super().images(synthetic, count, seed))


class TestStfpm(ContractTests):
    """Its networks end with a ReLU, so that negative outputs are the strange ones."""

    strengths = (-10.0, -100.0)
    spec = StfpmSpec(TAUGHT, epochs=1)
    network = TEACHER

    def images(self, synthetic: Synthetic, count: int = 6, seed: int = 0) -> FeatureSet:
        return taught(count, seed)


def test_every_method_has_a_class_of_tests() -> None:
    tested = {kind.spec.method for kind in ContractTests.__subclasses__()}
    assert tested >= set(DETECTORS)
    assert all(kind.spec_type().method == name for name, kind in DETECTORS.items())


def test_the_methods_are_read_without_torch() -> None:
    code = "import sys, adtrack.detectors; sys.exit(bool({'torch', 'numpy'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0
