"""Frozen records: what they refuse, and the canonical text that digests are made of."""

import dataclasses
from dataclasses import dataclass, field

import pytest

from adtrack.config import BackboneSpec, ImageSpec, Normalisation, canonical, digest, plain
from adtrack.errors import UserError
from adtrack.settings import added_later

OTHER = Normalisation((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


@dataclass(frozen=True)
class Inner:
    first: int = 1
    later: float | None = field(default=None, metadata=added_later(2.0))


@dataclass(frozen=True)
class Outer:
    inner: Inner
    many: tuple[Inner, ...] = ()
    later: str = field(default="new", metadata=added_later("old"))


def test_a_field_of_later_is_left_out_where_it_has_the_value_of_before() -> None:
    record = Outer(Inner(later=2.0), (Inner(3, 2.0), Inner(3, 4.0)), "old")
    assert plain(record) == {"inner": {"first": 1}, "many": [{"first": 3}, {"first": 3, "later": 4.0}]}
    assert plain(Outer(Inner())) == {"inner": {"first": 1, "later": None}, "many": [], "later": "new"}
    assert canonical({"records": [record]}) == f'{{"records":[{canonical(record)}]}}'


def test_other_records_are_plain_as_ever() -> None:
    assert plain(OTHER) == {name: list(values) for name, values in dataclasses.asdict(OTHER).items()}
    assert canonical(OTHER) == '{"mean":[0.5,0.5,0.5],"std":[0.5,0.5,0.5]}'


def test_a_view_normalised_for_imagenet_has_the_text_that_it_always_had() -> None:
    view = ImageSpec(64, 0).made_for(Normalisation(), "bilinear")
    assert canonical(view) == '{"crop":0,"resize":64}' and digest(view) == digest({"resize": 64, "crop": 0})
    assert digest(ImageSpec(64, 0, OTHER)) != digest(view)


@pytest.mark.parametrize(
    "view", [ImageSpec(64, 0, Normalisation(), 0.0, "bilinear"), ImageSpec(64, 33, OTHER, 1.0, "bicubic")]
)
def test_a_view_can_be_read_back(view: ImageSpec) -> None:
    assert ImageSpec.from_plain(plain(view)) == view


def test_the_network_chooses_the_normalisation_unless_one_is_given() -> None:
    found = ImageSpec().made_for(OTHER, "bicubic")
    assert (found.normalisation, found.interpolation) == (OTHER, "bicubic")
    assert found == found.made_for(Normalisation(), "lanczos")
    assert ImageSpec(normalisation=Normalisation()).made_for(OTHER, "bicubic").normalisation == Normalisation()


@pytest.mark.parametrize("std", [(1, 1), (1, 1, 0), (1, 1, float("nan")), (1, 1, 10**400), (1, 1, "1")])
def test_a_normalisation_must_be_of_numbers(std: tuple) -> None:
    with pytest.raises(UserError, match=r"std must be three numbers from 1e-06 to 1e\+06, but got .*ImageNet's are"):
        Normalisation(std=std)


@pytest.mark.parametrize(
    ("name", "weights", "data", "network"),
    [
        ("auto", "imagenet", "demo", "timm/tf_efficientnet_lite0"),
        ("auto", "imagenet", "/data", "resnet50"),
        ("auto", "random", "demo", "resnet50"),
        ("auto", "weights.pth", "demo", "resnet50"),
        ("resnet18", "imagenet", "demo", "resnet18"),
    ],
)
def test_the_data_choose_the_network_that_nobody_names(name: str, weights: str, data: str, network: str) -> None:
    assert BackboneSpec.asked(name, weights, 7, data) == BackboneSpec(network, weights, 7)
    usual = "resnet18" if network == "resnet50" else network
    assert BackboneSpec.asked(name, weights, 7, data, "resnet18").name == usual
