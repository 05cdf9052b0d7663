"""The options that methods bring: what they mean, which go first, and what is refused before torch is imported."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from pathlib import Path

import click
import pytest

from adtrack.cli import cli
from adtrack.cli.methods import AUTO, asked_space, check_fixed, detector_spec, option_pairs
from adtrack.config import DetectorSpec, LayersSpec, layers_setting
from adtrack.detectors import DETECTORS
from adtrack.detectors.contract import Detector
from adtrack.detectors.padim import PadimSpec
from adtrack.detectors.patchcore_spec import PatchCoreSpec
from adtrack.errors import UserError
from adtrack.settings import NUMBER, setting, settings

PROJECT = Path(__file__).resolve().parents[2]
VERBS = ("tune", "build-bank", "evaluate")


@dataclass(frozen=True)
class ToySpec(LayersSpec):
    layers: tuple[str, ...] = layers_setting([("layer1",)])
    power: float = setting(2.0, NUMBER, "Toy: the power.", tries=(1.0, 2.0), option=True)
    strength: float = setting(1.0, NUMBER, "Toy: the strength.", option=True)
    _: KW_ONLY
    method: str = "toy"


class Toy(Detector[ToySpec]):
    spec_type = ToySpec


def flags(verb: str) -> dict[str, click.Parameter]:
    command = cli.commands[verb]
    return {one.opts[0]: one for one in command.get_params(click.Context(command))}


@pytest.mark.parametrize("verb", VERBS)
def test_every_setting_that_asks_for_an_option_has_one(verb: str) -> None:
    names = list(flags(verb))
    assert len(set(names)) == len(names)
    for kind in DETECTORS.values():
        for one in settings(kind.spec_type):
            flag = one.key.replace("_", "-")
            searched = verb == "tune" and bool(one.tries)
            assert (f"--{flag}" in names) == (one.option and not searched)
            assert (f"--space-{flag}" in names) == (one.option and verb == "tune")


def test_a_method_that_is_added_later_brings_its_options(monkeypatch: pytest.MonkeyPatch, adtrack: Callable) -> None:
    assert "--power" not in flags("build-bank")
    monkeypatch.setitem(DETECTORS, "toy", Toy)
    built, tuned = flags("build-bank"), flags("tune")
    assert built["--power"].default == "2.0" and built["--power"].metavar == "FLOAT"
    assert isinstance(built["--method"].type, click.Choice) and "toy" in built["--method"].type.choices
    assert "--power" not in tuned and tuned["--space-power"].default == "1.0,2.0" and "--strength" in tuned
    assert "layer1 for toy" in (tuned["--space-layers"].help or "") and tuned["--space-layers"].default == AUTO
    assert "Toy: the power." in adtrack("evaluate", "--help").out


def given(**changed: str) -> dict[str, str]:
    defaults = {one.name: one.default for verb in VERBS for one in flags(verb).values() if one.name}
    return {**defaults, **changed}


def test_options_go_before_the_options_of_their_names() -> None:
    assert detector_spec("patchcore", {}, given(), 42) == PatchCoreSpec((AUTO,))
    assert detector_spec("padim", {}, given(), 1) == PadimSpec((AUTO,), seed=1)
    texts = option_pairs(" coreset_fraction = 0.05, projection=none,layers=layer1+layer2")
    made = detector_spec("patchcore", texts, given(coreset_fraction="0.2", patch_size="5"), 42)
    assert made == PatchCoreSpec(("layer1", "layer2"), 5, 0.05, projection=None)
    padim = detector_spec("padim", {"padim_dimensions": "7"}, given(patch_size="even"), 42)
    assert padim == PadimSpec((AUTO,), dimensions=7)
    assert option_pairs(AUTO) == {}


def test_what_a_study_tries_is_what_was_asked_for() -> None:
    drift = {"smooth": "0.0,1.0", "standardise": "0.0,1.0", "augment": "0,3"}
    space = {"patch_size": "1,3,5,7", "coreset_fraction": "0.01,0.025,0.05,0.1", "score_top": "0.0,0.01,0.04", **drift}
    assert asked_space("patchcore", AUTO, given()) == {**space, "layers": AUTO}
    found = asked_space("patchcore", "patch_size=1,3;projection=64,none", given(space_layers="layer1,layer1+layer2"))
    assert found == {**space, "patch_size": "1,3", "projection": "64,none", "layers": "layer1,layer1+layer2"}
    padim = {"padim_dimensions": "25,50,100", "layers": AUTO, **drift}
    assert asked_space("padim", AUTO, given(space_patch_size="1")) == padim


@pytest.mark.parametrize(
    ("space", "said"),
    [
        ("patch_size=1,2", "patch size must be odd, but got 2"),
        ("patch_size=1,,3", "patch size must be a whole number, but got ''"),
        ("patchsize=1", "space of patchcore must be among .* did you mean patch_size"),
        ("patch_size", "space must be different name=value pairs joined by semicolons, but got 'patch_size'"),
        ("patch_size=1;patch_size=3", "space must be different name=value pairs"),
    ],
)
def test_a_wrong_space_is_refused(space: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        asked_space("patchcore", space, given())


def test_what_is_searched_cannot_be_fixed() -> None:
    tried = asked_space("patchcore", "projection=64,128", given())
    check_fixed("patchcore", {"reweight_neighbours": "1"}, tried)
    for key in ("patch_size", "projection", "layers"):
        with pytest.raises(UserError, match=f"but got '{key}'. Hint: --space {key}=3 tries that one value"):
            check_fixed("patchcore", {key: "3"}, tried)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("build-bank", "--options", "epochs=20"), "options of patchcore must be among layers, smooth"),
        (("evaluate", "--method", "padim", "--options", "dimensions=20"), "did you mean padim_dimensions?"),
        (("build-bank", "--options", "patch_size=x"), "patch size must be a whole number, but got 'x'"),
        (("build-bank", "--options", "patch_size=2"), "patch size must be odd, but got 2"),
        (("build-bank", "--options", "patch_size"), "options must be different name=value pairs joined by commas"),
        (("tune", "--space", "epochs=20"), "space of patchcore must be among layers, smooth"),
        (("tune", "--options", "patch_size=3"), "--space patch_size=3 tries that one value"),
    ],
    ids=" ".join,
)
def test_wrong_settings_are_refused_before_torch_is_imported(
    tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    for library in ("torch", "numpy", "mlflow"):
        (tmp_path / f"{library}.py").write_text(f"raise SystemExit('{library} is loaded')")
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(PROJECT)])}
    command = [sys.executable, "-B", "-m", "adtrack", *arguments, "--class", "zipper"]
    done = subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2 and done.stderr.startswith("Error: ") and said in done.stderr, done.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            "coreset_fraction=0.1",
            "options must be named patchcore.NAME, padim.NAME, but got 'coreset_fraction'",
        ),
        ("toy.power=3", "options must be named patchcore.NAME, padim.NAME, but got 'toy.power'"),
        (
            "padim.patch_size=3",
            "padim_dimensions, but got 'patch_size'",
        ),
        ("patchcore.patch_size", "for example patchcore.coreset_fraction=0.01"),
    ],
)
def test_options_of_an_experiment_name_the_method(adtrack: Callable, options: str, said: str) -> None:
    done = adtrack("experiment", "severity", "--options", options)
    assert done.code == 2 and said in done.err


def test_methods_of_an_experiment_are_known(adtrack: Callable) -> None:
    done = adtrack("experiment", "severity", "--methods", "padim,magic")
    assert done.code == 2 and f"method must be one of {', '.join(DETECTORS)}, but got 'magic'" in done.err


def test_a_specification_is_made_for_every_method_there_is() -> None:
    for method, kind in DETECTORS.items():
        made: DetectorSpec = detector_spec(method, {}, given(), 42)
        layers = {"layers": (AUTO,)} if issubclass(kind.spec_type, LayersSpec) else {}
        assert made == kind.spec_type(**layers)
