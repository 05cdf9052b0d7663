"""The manifest of a saved model: whatever is done to a file of it, nothing scores silently."""

import itertools
import json
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from adtrack.config import BackboneSpec, ImageSpec
from adtrack.detectors.bank import MemoryBank
from adtrack.detectors.calibration import Calibration, ColourRange
from adtrack.detectors.patchcore import PatchCore
from adtrack.detectors.patchcore_spec import PatchCoreSpec
from adtrack.detectors.scorer import Scorer
from adtrack.detectors.seal import FILE, check_seal, require_all, require_seal, seal, sha256_of
from adtrack.errors import UserError
from adtrack.features.backbone import Backbone
from adtrack.features.weights import load_trunk

CPU = torch.device("cpu")
FILES = ("bank.safetensors", "detector.json", "scorer.json", "trunk.safetensors")


def no_fetch(run_id: str, path: str) -> str:
    raise AssertionError(path)


@pytest.fixture(scope="module")
def scorer() -> Scorer:
    backbone = Backbone(load_trunk(BackboneSpec("resnet18", "random"), ("layer1",), "demo"), ("layer1",), CPU)
    patches = torch.rand(40, 64, generator=torch.Generator().manual_seed(0))
    detector = PatchCore(PatchCoreSpec(layers=("layer1",)), MemoryBank(patches), backbone.grids)
    return Scorer(backbone, detector, ImageSpec(32, 0), Calibration(2.5, ColourRange(0.1, 3.0)), {})


@pytest.fixture
def folder(scorer: Scorer, tmp_path: Path) -> Path:
    scorer.save(tmp_path / "bank", with_trunk=True)
    return tmp_path / "bank"


def load(folder: Path) -> Scorer:
    return Scorer.load(folder, CPU, no_fetch)


def flipped(content: bytes, place: int, bit: int) -> bytes:
    return content[:place] + bytes([content[place] ^ 1 << bit]) + content[place + 1 :]


@pytest.mark.parametrize("name", FILES)
def test_a_flipped_bit_in_any_part_of_any_file_is_named(folder: Path, name: str) -> None:
    """Length, header and numbers of tensors; names, numbers and signs of JSON."""
    content, draws = (folder / name).read_bytes(), np.random.default_rng(0)
    tensors = name.endswith(".safetensors")
    ends = [0, 8, 8 + struct.unpack("<Q", content[:8])[0], len(content)] if tensors else [0, len(content)]
    for start, end in itertools.pairwise(ends):
        for place in draws.integers(start, end, 5 if tensors else 15):
            (folder / name).write_bytes(flipped(content, int(place), int(draws.integers(8))))
            with pytest.raises(UserError, match=rf"files must be as they were logged, but {name} in .* has SHA-256"):
                load(folder)
    (folder / name).write_bytes(content)
    assert load(folder).calibration.threshold == 2.5


def test_a_flipped_bit_in_the_manifest_is_never_passed_over(folder: Path) -> None:
    content, draws = (folder / FILE).read_bytes(), np.random.default_rng(0)
    digest = sha256_of(folder / FILE)
    for place in draws.integers(0, len(content), 30):
        (folder / FILE).write_bytes(flipped(content, int(place), int(draws.integers(8))))
        with pytest.raises(UserError, match="that the store keeps"):
            require_seal(folder, digest)
        try:
            assert load(folder).calibration.threshold == 2.5  # a blank more, where JSON allows one
        except UserError as error:
            assert "manifest" in str(error) or "as they were logged" in str(error)


def edit(folder: Path, change: Callable[[dict], object], name: str = "scorer.json") -> None:
    text = json.loads((folder / name).read_text())
    change(text)
    (folder / name).write_text(json.dumps(text))


def test_a_threshold_that_was_edited_is_refused_with_what_to_do(folder: Path) -> None:
    edit(folder, lambda text: text["calibration"].update(threshold=1e6))
    with pytest.raises(UserError, match=r"but scorer\.json in .* Hint: bring .* back .* adtrack rollback"):
        load(folder)


def test_manifest_and_file_that_were_edited_together_are_found_by_the_manifests_digest(folder: Path) -> None:
    digest = sha256_of(folder / FILE)
    require_seal(folder, digest)
    edit(folder, lambda text: text["calibration"].update(threshold=1e6))
    seal(folder)
    assert load(folder).calibration.threshold == 1e6
    with pytest.raises(UserError, match=rf"SHA-256 that the store keeps, {digest[:12]}…, but that in .* has"):
        require_seal(folder, digest)


def test_files_that_are_gone_or_were_added_are_named(folder: Path) -> None:
    require_all(folder)
    (folder / "trunk.safetensors").rename(folder / "more.safetensors")
    with pytest.raises(UserError, match=r"but more\.safetensors in .* and its manifest says none"):
        load(folder)
    (folder / "more.safetensors").unlink()
    with pytest.raises(UserError, match=r"must have all of its files, but .* has no trunk\.safetensors"):
        require_all(folder)
    (folder / FILE).unlink()
    with pytest.raises(UserError, match=r"must have the manifest\.json that it was saved with, but .* has none"):
        load(folder)
    with pytest.raises(UserError, match="has no such file"):
        require_seal(folder, "0" * 64)


def test_a_model_of_an_earlier_version_has_no_manifest_and_the_same_bits(folder: Path, scorer: Scorer) -> None:
    edit(folder, lambda text: text.pop("sealed"))
    (folder / FILE).unlink()
    assert not check_seal(folder)
    require_all(folder)
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    assert load(folder).judge(image).score == scorer.judge(image).score


@pytest.mark.parametrize("text", ["", "[]", "null", "{", '{"../../x": "0"}', '{"scorer.json": 1}', "[" * 100_000])
def test_a_manifest_that_is_none_is_refused(folder: Path, text: str) -> None:
    (folder / FILE).write_text(text)
    with pytest.raises(UserError, match=r"a model must have a readable manifest\.json"):
        load(folder)
