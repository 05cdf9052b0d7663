"""The space of a method: its default values, what a user changes of them, and its cells."""

import json
from dataclasses import KW_ONLY, dataclass

import pytest

from adtrack.config import VIEW, LayersSpec, canonical
from adtrack.detectors import DETECTORS
from adtrack.detectors.padim import PadimSpec
from adtrack.detectors.patchcore_spec import PatchCoreSpec
from adtrack.errors import UserError
from adtrack.settings import NUMBER, SWITCH, WHOLE_OR_NONE, setting, within
from adtrack.tuning.space import Space
from tests.tuning.spaces import PLAIN

SMALL = Space.of(
    PatchCoreSpec, {**PLAIN, "patch_size": "1,3", "layers": "layer2,layer2+layer3", "coreset_fraction": "0.1,0.25"}
)


@dataclass(frozen=True)
class TrainedSpec(LayersSpec):
    """A method with settings of every kind, of which it refuses some combinations."""

    rate: float = setting(0.1, NUMBER, "", within(0, 1), tries=(0.1, 0.01))
    views: bool = setting(False, SWITCH, "", key="see_views")
    depth: int | None = setting(None, WHOLE_OR_NONE, "")
    _: KW_ONLY
    method: str = "trained"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.views and self.depth is None:
            raise UserError("a method that sees views must have a depth.")

    @property
    def inputs(self) -> tuple[str, ...]:
        return (*self.layers, VIEW) if self.views else self.layers


def test_the_default_space_of_patchcore_is_the_promised_one():
    space = Space.of(PatchCoreSpec)
    assert space.values == {
        "smooth": (0.0, 1.0),
        "augment": (0, 3),
        "standardise": (0.0, 1.0),
        "score_top": (0.0, 0.01, 0.04),
        "patch_size": (1, 3, 5, 7),
        "layers": ("layer2", "layer2+layer3", "layer3"),
        "coreset_fraction": (0.01, 0.025, 0.05, 0.1),
    }
    assert list(space.values)[-3:] == ["patch_size", "layers", "coreset_fraction"]  # a grid search varies these first
    assert len(space.cells()) == 2 * 2 * 2 * 3 * 4 * 3 * 4
    assert space.all_inputs(PatchCoreSpec()) == ("layer2", "layer3")


def test_recipes_are_cells_as_far_as_the_space_holds_them() -> None:
    usual, built = Space.of(PatchCoreSpec).recipes(PatchCoreSpec())
    assert usual == {**dict.fromkeys(("smooth", "augment", "standardise", "score_top"), 0)} | {
        "patch_size": 3,
        "layers": "layer2+layer3",
        "coreset_fraction": 0.1,
    }
    assert built == usual | dict(PatchCoreSpec.recipes[-1])
    few = Space.of(PatchCoreSpec, {"patch_size": "5,7", "augment": "0"})
    assert few.recipes(PatchCoreSpec()) == [usual | {"patch_size": 5}]
    among = Space.of(PatchCoreSpec, {"distance": "euclidean,cosine"}).recipes(PatchCoreSpec())
    assert among[1] == usual | {"distance": "cosine", "patch_size": 1, "score_top": 0.01} and len(among) == 3
    assert len(Space.of(PadimSpec).recipes(PadimSpec())) == 2
    assert Space.of(TrainedSpec).recipes(TrainedSpec()) == [{"layers": "layer2+layer3", "rate": 0.1}]


@pytest.mark.parametrize("method", DETECTORS)
def test_every_method_has_a_space_whose_cells_are_specifications(method):
    kind = DETECTORS[method].spec_type
    space = Space.of(kind)
    specs = [space.spec(cell, kind(seed=7)) for cell in space.cells()]
    assert len(set(specs)) == len(specs) > 1 and {spec.seed for spec in specs} == {7}


def test_cells_are_specifications():
    first = SMALL.cells()[0]
    assert first == {**dict.fromkeys(PLAIN, 0), "patch_size": 1, "layers": "layer2", "coreset_fraction": 0.1}
    bank = SMALL.spec(SMALL.cells()[-1], PatchCoreSpec(reweight_neighbours=1, seed=7))
    assert bank == PatchCoreSpec(("layer2", "layer3"), 3, 0.25, reweight_neighbours=1, seed=7)


def test_a_setting_is_searched_under_the_key_that_users_know():
    plain = {key: text for key, text in PLAIN.items() if key != "score_top"}
    space = Space.of(PadimSpec, {**plain, "padim_dimensions": "5, 10", "layers": "layer2"})
    assert space.values == {**dict.fromkeys(plain, (0,)), "layers": ("layer2",), "padim_dimensions": (5, 10)}
    assert [space.spec(cell, PadimSpec()).dimensions for cell in space.cells()] == [5, 10]


def test_settings_that_are_not_searched_by_default_come_last_if_they_are_asked_for():
    assert list(Space.of(TrainedSpec).values) == ["layers", "rate"]
    space = Space.of(TrainedSpec, {"depth": "none,2", "see_views": "True,false", "rate": "0.5", "layers": "layer1"})
    assert list(space.values.items()) == [
        ("layers", ("layer1",)),
        ("rate", (0.5,)),
        ("see_views", (True, False)),
        ("depth", (None, 2)),
    ]
    assert json.loads(canonical(space.values)) == {key: list(values) for key, values in space.values.items()}


def test_inputs_are_those_of_all_cells():
    space = Space.of(TrainedSpec, {"see_views": "false,true", "layers": "layer3,layer2+layer3"})
    assert space.all_inputs(TrainedSpec(depth=1)) == ("layer3", VIEW, "layer2")


def test_a_cell_that_the_specification_refuses_is_refused_before_the_first_trial():
    space = Space.of(TrainedSpec, {"see_views": "false,true"})
    with pytest.raises(UserError, match="must have a depth"):
        space.all_inputs(TrainedSpec())


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        ({"patch_size": "1,2"}, "patch size must be odd"),
        ({"patch_size": "1,x"}, "patch size must be a whole number, but got 'x'"),
        ({"patch_size": "1,,3"}, "patch size must be a whole number, but got ''"),
        ({"patch_size": ""}, "patch size must be a whole number, but got ''"),
        ({"patch_size": "3,3"}, "space of patch_size must be different values"),
        ({"layers": "layer1+layer1"}, "different layer names"),
        ({"layers": "layer1+"}, "different layer names"),
        ({"coreset_fraction": "0.1,1.5"}, r"in \(0, 1\]"),
        ({"coreset_fraction": "0"}, r"in \(0, 1\]"),
        ({"coreset_fraction": "nan"}, r"in \(0, 1\]"),
        (
            {"patchsize": "1"},
            "space of patchcore must be among .*, but got 'patchsize'.*did you mean patch_size",
        ),
        ({"padim_dimensions": "1"}, "space of patchcore must be among"),
    ],
)
def test_a_space_with_a_wrong_value_is_refused(texts, said):
    with pytest.raises(UserError, match=said):
        Space.of(PatchCoreSpec, texts)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"patch_size": ()}, "space of patch_size must be different values, but got \\[\\]"),
        ({"patch_size": (2,)}, "patch size must be odd"),
        ({"size": (1,)}, "space of patchcore must be among"),
    ],
)
def test_a_space_of_wrong_values_is_refused(values, said):
    with pytest.raises(UserError, match=said):
        Space(PatchCoreSpec, values)
