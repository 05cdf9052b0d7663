"""What every detector promises: scores of the right form, the same bits in any batch and order and after a reload,
nothing pickled, damage noticed."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from adtrack.config import METHODS, DetectorSpec, PadimSpec, PatchCoreSpec
from adtrack.detectors.base import Detector, Scores
from adtrack.detectors.orders import OrderStore
from adtrack.detectors.scorer import DETECTORS
from adtrack.errors import UserError
from adtrack.features.feature_set import FeatureSet

CPU = torch.device("cpu")
LAYERS = ("a", "b")
SPECS: dict[str, DetectorSpec] = {
    "patchcore": PatchCoreSpec(LAYERS, coreset_fraction=0.25),
    "padim": PadimSpec(LAYERS, dimensions=7),
}
Synthetic = Callable[..., FeatureSet]


@pytest.fixture(params=sorted(DETECTORS))
def detector(request: pytest.FixtureRequest, synthetic: Synthetic, tmp_path: Path) -> Detector:
    """Each method in turn, fitted to 6 synthetic images."""
    spec = SPECS[request.param]
    return DETECTORS[request.param].fit(synthetic(), spec, OrderStore(tmp_path / "orders"))


def reloaded(detector: Detector, folder: Path) -> Detector:
    detector.save(folder)
    return type(detector).load(folder, CPU)


def same(one: Scores, other: Scores) -> bool:
    return np.array_equal(one.image, other.image) and np.array_equal(one.patches, other.patches)


def test_every_method_has_a_detector_and_a_test() -> None:
    assert set(METHODS) == set(DETECTORS) == set(SPECS)


def test_it_has_all_that_the_contract_names(detector: Detector) -> None:
    promised = {name for name in vars(Detector) if not name.startswith("_")} | set(Detector.__annotations__)
    needed = {"prepare", "fit", "score", "save", "load", "grid", "rows", "megabytes", "layers", "spec"}
    assert needed == promised and not [name for name in promised if not hasattr(detector, name)]
    assert detector.spec == SPECS[detector.spec.method] and detector.layers == LAYERS


def test_scores_have_their_form(detector: Detector, synthetic: Synthetic) -> None:
    features = synthetic(3, seed=1)
    scores = detector.score(features.chunk(0, 3, LAYERS))
    assert scores.image.shape == (3,) and scores.image.dtype == np.float64
    assert scores.patches.shape == (3, 6, 6) and scores.patches.dtype == np.float32
    assert np.isfinite(scores.image).all() and (scores.image > 0).all() and (scores.patches >= 0).all()
    assert detector.grid == features.grids["a"]  # the finest layer's
    assert detector.rows > 0 and detector.megabytes > 0


def test_an_image_scores_the_same_bits_in_any_batch_and_order(detector: Detector, synthetic: Synthetic) -> None:
    outputs = synthetic(5, seed=1).chunk(0, 5, LAYERS)
    together = detector.score(outputs)
    order = [3, 0, 4, 2, 1]
    assert same(
        detector.score({layer: output[order] for layer, output in outputs.items()}),
        Scores(together.image[order], together.patches[order]),
    )
    for at in range(5):
        alone = detector.score({layer: output[at : at + 1].clone() for layer, output in outputs.items()})
        assert same(alone, Scores(together.image[at : at + 1], together.patches[at : at + 1]))


def test_fitting_again_gives_the_same_bits(detector: Detector, synthetic: Synthetic, tmp_path: Path) -> None:
    again = type(detector).fit(synthetic(), detector.spec, OrderStore(tmp_path / "others"))
    outputs = synthetic(4, seed=1).chunk(0, 4, LAYERS)
    assert same(again.score(outputs), detector.score(outputs))


def test_what_is_strange_scores_higher_and_where_it_is(detector: Detector, synthetic: Synthetic) -> None:
    outputs = synthetic(1, seed=1).chunk(0, 1, LAYERS)
    usual = detector.score(outputs)
    for strength in (10.0, 100.0):
        strange = {layer: output.clone() for layer, output in outputs.items()}
        strange["a"][0, :, 4, 1] += strength
        found = detector.score(strange)
        assert found.image[0] > usual.image[0]
        row, column = np.unravel_index(found.patches[0].argmax(), (6, 6))
        assert abs(row - 4) <= 1 and abs(column - 1) <= 1  # PatchCore's patches hold their neighbours
        usual = found


def test_a_saved_detector_is_the_same(detector: Detector, synthetic: Synthetic, tmp_path: Path) -> None:
    outputs = synthetic(4, seed=1).chunk(0, 4, LAYERS)
    read = reloaded(detector, tmp_path / "new" / "model")
    assert same(read.score(outputs), detector.score(outputs))
    assert (read.spec, read.layers, read.grid) == (detector.spec, detector.layers, detector.grid)
    assert (read.rows, read.megabytes) == (detector.rows, detector.megabytes)


def test_nothing_on_disk_is_pickle_and_all_of_it_is_reproducible(detector: Detector, tmp_path: Path) -> None:
    reloaded(detector, tmp_path / "one").save(tmp_path / "other")
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
    detector: Detector, tmp_path: Path, suffix: str, content: bytes | None
) -> None:
    detector.save(tmp_path / "model")
    (file,) = (tmp_path / "model").glob(f"*{suffix}")
    file.unlink()
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(UserError, match="must"):
        type(detector).load(tmp_path / "model", CPU)


def test_another_methods_description_is_refused(detector: Detector, tmp_path: Path) -> None:
    detector.save(tmp_path)
    file = tmp_path / "detector.json"
    fields = json.loads(file.read_text())
    fields["spec"]["method"] = "magic"
    file.write_text(json.dumps(fields))
    with pytest.raises(UserError, match="method must be"):
        type(detector).load(tmp_path, CPU)
