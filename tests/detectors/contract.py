"""What every method promises, as a class of tests that any method's own test class derives from.

A class that derives from ``ContractTests`` names a specification and gets all tests: scores have their form, the same
bits come out in any batch and after a reload, nothing is pickled, and damage is noticed.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from adtrack.config import DetectorSpec
from adtrack.detectors import DETECTORS
from adtrack.detectors.contract import Detector, Scores
from adtrack.detectors.scoring import image_scores
from adtrack.detectors.training import TrainingSet
from adtrack.errors import UserError
from adtrack.features.feature_set import FeatureSet
from adtrack.settings import plain_settings, settings

CPU = torch.device("cpu")
LAYERS = ("a", "b")  # those of the fixture ``synthetic``
Synthetic = Callable[..., FeatureSet]


def same_scores(one: Scores, other: Scores) -> bool:
    patches = (one.patches is None and other.patches is None) or np.array_equal(one.patches, other.patches)
    return np.array_equal(one.image, other.image) and patches


def same_state(one: Detector[Any], other: Detector[Any]) -> bool:
    mine, others = one.state(), other.state()
    return set(mine) == set(others) and all(torch.equal(mine[name], others[name]) for name in mine)


class ContractTests:
    """All that a method promises; ``spec`` is fitted to 6 synthetic images of the layers ``a`` and ``b``."""

    spec: DetectorSpec
    network: str = ""  # whose layers the images are
    strengths: tuple[float, ...] = (10.0, 100.0)  # of a defect, in spreads of the channels, each stranger than the last

    @property
    def kind(self) -> type[Detector[Any]]:
        return DETECTORS[self.spec.method]

    def images(self, synthetic: Synthetic, count: int = 6, seed: int = 0) -> FeatureSet:
        """So many images; the method is fitted to those of seed 0 and scores those of seed 1."""
        return synthetic(count, seed=seed)

    def fitted(self, synthetic: Synthetic, kept: Path) -> Detector[Any]:
        train = TrainingSet(self.images(synthetic), self.spec.inputs, kept, network=self.network)
        return self.kind.fit(train, self.spec).detector

    @pytest.fixture
    def detector(self, synthetic: Synthetic, tmp_path: Path) -> Detector[Any]:
        return self.fitted(synthetic, tmp_path / "kept")

    def batch(self, synthetic: Synthetic, count: int) -> dict[str, torch.Tensor]:
        return self.images(synthetic, count, 1).chunk(0, count, self.spec.inputs)

    def test_its_class_says_what_others_ask(self, detector: Detector[Any]) -> None:
        assert type(detector) is self.kind and self.kind.spec_type is type(self.spec) and detector.spec == self.spec
        assert self.kind.name and self.kind.rows_called and self.kind.smoothing >= 0
        assert self.spec.inputs and set(plain_settings(self.spec)) == {one.key for one in settings(self.spec)}
        for one in settings(self.spec):
            assert one.help and one.parse(one.text(getattr(self.spec, one.name))) == getattr(self.spec, one.name)
            for value in one.tries:
                one.check(one.label, value)

    def test_scores_have_their_form(self, detector: Detector[Any], synthetic: Synthetic) -> None:
        scores = detector.score(self.batch(synthetic, 3))
        assert scores.image.shape == (3,) and scores.image.dtype == np.float64
        assert np.isfinite(scores.image).all() and (scores.image >= 0).all()
        assert detector.rows > 0 and detector.megabytes > 0
        assert (scores.patches is not None) == (detector.grid is not None) == self.kind.has_maps
        if scores.patches is not None:
            assert scores.patches.ndim == 3 and len(scores.patches) == 3 and scores.patches.dtype == np.float32
            assert np.isfinite(scores.patches).all() and (scores.patches >= 0).all()

    def test_an_image_scores_the_same_bits_in_any_batch_and_order(
        self, detector: Detector[Any], synthetic: Synthetic
    ) -> None:
        outputs = self.batch(synthetic, 5)
        together = detector.score(outputs)

        def some(places: list[int]) -> Scores:
            return Scores(together.image[places], None if together.patches is None else together.patches[places])

        order = [3, 0, 4, 2, 1]
        assert same_scores(detector.score({name: output[order] for name, output in outputs.items()}), some(order))
        for at in range(5):
            alone = detector.score({name: output[at : at + 1].clone() for name, output in outputs.items()})
            assert same_scores(alone, some([at]))

    def test_images_scores_alone_have_the_same_bits(
        self, detector: Detector[Any], synthetic: Synthetic, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("ADTRACK_CACHE", str(tmp_path))
        found = image_scores(detector, self.images(synthetic, 5, 1), "Scoring").image
        assert found.dtype == np.float64 and np.array_equal(found, detector.score(self.batch(synthetic, 5)).image)

    def test_fitting_again_gives_the_same_bits_if_it_says_so(
        self, detector: Detector[Any], synthetic: Synthetic, tmp_path: Path
    ) -> None:
        again = self.fitted(synthetic, tmp_path / "others")
        assert same_state(again, detector) or not self.kind.repeatable
        assert same_scores(again.score(self.batch(synthetic, 4)), detector.score(self.batch(synthetic, 4))) or (
            not self.kind.repeatable
        )

    def test_what_is_strange_scores_higher_and_where_it_is(self, detector: Detector[Any], synthetic: Synthetic) -> None:
        outputs = self.batch(synthetic, 1)
        usual = detector.score(outputs)
        name = self.spec.inputs[0]
        for strength in self.strengths:
            strange = {key: output.clone() for key, output in outputs.items()}
            strange[name][0, :, 4, 1] += strength
            found = detector.score(strange)
            assert found.image[0] > usual.image[0]
            if found.patches is not None and detector.grid is not None:
                row, column = np.unravel_index(found.patches[0].argmax(), found.patches[0].shape)
                there = np.array([row, column]) * detector.grid.stride + detector.grid.offset
                at = self.images(synthetic, 1).grids[name].centres(5)
                assert np.abs(there - at[[4, 1]]).max() <= 16  # view pixels: patches hold their neighbours
            usual = found

    def test_its_graph_scores_as_it_does_or_it_refuses_with_a_sentence(
        self, detector: Detector[Any], synthetic: Synthetic
    ) -> None:
        outputs = self.batch(synthetic, 3)
        outputs[self.spec.inputs[0]][2] = 0.25  # a flat image
        scores, before = detector.score(outputs), dict(detector.state())
        try:
            graph = detector.graph().eval()
        except UserError as error:
            assert "standard operators" in str(error)
            return
        for at in range(3):
            one = {name: output[at : at + 1] for name, output in outputs.items()}
            with torch.no_grad():
                score, cells = graph(one)
            assert score.shape == (1,) and score.dtype == torch.float32
            np.testing.assert_allclose(score[0], scores.image[at], rtol=2e-5)
            assert (cells is None) == (scores.patches is None)
            if cells is not None and scores.patches is not None:
                assert cells.dtype == torch.float32
                np.testing.assert_allclose(cells[0], scores.patches[at], rtol=2e-5, atol=1e-6 * scores.patches.max())
        assert same_scores(detector.score(outputs), scores)
        assert all(torch.equal(detector.state()[name], tensor) for name, tensor in before.items())

    def test_a_saved_detector_is_the_same(self, detector: Detector[Any], synthetic: Synthetic, tmp_path: Path) -> None:
        outputs = self.batch(synthetic, 4)
        detector.save(tmp_path / "new" / "model")
        read = self.kind.load(tmp_path / "new" / "model", CPU)
        assert same_state(read, detector) and same_scores(read.score(outputs), detector.score(outputs))
        assert (read.spec, read.grid) == (detector.spec, detector.grid)
        assert (read.rows, read.megabytes) == (detector.rows, detector.megabytes)

    def test_nothing_on_disk_is_pickle_and_all_of_it_is_reproducible(
        self, detector: Detector[Any], tmp_path: Path
    ) -> None:
        detector.save(tmp_path / "one")
        self.kind.load(tmp_path / "one", CPU).save(tmp_path / "other")
        files = sorted(file.name for file in (tmp_path / "one").iterdir())
        assert {Path(name).suffix for name in files} == {".json", ".safetensors"} and "detector.json" in files
        for name in files:
            raw = (tmp_path / "one" / name).read_bytes()
            assert raw == (tmp_path / "other" / name).read_bytes()
            header = raw if name.endswith(".json") else raw[8 : 8 + int.from_bytes(raw[:8], "little")]
            assert isinstance(json.loads(header), dict)

    @pytest.mark.parametrize("content", [None, b"", b"\x80\x04garbage", b"{}", b"null", b"\xff" * 64])
    @pytest.mark.parametrize("suffix", [".json", ".safetensors"])
    def test_a_damaged_or_missing_file_is_refused(
        self, detector: Detector[Any], tmp_path: Path, suffix: str, content: bytes | None
    ) -> None:
        detector.save(tmp_path / "model")
        files = sorted((tmp_path / "model").glob(f"*{suffix}"))
        assert files
        for file in files:
            before = file.read_bytes()
            file.unlink()
            if content is not None:
                file.write_bytes(content)
            with pytest.raises(UserError, match="must"):
                self.kind.load(tmp_path / "model", CPU)
            file.write_bytes(before)

    def test_another_methods_description_is_refused(self, detector: Detector[Any], tmp_path: Path) -> None:
        detector.save(tmp_path)
        file = tmp_path / "detector.json"
        fields = json.loads(file.read_text())
        fields["spec"]["method"] = "magic"
        file.write_text(json.dumps(fields))
        with pytest.raises(UserError, match="method must be"):
            self.kind.load(tmp_path, CPU)
