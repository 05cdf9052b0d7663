"""PatchCore: equations 6 and 7 against a literal implementation, how a bank is built, what is kept on disk."""

import dataclasses
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from adtrack.detectors import patch_space, training_patches
from adtrack.detectors.bank import MemoryBank
from adtrack.detectors.coreset import greedy_order, projection_matrix
from adtrack.detectors.patchcore import PatchCore
from adtrack.detectors.patchcore_spec import PatchCoreSpec
from adtrack.detectors.training import TrainingSet
from adtrack.errors import UserError
from adtrack.features.feature_set import FeatureSet
from adtrack.features.grids import Grid
from adtrack.features.patches import merge_layers
from tests.detectors.fitting import fitted

CPU = torch.device("cpu")
GRID = {"a": Grid(0, 8)}
Synthetic = Callable[..., FeatureSet]


def spec(**fields: object) -> PatchCoreSpec:
    return PatchCoreSpec(**{"layers": ("a", "b"), "coreset_fraction": 0.25, **fields})


def literal(patches: np.ndarray, bank: np.ndarray, b: int) -> tuple[float, np.ndarray]:
    """Equations 6 and 7 as they are printed, for one image's patches (P, D), in float64; exp in decimals, which do not
    overflow."""
    distances = np.sqrt(((patches[:, None] - bank[None]) ** 2).sum(axis=2))
    nearest = distances.min(axis=1)
    p = int(nearest.argmax())
    m = int(distances[p].argmin())
    around = np.argsort(np.sqrt(((bank - bank[m]) ** 2).sum(axis=1)), kind="stable")[:b]
    total = sum(Decimal(float(distances[p, row])).exp() for row in around)
    weight = 1 - float(Decimal(float(distances[p, m])).exp() / total)
    return (weight if b > 1 else 1.0) * float(nearest[p]), nearest


def random_case(scale: float, dimensions: int = 12) -> tuple[Tensor, Tensor]:
    draws = torch.Generator().manual_seed(3)
    outputs = scale * torch.randn(5, dimensions, 4, 3, generator=draws)
    return outputs, scale * torch.randn(70, dimensions, generator=draws)


# Distances are about 3 scales: 0.3, 3, 90, 1000.
@pytest.mark.parametrize("scale", [0.1, 1.0, 30.0, 333.0])
@pytest.mark.parametrize("b", [1, 2, 9, 70, 500])
def test_scores_are_the_equations(scale: float, b: int) -> None:
    outputs, rows = random_case(scale)
    detector = PatchCore(spec(layers=("a",), patch_size=1, reweight_neighbours=b), MemoryBank(rows), GRID)
    scores = detector.score({"a": outputs})
    assert scores.image.dtype == np.float64 and scores.patches.dtype == np.float32
    assert scores.image.shape == (5,) and scores.patches.shape == (5, 4, 3)
    for image, patches in enumerate(outputs.permute(0, 2, 3, 1).reshape(5, 12, -1).double().numpy()):
        score, nearest = literal(patches, rows.double().numpy(), b)
        np.testing.assert_allclose(scores.patches[image].ravel(), nearest, rtol=1e-6)
        assert scores.image[image] == pytest.approx(score, rel=1e-6)


def literal_cosine(patches: np.ndarray, bank: np.ndarray, b: int) -> tuple[float, np.ndarray]:
    """The same of cosine distances, by the cosines themselves."""
    units, rows = (some / np.linalg.norm(some, axis=1, keepdims=True) for some in (patches, bank))
    distances, among = 1 - units @ rows.T, 1 - rows @ rows.T
    nearest = distances.min(axis=1)
    p = int(nearest.argmax())
    m = int(distances[p].argmin())
    total = np.exp(distances[p, np.argsort(among[m], kind="stable")[:b]]).sum()
    return (1 - np.exp(nearest[p]) / total if b > 1 else 1.0) * float(nearest[p]), nearest


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e6])
@pytest.mark.parametrize("b", [1, 9, 500])
def test_cosine_distances_leave_lengths_out(synthetic: Synthetic, tmp_path: Path, scale: float, b: int) -> None:
    of = spec(layers=("a",), patch_size=1, reweight_neighbours=b, distance="cosine")
    train, test = synthetic(6), scale * synthetic(4, seed=1).chunk(0, 4, ("a",))["a"]
    detector = fitted(train, of, tmp_path)
    np.testing.assert_allclose(detector.bank.patches.norm(dim=1), 1, rtol=1e-6)
    rows = all_patches(train, of)[greedy_order(detector_points(train, of), 54, seed=of.seed, projection=None)]
    scores = detector.score({"a": test})
    for image, patches in enumerate(test.permute(0, 2, 3, 1).reshape(4, 36, -1).double().numpy()):
        score, nearest = literal_cosine(patches, rows.double().numpy(), b)
        np.testing.assert_allclose(scores.patches[image].ravel(), nearest, atol=1e-6)
        assert scores.image[image] == pytest.approx(score, abs=1e-6)
        mean = fitted(train, dataclasses.replace(of, score_top=0.1), tmp_path).score({"a": test}).image[image]
        assert mean == pytest.approx(np.sort(nearest)[-4:].mean(), abs=1e-6)


def detector_points(features: FeatureSet, of: PatchCoreSpec) -> Tensor:
    """The patches as the greedy order compares them: at length 1."""
    return torch.nn.functional.normalize(all_patches(features, of).double(), dim=1).float()


def test_patches_of_zeros_are_alike_and_far_from_others(synthetic: Synthetic, tmp_path: Path) -> None:
    of = spec(layers=("a",), patch_size=1, reweight_neighbours=1, distance="cosine")
    detector = fitted(synthetic(), of, tmp_path)
    output = synthetic(2).chunk(0, 2, ("a",))["a"]
    output[0, :, 2, 3] = 0
    scores = detector.score({"a": output})
    assert scores.patches[0, 2, 3] == pytest.approx(0.5, abs=1e-6)
    dark = PatchCore(of, MemoryBank(torch.cat([detector.bank.patches, torch.zeros(1, 5)])), detector.space.grids)
    assert dark.score({"a": output}).patches[0, 2, 3] == 0


@pytest.mark.parametrize("scale", [0.01, 1.0, 300.0])
@pytest.mark.parametrize("b", [2, 3, 9])
def test_the_weight_is_bounded(scale: float, b: int) -> None:
    outputs, rows = random_case(scale)
    detector = PatchCore(spec(layers=("a",), patch_size=1, reweight_neighbours=b), MemoryBank(rows), GRID)
    scores = detector.score({"a": outputs})
    ratio = scores.image / scores.patches.max(axis=(1, 2))
    # m* is the nearest row, so its exponential is the smallest of the b.
    assert (ratio >= 1 - 1 / b - 1e-9).all() and (ratio <= 1).all()


def test_one_neighbour_means_the_plain_maximum() -> None:
    outputs, rows = random_case(1.0)
    scores = PatchCore(spec(layers=("a",), patch_size=1, reweight_neighbours=1), MemoryBank(rows), GRID).score(
        {"a": outputs}
    )
    np.testing.assert_array_equal(scores.image, scores.patches.max(axis=(1, 2)))


@pytest.mark.parametrize("b", [1, 9])
def test_an_image_of_bank_patches_scores_zero(b: int) -> None:
    _, rows = random_case(1.0)
    known = rows[:12].T.reshape(1, 12, 4, 3)
    twins = MemoryBank(rows[:1].repeat(9, 1))
    assert PatchCore(spec(layers=("a",), patch_size=1, reweight_neighbours=b), MemoryBank(rows), GRID).score(
        {"a": known}
    ).image.tolist() == [0]
    constant = rows[:1].T.reshape(1, 12, 1, 1).expand(1, 12, 4, 3)
    scores = PatchCore(spec(layers=("a",), patch_size=1, reweight_neighbours=b), twins, GRID).score({"a": constant})
    assert scores.image.tolist() == [0] and not scores.patches.any()


@pytest.mark.parametrize("scale", [1.0, 300.0])
def test_a_batch_has_the_bits_of_its_images(synthetic: Synthetic, tmp_path: Path, scale: float) -> None:
    detector = fitted(synthetic(scale=scale), spec(), tmp_path)
    test = synthetic(9, seed=1, scale=scale)
    whole = detector.score(test.chunk(0, 9, ("a", "b")))
    for at in range(9):
        one = detector.score(test.chunk(at, at + 1, ("a", "b")))
        assert one.image[0] == whole.image[at] and np.array_equal(one.patches[0], whole.patches[at])
    again = detector.score({name: layer.flip(0) for name, layer in test.chunk(0, 9, ("a", "b")).items()})
    np.testing.assert_array_equal(again.image[::-1], whole.image)


def all_patches(features: FeatureSet, of: PatchCoreSpec) -> Tensor:
    merged = merge_layers(features.chunk(0, len(features), of.layers), of.layers, features.grids, of.patch_size)
    return merged.flatten(0, 2)


@pytest.mark.parametrize("fraction", [0.02, 0.25, 0.99])
@pytest.mark.parametrize("layers", [("a", "b"), ("b", "a"), ("b",)])
def test_the_bank_is_the_greedy_order_of_the_patches(
    synthetic: Synthetic, tmp_path: Path, fraction: float, layers: tuple[str, ...]
) -> None:
    features = synthetic(8)
    of = spec(coreset_fraction=fraction, projection=None, layers=layers)
    patches = all_patches(features, of)
    count = round(fraction * len(patches))
    order = greedy_order(patches, count, seed=of.seed, projection=None)
    detector = fitted(features, of, tmp_path)
    assert detector.rows == count and detector.bank.patches.equal(patches[order])
    assert detector.grid == features.grids["a" if "a" in layers else "b"]
    assert detector.megabytes == pytest.approx(count * patches.shape[1] * 4 / 1e6)


def test_a_bank_of_all_patches_needs_no_order(
    synthetic: Synthetic, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    features, of = synthetic(8), spec(coreset_fraction=1.0)
    some, everything = (
        built.detector.bank.patches
        for built in PatchCore.climb(TrainingSet(features, of.inputs, tmp_path / "orders"), [spec(), of])
    )
    patches = all_patches(features, of)
    assert some.equal(fitted(features, spec(), tmp_path).bank.patches) and everything.equal(patches)
    drawn = PatchCore.fit(TrainingSet(features, of.inputs, tmp_path, originals=2), of).detector
    assert drawn.bank.patches.equal(patches[greedy_order(patches, 72, seed=of.seed, projection=None)])

    def none(*_: object, **__: object) -> None:
        raise AssertionError("an order is found")

    monkeypatch.setattr(training_patches, "growing_greedy_order", none)
    detector = fitted(features, of, tmp_path / "new")
    assert detector.bank.patches.equal(patches) and detector.origins.tolist() == [at // 36 for at in range(288)]


def test_the_order_is_found_in_projected_features_and_the_bank_holds_whole_ones(
    synthetic: Synthetic, tmp_path: Path
) -> None:
    features, of = synthetic(8), spec(projection=4)
    patches = all_patches(features, of)
    matrix = projection_matrix(12, 4, of.seed)
    projected = torch.cat([part @ matrix for part in patches.split(36)])  # image by image, as the features come
    order = greedy_order(projected, 72, seed=of.seed, projection=None)
    detector = fitted(features, of, tmp_path)
    assert detector.bank.patches.equal(patches[order]) and detector.bank.patches.shape == (72, 12)


def test_two_fits_are_bit_equal_and_another_seed_is_not(synthetic: Synthetic, tmp_path: Path) -> None:
    first, again, other = (
        fitted(synthetic(), spec(projection=4, seed=seed), tmp_path / name).bank.patches
        for name, seed in (("first", 1), ("again", 1), ("other", 2))
    )
    assert first.equal(again) and not first.equal(other)


def test_a_kept_order_gives_the_same_bank(synthetic: Synthetic, tmp_path: Path) -> None:
    """In any sequence of fractions: read whole, cut, or continued."""
    features = synthetic(12)
    fresh = {
        fraction: fitted(features, spec(coreset_fraction=fraction), tmp_path / str(fraction))
        for fraction in (0.05, 0.3, 0.6)
    }
    shared = tmp_path / "shared"
    for fraction in (0.3, 0.3, 0.05, 0.6, 0.3):
        detector = fitted(features, spec(coreset_fraction=fraction), shared)
        assert detector.bank.patches.equal(fresh[fraction].bank.patches)
    assert len(list((tmp_path / "shared").glob("orders/*.safetensors"))) == 1


def test_whatever_changes_the_order_has_an_order_of_its_own(synthetic: Synthetic, tmp_path: Path) -> None:
    store = tmp_path
    for of in (
        spec(),
        spec(patch_size=1),
        spec(layers=("a",)),
        spec(projection=4),
        spec(projection=None),
        spec(seed=1),
        spec(distance="cosine"),
        spec(stride=2),
    ):
        fresh = fitted(synthetic(), of, tmp_path / "fresh" / of.title / str(hash(of)))
        assert fitted(synthetic(), of, store).bank.patches.equal(fresh.bank.patches)
    fitted(synthetic(seed=1), spec(), store)
    assert len(list(tmp_path.glob("orders/*.safetensors"))) == 9
    fitted(synthetic(), spec(reweight_neighbours=1, coreset_fraction=0.1), store)  # these two do not
    assert len(list(tmp_path.glob("orders/*.safetensors"))) == 9


def test_a_fraction_that_selects_no_patch_is_refused(synthetic: Synthetic, tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"at least one patch, but 0\.001 of 216 patches is 0\. Hint: 0\.0046 keeps one"
    ):
        fitted(synthetic(), spec(coreset_fraction=0.001), tmp_path)


@pytest.mark.parametrize("of", [spec(), spec(distance="cosine", stride=2)], ids=["usual", "cosine"])
def test_a_saved_detector_scores_the_same(synthetic: Synthetic, tmp_path: Path, of: PatchCoreSpec) -> None:
    detector = fitted(synthetic(), of, tmp_path / "orders")
    detector.save(tmp_path / "model")
    read = PatchCore.load(tmp_path / "model", CPU)
    assert read.spec == detector.spec and read.space == detector.space and read.spec.layers == ("a", "b")
    outputs = synthetic(4, seed=1).chunk(0, 4, ("a", "b"))
    one, other = read.score(outputs), detector.score(outputs)
    assert np.array_equal(one.image, other.image) and np.array_equal(one.patches, other.patches)
    assert {file.suffix for file in (tmp_path / "model").iterdir()} == {".json", ".safetensors"}


def damaged(change: Callable[[dict], object]) -> str:
    of = dataclasses.asdict(spec())
    fields = {"spec": of, "grids": {"a": {"offset": 0, "stride": 8}, "b": {"offset": 0, "stride": 16}}}
    change(fields)
    return json.dumps(fields)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[1, 2]",
        "null",
        damaged(lambda fields: fields.pop("grids")),
        damaged(lambda fields: fields["grids"].pop("b")),
        damaged(lambda fields: fields["grids"].update(a=None)),
        damaged(lambda fields: fields["grids"]["a"].update(offset=float("nan"))),
        damaged(lambda fields: fields["grids"]["a"].update(stride=float("inf"))),
        damaged(lambda fields: fields["grids"]["a"].update(stride=0)),
        damaged(lambda fields: fields["grids"]["a"].update(offset=10**400)),
        pytest.param('{"spec":' + "[" * 10**5, id="deep"),
        damaged(lambda fields: fields["spec"].update(patch_size=2)),
        damaged(lambda fields: fields["spec"].update(distance="manhattan")),
        damaged(lambda fields: fields["spec"].update(unheard_of=1)),
        damaged(lambda fields: fields["spec"].update(coreset_fraction="half")),
    ],
)
def test_a_damaged_specification_is_refused(synthetic: Synthetic, tmp_path: Path, text: str) -> None:
    fitted(synthetic(), spec(), tmp_path / "orders").save(tmp_path)
    assert PatchCore.load(tmp_path, CPU).rows == 54
    (tmp_path / "detector.json").write_text(text)
    with pytest.raises(UserError, match=r"detector must have a readable detector\.json"):
        PatchCore.load(tmp_path, CPU)


def test_a_missing_bank_is_refused(synthetic: Synthetic, tmp_path: Path) -> None:
    fitted(synthetic(), spec(), tmp_path / "orders").save(tmp_path)
    (tmp_path / "bank.safetensors").unlink()
    with pytest.raises(UserError, match="bank"):
        PatchCore.load(tmp_path, CPU)


def test_an_order_of_patches_that_were_made_otherwise_is_not_taken(
    synthetic: Synthetic, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The features on disk are the same, but another adtrack may make other patches of them."""
    store = tmp_path
    fitted(synthetic(), spec(), store)
    with monkeypatch.context() as patch:
        patch.setattr(patch_space, "merge_layers", lambda *arguments: merge_layers(*arguments).square())
        found = fitted(synthetic(), spec(), store).bank.patches
        assert found.equal(fitted(synthetic(), spec(), tmp_path / "fresh").bank.patches)
    assert len(list(tmp_path.glob("orders/*.safetensors"))) == 2


@pytest.mark.parametrize("place", [-1, 10**6])
def test_an_order_of_patches_that_there_are_not_is_refused(
    synthetic: Synthetic, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: int
) -> None:
    """Their rows of the bank would be what the memory held before."""
    monkeypatch.setattr(
        training_patches,
        "growing_greedy_order",
        lambda points, count, **_: iter([torch.tensor([*range(count - 1), place])]),
    )
    with pytest.raises(UserError, match="must name some of the 216 patches, but 1 of its 54 entries name none of them"):
        fitted(synthetic(), spec(), tmp_path)
