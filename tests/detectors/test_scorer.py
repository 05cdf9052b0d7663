"""A bank ready for use: saved and loaded with and without its trunk, without pickle, the same judgements to the bit."""

import dataclasses
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from adtrack.config import BackboneSpec, ImageSpec, Normalisation
from adtrack.data.imageset import image_set
from adtrack.data.reading import STORED, Reading
from adtrack.data.splits import Splits
from adtrack.detectors.calibration import Calibration, ColourRange, GoodScores
from adtrack.detectors.maps import anomaly_map
from adtrack.detectors.patchcore_spec import PatchCoreSpec
from adtrack.detectors.scorer import Scorer, read_scorer
from adtrack.detectors.seal import seal
from adtrack.errors import UserError
from adtrack.features.backbone import Backbone
from adtrack.features.store import FeatureStore
from adtrack.features.weights import Trunk, keep_trunk, load_trunk
from tests.detectors.fitting import fitted

CPU = torch.device("cpu")
VIEW = ImageSpec(72, 64)
LAYERS = ("layer1", "layer2")


@pytest.fixture(scope="module")
def scorer(tiny_splits: Splits, tiny_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Scorer:
    folder = tmp_path_factory.mktemp("caches")
    backbone = Backbone(load_trunk(BackboneSpec("resnet18", "random", 1), LAYERS, "demo"), LAYERS, CPU)
    images = image_set(tiny_splits, tiny_data, "train", "clean")
    features = FeatureStore(folder / "features").features(images, backbone, VIEW)
    detector = fitted(features, PatchCoreSpec(LAYERS), folder / "orders")
    calibration = Calibration(2.5, ColourRange(0.25, 4.0))
    return Scorer(backbone, detector, VIEW, calibration, {"class": "part", "trunk_run": "r" * 32})


@pytest.fixture
def picture(tiny_data: Path) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (50, 70, 3), dtype=np.uint8)


def no_fetch(run: str, path: str) -> str:
    raise AssertionError(f"fetched {path} of {run}")


def same_judgement(one: Scorer, other: Scorer, picture: np.ndarray) -> bool:
    a, b = one.judge(picture), other.judge(picture)
    return (a.score, a.threshold, a.anomalous) == (b.score, b.threshold, b.anomalous) and np.array_equal(
        one.map(a, 50, 70), other.map(b, 50, 70), equal_nan=True
    )


def test_a_judgement_is_score_threshold_and_map(scorer: Scorer, picture: np.ndarray) -> None:
    judgement = scorer.judge(picture)
    assert judgement.threshold == 2.5 and judgement.anomalous is (judgement.score >= 2.5)
    assert judgement.patches.shape == (16, 16)
    result = scorer.map(judgement, 50, 70)
    expected = anomaly_map(judgement.patches, scorer.detector.grid, VIEW, 50, 70)
    assert result.shape == (50, 70) and np.isnan(result[0, 0])
    np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize("away", [0.0, -1e-9, 1e-9])
def test_an_alarm_is_a_score_at_or_above_the_threshold(scorer: Scorer, picture: np.ndarray, away: float) -> None:
    threshold = scorer.judge(picture).score * (1 + away)
    strict = Scorer(scorer.backbone, scorer.detector, VIEW, Calibration(threshold, ColourRange(0.0, 1.0)), {})
    assert strict.judge(picture).anomalous is (away <= 0)


def test_several_images_at_once_are_judged_as_one_after_the_other(scorer: Scorer) -> None:
    """As a server does, whose threads share the scorer."""
    draws = np.random.default_rng(1)
    pictures = [draws.integers(0, 256, (50, 70, 3), dtype=np.uint8) for _ in range(12)]
    alone = [scorer.detector.score(scorer.outputs(picture)) for picture in pictures]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(scorer.judge, pictures))
    for scores, judgement in zip(alone, together, strict=True):
        assert judgement.score == scores.image[0] and np.array_equal(judgement.patches, scores.patches[0])


def test_a_whole_model_judges_the_same(scorer: Scorer, picture: np.ndarray, tmp_path: Path, own_cache: Path) -> None:
    scorer.save(tmp_path / "model", with_trunk=True)
    read = Scorer.load(tmp_path / "model", CPU, no_fetch)
    assert same_judgement(read, scorer, picture)
    assert read.facts == scorer.facts and read.calibration == scorer.calibration and read.image == scorer.image
    assert read.backbone.trunk.sha256 == scorer.backbone.trunk.sha256
    assert read.backbone.trunk.origin == "random (seed 1)"


def test_a_model_without_its_trunk_finds_it_in_the_cache_or_on_the_run(
    scorer: Scorer, picture: np.ndarray, tmp_path: Path
) -> None:
    scorer.save(tmp_path / "model", with_trunk=False)
    assert not (tmp_path / "model" / "trunk.safetensors").exists()
    asked = []

    def fetch(run: str, path: str) -> str:
        asked.append((run, path))
        scorer.backbone.trunk.save(tmp_path / "fetched.safetensors")
        return str(tmp_path / "fetched.safetensors")

    assert same_judgement(Scorer.load(tmp_path / "model", CPU, fetch), scorer, picture)
    assert asked == [("r" * 32, f"trunk/{scorer.backbone.trunk.sha256}.safetensors")]
    keep_trunk(scorer.backbone.trunk)
    assert same_judgement(Scorer.load(tmp_path / "model", CPU, no_fetch), scorer, picture)


def test_a_trunk_that_cannot_be_had_is_named(scorer: Scorer, tmp_path: Path) -> None:
    scorer.save(tmp_path, with_trunk=False)

    def fetch(run: str, path: str) -> str:
        raise OSError("no such run")

    with pytest.raises(UserError, match=r"needs its study's trunk.*neither in the cache nor on its run"):
        Scorer.load(tmp_path, CPU, fetch)


def test_another_trunk_is_refused(scorer: Scorer, tmp_path: Path) -> None:
    scorer.save(tmp_path, with_trunk=True)
    other = load_trunk(BackboneSpec("resnet18", "random", 2), LAYERS, "demo")
    other.save(tmp_path / "trunk.safetensors")
    seal(tmp_path)
    with pytest.raises(UserError, match="trunk must have SHA-256"):
        Scorer.load(tmp_path, CPU, no_fetch)
    tensors = dict(scorer.backbone.trunk.tensors)
    tensors["conv1.weight"] = tensors["conv1.weight"] + 1e-6  # nearly the same
    Trunk("resnet18", tensors, "").save(tmp_path / "trunk.safetensors")
    seal(tmp_path)
    with pytest.raises(UserError, match="trunk must have SHA-256"):
        Scorer.load(tmp_path, CPU, no_fetch)


def test_a_model_reads_files_as_its_own_images_were_read(scorer: Scorer, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.array([[0, 4095]], np.uint16)).save(tmp_path / "a.png", exif=exif)
    parts = scorer.backbone, scorer.detector, VIEW, Calibration(2.5, ColourRange(0.0, 1.0)), {}
    Scorer(*parts, Reading(12)).save(tmp_path / "model", with_trunk=True)
    read = Scorer.load(tmp_path / "model", CPU, no_fetch)
    assert read.reading == Reading(12) and read.read(tmp_path / "a.png")[..., 0].tolist() == [[0], [255]]
    # Models of before did not say how: their images lay as they are stored, and 16 bits were all used.
    change(tmp_path / "model", lambda text: (text.update(format=2), text.pop("reading")))
    before = Scorer.load(tmp_path / "model", CPU, no_fetch)
    assert before.reading == STORED and before.read(tmp_path / "a.png")[..., 0].tolist() == [[0, 16]]


def test_a_model_keeps_good_scores_and_one_of_before_has_none(
    scorer: Scorer, picture: np.ndarray, tmp_path: Path
) -> None:
    scorer.save(tmp_path / "before", with_trunk=True)
    assert "good" not in json.loads((tmp_path / "before" / "scorer.json").read_text())
    assert Scorer.load(tmp_path / "before", CPU, no_fetch).calibration.good is None
    good = GoodScores.of(0.5, {"val_clean": [1.0, 2.0]})
    kept = dataclasses.replace(scorer, calibration=dataclasses.replace(scorer.calibration, good=good))
    kept.save(tmp_path / "kept", with_trunk=True)
    read = Scorer.load(tmp_path / "kept", CPU, no_fetch)
    assert read.calibration == kept.calibration and same_judgement(read, scorer, picture)


def test_a_model_normalises_views_as_its_own_were(scorer: Scorer, picture: np.ndarray, tmp_path: Path) -> None:
    scorer.save(tmp_path / "imagenet", with_trunk=True)
    assert read_scorer(tmp_path / "imagenet")["image"] == {"resize": 72, "crop": 64}  # as models of before have it
    usual = ImageSpec(72, 64, Normalisation(), interpolation="bilinear")
    assert Scorer.load(tmp_path / "imagenet", CPU, no_fetch).image == usual
    view = ImageSpec(72, 64, Normalisation((0.5, 0.5, 0.5), (0.25, 0.25, 0.25)))
    other = Scorer(scorer.backbone, scorer.detector, view, scorer.calibration, {})
    other.save(tmp_path / "other", with_trunk=True)
    read = Scorer.load(tmp_path / "other", CPU, no_fetch)
    assert read.image == other.image and same_judgement(read, other, picture)
    assert read.judge(picture).score != scorer.judge(picture).score


def test_nothing_in_a_model_is_pickle(scorer: Scorer, tmp_path: Path) -> None:
    scorer.save(tmp_path, with_trunk=True)
    files = {file.name for file in tmp_path.rglob("*")}
    assert files == {"scorer.json", "detector.json", "bank.safetensors", "trunk.safetensors", "manifest.json"}
    for file in tmp_path.glob("*.json"):
        json.loads(file.read_text(encoding="utf-8"))
    for file in tmp_path.glob("*.safetensors"):  # eight bytes of length, then a header in JSON
        raw = file.read_bytes()
        assert json.loads(raw[8 : 8 + int.from_bytes(raw[:8], "little")])


def test_two_saves_are_the_same_bytes(scorer: Scorer, tmp_path: Path) -> None:
    for name in ("one", "other"):
        scorer.save(tmp_path / name, with_trunk=True)
    for file in (tmp_path / "one").iterdir():
        assert file.read_bytes() == (tmp_path / "other" / file.name).read_bytes()


def change(folder: Path, edit: Callable[[dict], object]) -> None:
    text = json.loads((folder / "scorer.json").read_text())
    edit(text)
    (folder / "scorer.json").write_text(json.dumps(text))
    seal(folder)  # what is read must be right by itself too: whoever makes such files can make their manifest


@pytest.mark.parametrize(
    "edit",
    [
        lambda text: text.pop("format"),
        lambda text: text.pop("trunk"),
        lambda text: text["trunk"].pop("sha256"),
        lambda text: text.update(image={"resize": 64, "crop": 65}),
        lambda text: text.update(image={"side": 64}),
        lambda text: text.update(image={"resize": 10**6, "crop": 64}),
        lambda text: text["image"].update(normalisation={"mean": [0, 0, 0], "std": [1, 1, 0]}),
        lambda text: text["image"].update(normalisation={"mean": 0}),
        lambda text: text["image"].update(normalisation=[1]),
        lambda text: text["image"].update(normalisation=None),
        lambda text: text["calibration"].update(threshold="2.5"),
        lambda text: text["calibration"].update(threshold=float("nan")),
        lambda text: text["calibration"].update(threshold=None),
        lambda text: text["calibration"].update(unheard_of=1.0),
        lambda text: text["calibration"].pop("colour_low"),
        lambda text: text.update(good={"margin": 1.0, "scores": {"val_clean": [1.0, None]}}),
        lambda text: text.update(good="none"),
        lambda text: text.pop("reading"),
        lambda text: text["reading"].update(bits=99),
        lambda text: text["reading"].update(upright="yes"),
    ],
)
def test_a_damaged_description_is_refused(scorer: Scorer, tmp_path: Path, edit: Callable[[dict], object]) -> None:
    scorer.save(tmp_path, with_trunk=True)
    change(tmp_path, edit)
    with pytest.raises(UserError, match=r"must have a readable scorer\.json"):
        Scorer.load(tmp_path, CPU, no_fetch)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"null", b"\xff\xfe", pytest.param(b"[" * 10**5, id="deep"), None]
)
def test_an_unreadable_description_is_refused(scorer: Scorer, tmp_path: Path, content: bytes | None) -> None:
    scorer.save(tmp_path, with_trunk=True)
    if content is None:
        (tmp_path / "scorer.json").unlink()
    else:
        (tmp_path / "scorer.json").write_bytes(content)
    with pytest.raises(UserError, match=r"must have a readable scorer\.json"):
        read_scorer(tmp_path)


@pytest.mark.parametrize(
    "edit",
    [
        lambda text: text.update(format=4),
        lambda text: text.update(format=1),
        lambda text: text.update(method="magic"),
        lambda text: text.update(method=["patchcore"]),
        lambda text: text["trunk"].update(sha256=7),
        lambda text: text.update(facts=[]),
    ],
)
def test_another_format_is_refused(scorer: Scorer, tmp_path: Path, edit: Callable[[dict], object]) -> None:
    scorer.save(tmp_path, with_trunk=True)
    change(tmp_path, edit)
    with pytest.raises(UserError, match=r"format 3 and a known method.*an older or a newer adtrack"):
        read_scorer(tmp_path)


def test_a_trunk_named_by_a_path_is_refused(scorer: Scorer, tmp_path: Path) -> None:
    scorer.save(tmp_path, with_trunk=False)
    change(tmp_path, lambda text: text["trunk"].update(sha256="../../../secret"))
    with pytest.raises(UserError, match="must be named by a SHA-256"):
        Scorer.load(tmp_path, CPU, no_fetch)
