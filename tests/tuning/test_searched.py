"""The settings that studies vary, as trials of any method tell them."""

import pytest

from adtrack.detectors.padim import PadimSpec
from adtrack.tracking.trials import TrialRecord
from adtrack.tuning.searched import (
    about,
    briefly,
    in_words,
    method_name,
    method_settings,
    parameters,
    settings_of,
    trial_settings,
)

OLD = {"patch_size": "3", "layers": "layer2+layer3", "coreset_fraction": "0.05", "reweight_neighbours": "9"}
PADIM = {"method": "padim", "layers": "layer1+layer2", "padim_dimensions": "50"}


def trial(params: dict[str, str], searched: tuple[str, ...] = ()) -> TrialRecord:
    return TrialRecord("zipper", "s", "0" * 64, 7, "f" * 32, params, {}, searched=searched)


def keys(found: list) -> list[str]:
    return [one.key for one in found]


def test_a_trial_of_an_older_version_varied_what_its_method_varies_by_default():
    assert keys(trial_settings(trial(OLD))) == ["patch_size", "layers", "coreset_fraction"]
    assert keys(trial_settings(trial(PADIM))) == ["layers", "padim_dimensions"]
    assert parameters(trial(OLD)) == {"patch_size": 3, "layers": "layer2+layer3", "coreset_fraction": 0.05}
    assert parameters(trial(PADIM)) == {"layers": "layer1+layer2", "padim_dimensions": 50}
    assert parameters(trial({"layers": "layer1"})) == {"layers": "layer1"}


def test_a_trial_may_name_what_its_study_varied():
    asked = trial(OLD | {"projection": "none"}, ("projection", "patch_size", "gone"))
    assert parameters(asked) == {"projection": None, "patch_size": 3}
    assert about(asked) == "trial 7: projection None, patch size 3"


@pytest.mark.parametrize(
    ("params", "words", "brief"),
    [
        (OLD, "trial 7: patch size 3, layers layer2+layer3, coreset fraction 0.05", ("layer2+layer3", "p3, 0.05")),
        (PADIM, "trial 7: layers layer1+layer2, padim dimensions 50", ("layer1+layer2", "d50")),
    ],
    ids=["patchcore", "padim"],
)
def test_a_trial_in_words(params, words, brief):
    assert about(trial(params)) == words and briefly(trial(params)) == brief


def test_columns_side_by_side_name_what_differs_and_nothing_that_is_off():
    keys = ("layers", "smooth", "augment", "patch_size", "score_top")
    same = {"layers": "layer2", "patch_size": "3"}
    first = trial(same | {"smooth": "1.0", "augment": "0", "score_top": "0.0"}, keys)
    second = trial(same | {"smooth": "0.0", "augment": "3", "score_top": "0.0"}, keys)
    assert briefly(first) == ("layer2", "smooth 1, p3") and briefly(second) == ("layer2", "+3 draws, p3")
    assert briefly(first, [first, second]) == ("", "smooth 1") and briefly(second, [first, second]) == ("", "+3 draws")
    assert briefly(first, [first]) == briefly(first)


def test_a_cell_in_words():
    assert in_words(PadimSpec, {"layers": "layer3", "padim_dimensions": 25}) == "layers layer3, padim dimensions 25"


def test_several_methods_have_the_union_of_their_settings():
    found = keys(settings_of([trial(OLD), trial(PADIM)]))
    assert found == ["patch_size", "layers", "coreset_fraction", "padim_dimensions"]


def test_a_method_that_is_not_here_has_no_settings():
    gone = trial({"method": "gone", "epochs": "3"}, ("epochs",))
    assert parameters(gone) == {} and method_settings("gone") == () and method_name(gone) == "gone"
    assert method_name(trial(PADIM)) == "PaDiM" and method_name(trial(OLD)) == "PatchCore"
