"""The command line: what a user can get wrong, and what is said then; help, version, demo data."""

import os
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import click
import numpy as np
import pytest
import torch
import torchvision
from PIL import Image

from adtrack import __version__
from adtrack.cli import cli
from adtrack.command import loading
from adtrack.config import BackboneSpec, DataSpec, ImageSpec
from adtrack.data import demo
from adtrack.errors import UserError
from adtrack.evaluation.workbench import Workbench
from adtrack.tracking.store import open_store, search_runs

PROJECT = Path(__file__).resolve().parents[1]
LONG = ("--trials", "1", "--sampler", "grid", "--space-layers", "layer2", "--space-patch-size", "1")


def changed(options, **values: object) -> list[str]:
    """The options with other values: ``class_name`` stands for ``--class``."""
    options = [str(option) for option in options]
    for name, value in values.items():
        flag = "--" + name.removesuffix("_name").replace("_", "-")
        if flag in options:
            options[options.index(flag) + 1] = str(value)
        else:
            options += [flag, str(value)]
    return options


@pytest.fixture
def refused(workplace, adtrack):
    """Runs a verb that must end with one sentence and no run; gives the sentence."""

    def run(*arguments: object, runs: int = 0) -> str:
        done = adtrack(*arguments)
        assert done.code == 2, done.out + done.err
        assert "Traceback" not in done.err and done.out == "" and len(done.err.strip().splitlines()) == 1
        assert done.err.startswith("Error: ")
        open_store()
        found = search_runs("")
        assert len(found) == runs and all(run.info.status != "RUNNING" for run in found)
        return done.err

    return run


def test_who_waits_at_a_terminal_is_told_what_for(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    with loading():
        pass
    assert capsys.readouterr().err == ""  # in a log file it would stay for ever
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with pytest.raises(ImportError), loading():
        assert capsys.readouterr().err == "Loading libraries …"
        raise ImportError
    assert capsys.readouterr().err.startswith("\r")  # what follows takes its place


def test_a_mistake_in_an_option_is_told_before_libraries_are_loaded(tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("raise SystemExit('torch is loaded')")
    for verb in ("build-bank", "evaluate", "tune"):
        command = [sys.executable, "-m", "adtrack", verb, "--class", "part", "--crop", "512"]
        variables = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(PROJECT)])}
        done = subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, text=True, timeout=120)
        assert done.returncode == 2 and done.stderr.startswith("Error: crop must be 0 or lie between 32 and resize")


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("build-bank", "--class", "part", "--data", "nowhere"), "data must be a folder with classes, but nowhere"),
        (("evaluate", "--class", "screw"), "class must be one of zipper, carpet, hazelnut in the demo data"),
        (("tune", "--class", "part", "--data", "nowhere"), "data must be a folder with classes, but nowhere"),
        (("score", "nowhere", "--model", "models:/m", "--out", "out"), "images must be files or folders that exist"),
        (("score", ".", "--model", "models:/m", "--out", "torch.py"), "out must be a folder that can be written to"),
        (("make-shift", "--class", "screw", "--out", "out"), "class must be one of zipper, carpet, hazelnut in the"),
        (("make-shift", "--class", "zipper", "--out", "torch.py/out"), "out must be a folder that can be written to"),
        (("export", "--out", "torch.py"), "out must be a folder that can be written to, but torch.py is not"),
        (("compare", "a", "b", "--out", "torch.py"), "out must be a folder that can be written to"),
        (("compare", "a", "b", "--data", "nowhere"), "data must be a folder with classes, but nowhere does not"),
        (("promote", "--class", "part", "--data", "nowhere"), "data must be a folder with classes, but nowhere"),
        (("experiment", "severity", "--data", "nowhere"), "data must be a folder with classes, but nowhere does"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_folders_are_looked_at_before_anything_is_loaded_drawn_or_made(tmp_path: Path, command, said) -> None:
    for library in ("torch", "numpy", "mlflow"):
        (tmp_path / f"{library}.py").write_text(f"raise SystemExit('{library} is loaded')")
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(PROJECT)])}
    before = sorted(tmp_path.iterdir())
    command = [sys.executable, "-B", "-m", "adtrack", *command]
    done = subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2 and done.stderr.startswith(f"Error: {said}"), done.stderr
    assert sorted(tmp_path.iterdir()) == before


def test_a_class_is_looked_for_before_weights_are_downloaded(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(torchvision.models.ResNet18_Weights, "get_state_dict", no_network)
    with pytest.raises(UserError, match="does not exist"):
        Workbench.open(DataSpec("part", str(tmp_path / "no")), ImageSpec(), BackboneSpec("resnet18"), ["layer2"])


@pytest.fixture
def own_data(tmp_path, write_part) -> Path:
    """A data root with the class "part" that a test may spoil."""
    return write_part(tmp_path / "own")


@pytest.mark.parametrize("verb", ["tune", "build-bank", "evaluate"])
def test_an_unknown_class_is_answered_with_those_there_are(refused, part, tiny_data, verb):
    said = refused(verb, *changed(part, class_name="screw"))
    assert f"class must be one of part in {tiny_data}, but got 'screw'" in said


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"patch_size": 4}, "patch size must be odd, but got 4"),
        ({"patch_size": 2**31 + 1}, "patch size must be a whole number of at most 4096, but got 2147483649"),
        ({"layers": "layer2+layer9"}, "layer9"),
        ({"layers": "layer2++layer3"}, "different layer names"),
        ({"coreset_fraction": 1.5}, "in (0, 1], but got 1.5"),
        ({"coreset_fraction": 0.0001}, "0.0001"),
        ({"good_quantile": 1.5}, "good quantile must be in (0, 1], but got 1.5"),
        ({"reweight_neighbours": 0}, "reweight neighbours must be a whole number of at least 1"),
        ({"backbone": "resnet19"}, "resnet19"),
        ({"weights": "no/such/file.pth"}, "there is no file 'no/such/file.pth'"),
        ({"resize": 8}, "resize must be a whole number of at least 32"),
        ({"resize": 10**6}, "resize must be a whole number of at most 4096, but got 1000000"),
        ({"crop": 224}, "crop must be 0 or lie between 32 and resize"),
        ({"seed": -1}, "seed must be a whole number of at least 0"),
        ({"seed": 10**25}, "seed must be a whole number of at most 9223372036854775807"),
        ({"device": "abacus"}, "abacus"),
        ({"data": "no/such/folder"}, "no/such/folder does not exist"),
        ({"class_name": "../part"}, "'../part'"),
    ],
    ids=str,
)
def test_a_wrong_value_is_a_sentence(refused, part, options, said):
    # A fraction that selects no patch is noticed when the patches have been counted, in the run.
    assert said in refused("build-bank", *changed(part, **options), runs=int("0.0001" in said))


def test_an_unknown_layer_is_answered_with_those_there_are(refused, part):
    said = refused("tune", *part, "--space-layers", "layer2,layer9")
    assert all(name in said for name in ("layer9", "layer1", "layer2", "layer3", "layer4"))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"space_patch_size": "1,2"}, "patch size must be odd, but got 2"),
        ({"space_patch_size": "1,x"}, "patch size must be a whole number, but got 'x'"),
        ({"space_patch_size": "1,,3"}, "patch size must be a whole number, but got ''"),
        ({"space_coreset_fraction": "0.1,0.1"}, "must be different values"),
        ({"trials": 0}, "trials must be at least 1"),
        ({"seed": 2**32}, "seed must be a whole number of at most 4294967295"),
        ({"sampler": "bayes"}, "sampler must be one of tpe, random, grid"),
        ({"metric": "beauty"}, "metric must be one of image_auroc"),
        ({"objective": "best"}, "objective must be one of both, clean, shift, worst, pareto"),
        ({"max_bank_mb": -1}, "max_bank_mb must be 0"),
    ],
    ids=str,
)
def test_a_wrong_question_is_a_sentence(refused, part, options, said):
    assert said in refused("tune", *changed([*part, *LONG], **options))


def test_weights_must_fit(refused, part, tmp_path):
    state = torchvision.models.resnet34(weights=None).state_dict()
    torch.save({name: value for name, value in state.items() if "layer2.0.conv2" not in name}, tmp_path / "lacking.pth")
    assert "layer2.0.conv2" in refused("build-bank", *changed(part, weights=tmp_path / "lacking.pth"))
    (tmp_path / "garbage.pth").write_bytes(b"\x80\x04garbage")
    assert "readable .pth or .safetensors" in refused("build-bank", *changed(part, weights=tmp_path / "garbage.pth"))


def no_network(*_: object, **__: object) -> None:
    raise OSError("no network here")


def test_real_data_does_not_go_on_with_random_weights(refused, part, monkeypatch):
    monkeypatch.setattr(torchvision.models.ResNet18_Weights, "get_state_dict", no_network)
    said = refused("tune", *changed([*part, *LONG], weights="imagenet"))
    assert "imagenet" in said.lower() and "weights=FILE" in said


@pytest.mark.parametrize(
    ("option", "said"),
    [({"storage": "nonsense"}, "storage must be a database URL"), ({"study": "'\""}, "both kinds of quotes")],
    ids=str,
)
def test_a_studys_options_are_looked_at_before_weights(refused, part, monkeypatch, option, said):
    monkeypatch.setattr(torchvision.models.ResNet18_Weights, "get_state_dict", no_network)
    assert said in refused("tune", *changed([*part, *LONG], weights="imagenet", **option))


def test_the_demo_goes_on_with_random_weights_and_says_so(workplace, adtrack, part, tiny_data, monkeypatch):
    monkeypatch.setattr(torchvision.models.ResNet18_Weights, "get_state_dict", no_network)
    (workplace / "demo").mkdir()
    (workplace / "demo/zipper").symlink_to(tiny_data / "part")  # another picture set, so that it takes a second
    monkeypatch.setattr(demo, "demo_root", lambda classes: workplace / "demo")
    options = changed(part, class_name="zipper", weights="imagenet", data="demo")
    done = adtrack("build-bank", *options, "--layers", "layer2")
    assert done.code == 0, done.err
    assert "Warning: ImageNet weights of resnet18 could not be downloaded" in done.err
    (run,) = search_runs("")
    assert run.data.tags["adtrack.weights_fell_back"] == "true" and run.data.params["weights"] == "random (seed 42)"


def spoil(own_data: Path, how: str) -> str:
    """Spoil the class; what must be said of it."""
    folder = own_data / "part"
    if how == "empty train":
        shutil.rmtree(folder / "train/good")
        (folder / "train/good").mkdir()
        return "train/good must hold normal images"
    if how == "no anomalies":
        for kind in ("spot", "scratch"):
            shutil.rmtree(folder / "test" / kind)
        return "tune needs labelled anomalies to tell which model is better, but class part has only good images"
    if how == "too few anomalies":
        for photo in [*folder.glob("test/s*/00[1-3].png")]:
            photo.unlink()
        return "Val must have an anomalous image"
    if how == "no test/good":
        shutil.rmtree(folder / "test/good")
        return "Test must have a normal image"
    if how == "truncated image":
        photo = folder / "test/good/002.png"
        photo.write_bytes(photo.read_bytes()[:200])
        return "part/test/good/002.png is corrupt or truncated"
    if how == "no image":
        (folder / "train/good/003.png").write_text("not an image")
        return "part/train/good/003.png is none"
    if how == "mask of another size":
        Image.new("L", (32, 64)).save(folder / "ground_truth/spot/001_mask.png")
        return "part/ground_truth/spot/001_mask.png has 32 × 64 pixels"
    if how == "mask missing":
        (folder / "ground_truth/spot/001_mask.png").unlink()
        return "part/test/spot/001.png has none"
    Image.new("1", (20000, 20000)).save(folder / "train/good/000.png")  # a few KB that unpack to 400 megapixels
    return "part/train/good/000.png has"


@pytest.mark.parametrize(
    "how",
    [
        *("empty train", "no anomalies", "too few anomalies", "no test/good", "truncated image", "no image"),
        *("mask of another size", "mask missing", "bomb"),
    ],
)
def test_spoilt_data_are_named_before_any_run_begins(refused, part, own_data, how):
    said = spoil(own_data, how)
    assert said in refused("tune", *changed([*part, *LONG], data=own_data))


def test_grey_deep_and_cmyk_images_of_other_sizes_work(workplace, adtrack, part, own_data):
    folder = own_data / "part/train/good"
    for number, mode in enumerate(("L", "I;16", "CMYK", "P", "RGBA")):
        with Image.open(folder / f"{number:03}.png") as image:
            grey = np.asarray(image.convert("L"))
            plain = image.resize((80, 50)).convert("RGB")
        (folder / f"{number:03}.png").unlink()
        if mode == "I;16":
            Image.fromarray(grey.astype(np.uint16) * 257).save(folder / f"{number:03}.tif")
        else:
            plain.convert(mode).save(folder / f"{number:03}.{'jpg' if mode == 'CMYK' else 'png'}")
    done = adtrack("build-bank", *changed(part, data=own_data), "--layers", "layer2")
    assert done.code == 0, done.err


def test_usage_errors_are_clicks_and_exit_with_2(workplace, adtrack, part):
    for arguments, said in (
        (("tune",), "Missing option '--class'"),
        (("frobnicate",), "No such command 'frobnicate'"),
        (("build-bank", *part, "--method", "magic"), "'magic' is not one of 'patchcore', 'padim', 'knn', "),
        (("build-bank", *part, "--resize", "x"), "'x' is not a valid integer"),
        (("score", "x.png", "--out", "out"), "Missing option '--model'"),
    ):
        done = adtrack(*arguments)
        assert done.code == 2 and said in done.err and "Traceback" not in done.err


def test_a_failure_is_a_line_and_with_debug_a_traceback(adtrack, tmp_path):
    (tmp_path / "file").touch()
    done = adtrack("demo-data", "--out", tmp_path / "file/below")
    assert done.code == 2 and done.err.startswith("Error: out must be a folder that can be written to")
    assert len(done.err.strip().splitlines()) == 1
    with pytest.raises(UserError, match="out must be a folder"):
        adtrack("--debug", "demo-data", "--out", tmp_path / "file/below")
    process = subprocess.run(
        [sys.executable, "-m", "adtrack", "--debug", "demo-data", "--out", tmp_path / "file/below"],
        capture_output=True,
        text=True,
    )
    assert process.returncode == 1 and "Traceback (most recent call last)" in process.stderr


def test_demo_data_go_where_they_are_wanted(adtrack, tmp_path, monkeypatch):
    monkeypatch.setattr(demo, "make_demo", partial(demo.make_demo, counts=demo.Counts(1, 1, 1)))  # in a second
    done = adtrack("demo-data", "--out", tmp_path / "demo")
    assert done.code == 0 and str(tmp_path / "demo") in done.out
    assert {folder.name for folder in (tmp_path / "demo").iterdir()} == {"zipper", "carpet", "hazelnut"}
    assert (tmp_path / "demo/zipper/train/good/000.png").is_file()


def test_help_and_version_are_quick_because_they_load_nothing(adtrack):
    code = """
import sys
sys.argv = ["adtrack", *sys.argv[1:]]
from adtrack.cli import main
try:
    main()
finally:
    print(sorted({"torch", "mlflow", "optuna", "numpy", "sklearn"} & set(sys.modules)), file=sys.stderr)
"""
    for verb in ([], ["tune"]):
        done = subprocess.run([sys.executable, "-c", code, *verb, "--help"], capture_output=True, text=True)
        assert done.returncode == 0 and done.stderr.strip() == "[]" and "Usage: adtrack" in done.stdout
    done = subprocess.run([sys.executable, "-m", "adtrack", "--version"], capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.strip() == f"adtrack, version {__version__}"


@pytest.mark.parametrize("verb", sorted(cli.commands))
def test_every_verb_explains_itself(adtrack, verb):
    done = adtrack(verb, "--help")
    usage = done.out.splitlines()[0]
    assert done.code == 0 and usage.startswith("Usage: ") and f"adtrack {verb} " in usage
    command = cli.commands[verb]
    parameters = command.get_params(click.Context(command))
    options = [parameter for parameter in parameters if isinstance(parameter, click.Option)]
    assert all(option.help and option.opts[0] in done.out for option in options)
    assert f"\n  adtrack {verb}" in done.out  # an example


def test_the_overview_tells_every_verb_in_a_whole_sentence(adtrack):
    done = adtrack("--help", COLUMNS="120")
    summaries = done.out.partition("Commands:\n")[2].splitlines()
    assert [line.split()[0] for line in summaries] == list(cli.commands)
    assert all(line.endswith(".") and not line.endswith("...") for line in summaries)
