"""The settings that methods share to be built for drift."""

import pytest

from adtrack.config import DetectorSpec, ImageSpec, digest
from adtrack.detectors.padim import PadimSpec
from adtrack.detectors.patchcore_spec import PatchCoreSpec
from adtrack.errors import UserError


@pytest.mark.parametrize("kind", [PatchCoreSpec, PadimSpec])
def test_by_default_nothing_is_done_and_older_digests_stay(kind: type[DetectorSpec]) -> None:
    spec = kind()
    assert spec.draws == () and spec.view(ImageSpec()) == ImageSpec()
    assert digest(spec) == digest(kind(smooth=0.0, standardise=0.0, augment=0, augment_severity=1.0))
    assert len({digest(kind(**{name: 1})) for name in ("smooth", "standardise", "augment")} | {digest(spec)}) == 4


def test_titles_name_what_is_not_usual() -> None:
    assert PatchCoreSpec().title == "layer2+layer3 p3 0.1"
    built = PatchCoreSpec(smooth=1.0, standardise=0.5, augment=3, augment_severity=1.5, whiten=0.1, score_top=0.01)
    assert set(built.title.split(" ")) >= {"layer2+layer3", "smooth", "+3", "draws", "white", "top", "0.01", "1.5"}


def test_draws_and_the_view_follow_from_the_specification() -> None:
    spec = PatchCoreSpec(smooth=1.5, augment=2, augment_severity=0.5)
    assert spec.draws == ("train_draw1@0.5", "train_draw2@0.5")
    assert PatchCoreSpec(augment=1).draws == ("train_draw1",)
    assert PatchCoreSpec(augment=1, augment_family="shift_without_blur").draws == ("train_draw1_without_blur",)
    assert spec.view(ImageSpec(64, 48)) == ImageSpec(64, 48, smooth=1.5)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("smooth", -0.1), ("smooth", 17), ("standardise", 1.1), ("augment", -1), ("augment", 1.5), ("augment", 65)],
        *[
            ("augment_severity", 2.1),
            ("augment_family", "shift_without_nothing"),
            ("augment_family", "blur"),
            ("whiten", 1.5),
            ("whiten", float("nan")),
            ("score_top", -0.1),
            ("score_top", 1.01),
        ],
    ],
)
def test_values_out_of_range_are_refused(name: str, value: float | str) -> None:
    with pytest.raises(UserError, match=name.replace("_", " ")):
        PatchCoreSpec(**{name: value})
