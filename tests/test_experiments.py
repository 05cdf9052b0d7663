"""The experiments: each writes its tables and charts, goes on where it was interrupted, and says what it was asked."""

import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from adtrack.cli.experiment import NAMES
from adtrack.detectors import DETECTORS
from adtrack.tracking.store import search_runs
from experiments.drift_figures import more_on_drift, unseen_lines

ROOT = Path(__file__).resolve().parents[1]
VIEW = ("--resize", "64", "--crop", "0", "--weights", "random", "--layers", "layer2", "--padim-dimensions", "12")


@pytest.mark.parametrize("name", NAMES)
def test_an_experiment_says_question_command_and_result(name: str) -> None:
    text = importlib.import_module(f"adtrack.verbs.experiments.{name}").__doc__
    assert text.split("\n")[0].endswith("?")
    for word in (f"adtrack experiment {name}", f"-P name={name}", "Writes:", "Cost:", "Result:"):
        assert word in text, word


@pytest.mark.slow
@pytest.mark.parametrize("name", ["shift_regimes", "unified", "severity"])
def test_an_experiment_writes_its_tables_and_charts(name: str, workplace: Path, tiny_data: Path, experiment) -> None:
    done = experiment(name, "--data", tiny_data, *VIEW)
    assert done.code == 0, done.err
    folder = workplace / "tables" / name
    kinds = {file.suffix for file in folder.iterdir()}
    assert {".csv", ".md", ".tex", ".html", ".png"} <= kinds
    assert f"Tables and charts: tables/{name}\n" in done.out and not {"|", "\\", "#"} & set(done.out)
    told = more_on_drift(workplace / "tables")
    assert told.count("| part | patchcore |") == {"severity": 14}.get(name, 0)
    first = pd.read_csv(folder / f"{name}.csv")
    assert set(first["class"]) == {"part"} and first["image_auroc"].between(0, 1).all()
    (run,) = search_runs(f"tags.`adtrack.experiment` = '{name}'")
    note = run.data.tags["mlflow.note.content"]
    assert note.startswith(f"[The tables](#/experiments/1/runs/{run.info.run_id}/artifacts/{name}/{name}.html)")
    assert "| class | method |" in note
    again = experiment(name, "--data", tiny_data, *VIEW)
    assert again.code == 0 and "taken from run" in again.err and "from train_clean\n" not in again.err
    pd.testing.assert_frame_equal(pd.read_csv(folder / f"{name}.csv"), first)


@pytest.mark.slow
def test_methods_are_compared_and_one_that_fails_is_a_row(workplace: Path, tiny_data: Path, experiment) -> None:
    options = ("--data", tiny_data, *VIEW, "--methods", "patchcore,knn", "--options", "knn.layers=layer9")
    done = experiment("methods", *options)
    assert done.code == 1 and "Traceback" not in done.err
    assert "Not measured: knn: " in done.out and "layer9" in done.out
    folder = workplace / "tables" / "methods"
    wanted = {"methods.md", "methods.tex", "methods_ranking.csv", "methods_part.png", "methods_auroc.png"}
    assert wanted <= {file.name for file in folder.iterdir()}
    assert "The same images as every method sees them: part" in (folder / "methods.html").read_text(encoding="utf-8")
    first = pd.read_csv(folder / "methods.csv")
    assert list(first["method"]) == ["patchcore", "patchcore", "knn"] and first["failure"].notna().sum() == 1
    again = experiment("methods", *options)
    assert again.code == 1 and again.err.count("taken from run") == 1
    pd.testing.assert_frame_equal(pd.read_csv(folder / "methods.csv"), first)


@pytest.mark.slow
def test_unseen_shifts_say_what_is_kept_and_go_on_where_they_were(workplace: Path, tiny_data: Path, experiment) -> None:
    options = ("--data", tiny_data, *VIEW, "--methods", "patchcore", "--augment", "1")
    done = experiment("unseen_shifts", *options)
    assert done.code == 0, done.err
    folder = workplace / "tables" / "unseen_shifts"
    assert {"unseen_shifts.csv", "unseen_shifts.md", "unseen_shifts.html", "unseen_shifts_patchcore_other.png"} <= {
        file.name for file in folder.iterdir()
    }
    first = pd.read_csv(folder / "unseen_shifts.csv")
    assert first["built_image_auroc"].between(0, 1).all() and {"kept", "gain_low"} <= set(first)
    assert "blur alone" in done.out and "JPEG, quality 15" in done.out
    assert "| another kind: JPEG, quality 15 |" in more_on_drift(workplace / "tables")
    assert unseen_lines(workplace / "tables").startswith("- **Drift that no draw held** costs the plain bank nothing")
    again = experiment("unseen_shifts", *options)
    assert again.code == 0 and again.err.count("taken from run") == 9  # plain, for drift, and for each part held out
    pd.testing.assert_frame_equal(pd.read_csv(folder / "unseen_shifts.csv"), first)


def test_the_page_tells_what_unseen_drift_costs_and_what_is_won_back() -> None:
    told = unseen_lines(ROOT / "experiments/results/magnetic_tile")
    assert told.startswith("- **Drift that no draw held is won back in part.** Of 8 other kinds of drift, 5 cost")
    assert "Each of them gains. Least is won back under shadow: 0.39 [0.23, 0.53]." in told


@pytest.mark.slow
def test_adaptation_counts_photos_and_goes_on_where_it_was(workplace: Path, tiny_data: Path, experiment) -> None:
    options = ("--data", tiny_data, *VIEW, "--methods", "patchcore", "--augment", "1")
    done = experiment("adaptation", *options)
    assert done.code == 0, done.err
    first = pd.read_csv(workplace / "tables" / "adaptation" / "adaptation.csv")
    assert set(first["photos"]) == {4} and set(first["model"]) == {"plain", "built for drift"}  # Test is that small
    assert (first["refused"] == 1).all()  # and Val, too: a median of two scores says nothing
    again = experiment("adaptation", *options)
    assert again.code == 0 and again.err.count("taken from run") == 2
    pd.testing.assert_frame_equal(pd.read_csv(workplace / "tables" / "adaptation" / "adaptation.csv"), first)


@pytest.mark.slow
def test_few_shot_writes_every_model_and_goes_on_where_it_was(
    workplace: Path, tiny_data: Path, experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adtrack.lab.few_shot.SHOTS", (1, 4))
    monkeypatch.setattr("adtrack.lab.few_shot.CHOICES", 2)
    options = ("--data", tiny_data, *VIEW, "--methods", "patchcore")
    done = experiment("few_shot", *options)
    assert done.code == 0, done.err
    folder = workplace / "tables" / "few_shot"
    first = pd.read_csv(folder / "few_shot.csv")
    assert list(first["images"]) == [1, 1, 4, 4, 8] and list(first["all"]) == [False] * 4 + [True]
    assert first["test_shift_image_auroc"].between(0, 1).all() and "all 8" in done.out
    assert {"few_shot.html", "few_shot.tex", "few_shot_patchcore.png"} <= {file.name for file in folder.iterdir()}
    again = experiment("few_shot", *options)
    assert again.code == 0 and again.err.count("taken from run") == 5
    pd.testing.assert_frame_equal(pd.read_csv(folder / "few_shot.csv"), first)


@pytest.mark.slow
def test_a_network_that_cannot_be_had_is_a_row_and_exit_code_1(workplace: Path, tiny_data: Path, experiment) -> None:
    options = ("--data", tiny_data, *VIEW, "--methods", "patchcore", "--backbones")
    done = experiment("backbones", *options, "resnet18,resnet34=nowhere.pth")
    assert done.code == 1 and "Traceback" not in done.err
    assert "Not measured: patchcore, network resnet34: " in done.out and "nowhere.pth" in done.out
    folder = workplace / "tables" / "backbones"
    numbers = pd.read_csv(folder / "backbones.csv")
    assert list(numbers["network"]) == ["resnet18", "resnet18", "resnet34"] and numbers["failure"].notna().sum() == 1
    assert {"backbones.html", "backbones_patchcore.png"} <= {file.name for file in folder.iterdir()}
    refused = experiment("severity", *options, "resnet18")
    assert refused.code == 2 and "backbones must be given to experiment backbones alone" in refused.err


@pytest.mark.slow
def test_a_network_is_compared_with_what_fine_tuning_makes_of_it(
    workplace: Path, tiny_data: Path, experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ("--data", tiny_data, *VIEW, "--methods", "patchcore")
    done = experiment("fine_tuning", *options)
    assert done.code == 0, done.err
    numbers = pd.read_csv(workplace / "tables" / "fine_tuning" / "fine_tuning.csv")
    assert list(dict.fromkeys(numbers["network"])) == ["as it is", "rotation", "cutmix"]
    assert numbers["image_auroc"].between(0, 1).all() and numbers["image_auroc_diff"].notna().sum() == 4
    trained, _ = search_runs("tags.`adtrack.role` = 'fine-tuning'")
    given = experiment("fine_tuning", *options, "--trunks", f"mine={trained.data.tags['adtrack.trunk']},lost=no.pth")
    assert given.code == 1 and "Not measured: patchcore, network lost: " in given.out
    again = pd.read_csv(workplace / "tables" / "fine_tuning" / "fine_tuning.csv")
    assert list(dict.fromkeys(again["network"])) == ["as it is", "mine", "lost"]
    assert set(again["image_auroc"][2:4]) == set(numbers["image_auroc"][2:4])
    assert len(search_runs("tags.`adtrack.role` = 'fine-tuning'")) == 2


@pytest.mark.slow
def test_a_feature_map_has_a_row_and_a_point_for_every_image(workplace: Path, tiny_data: Path, experiment) -> None:
    done = experiment("feature_map", "--data", tiny_data, *VIEW, "--methods", "patchcore")
    assert done.code == 0, done.err
    folder = workplace / "tables" / "feature_map"
    places = pd.read_csv(folder / "feature_map.csv")
    assert len(places) == 22 and set(places["set"]) == {"train_clean", "val_clean", "test_clean"}
    assert {"feature_map_part.html", "feature_map_part.png"} <= {file.name for file in folder.iterdir()}
    assert "beside a good one" in done.out


@pytest.mark.slow
def test_hyperparameters_come_from_a_study_that_is_there(
    workplace: Path, tiny_data: Path, adtrack, space, experiment
) -> None:
    view = ("--resize", "64", "--crop", "0", "--weights", "random", "--backbone", "resnet18")
    studied = adtrack("tune", "--class", "part", "--data", tiny_data, *view, *space, "--trials", 4)
    assert studied.code == 0, studied.err
    done = experiment("hyperparameters_under_shift", "--data", tiny_data, *VIEW[:-4])
    assert done.code == 0, done.err
    assert "4 trials of study" in done.err and "Spearman" in done.out
    trials = pd.read_csv(workplace / "tables/hyperparameters_under_shift/hyperparameters_under_shift.csv")
    assert len(trials) == 4


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--methods", "patchcore,magic"), f"method must be one of {', '.join(DETECTORS)}, but got 'magic'."),
        (("--classes", "screw"), "screw"),
        (("--coreset-fraction", "2"), "coreset fraction must be in (0, 1], but got 2.0."),
    ],
)
def test_a_mistake_is_a_sentence(
    options: tuple[str, ...], message: str, workplace: Path, tiny_data: Path, experiment
) -> None:
    done = experiment("shift_regimes", "--data", tiny_data, *VIEW, *options)
    assert done.code == 2 and message in done.err and "Traceback" not in done.err
    assert not (workplace / "tables").exists() or not list((workplace / "tables").rglob("*.csv"))


@pytest.mark.parametrize(
    ("arguments", "code", "said"), [(("nothing",), 2, "No such command 'nothing'"), (("--help",), 0, "What do the met")]
)
def test_the_experiments_are_known_before_their_libraries_are_loaded(
    arguments: tuple[str, ...], code: int, said: str, tmp_path: Path
) -> None:
    (tmp_path / "torch.py").write_text("raise SystemExit('torch is loaded')")
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])}
    command = [sys.executable, "-m", "experiments", *arguments]  # another name for adtrack experiment
    done = subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, text=True, timeout=300)
    assert done.returncode == code and said in done.stdout + done.stderr
    if code == 0:
        assert all(name in done.stdout for name in NAMES)


@pytest.mark.slow
def test_an_experiment_runs_from_the_shell(workplace: Path, tiny_data: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "adtrack",
        "experiment",
        "shift_regimes",
        "--data",
        tiny_data,
        "--methods",
        "patchcore",
        *VIEW,
    ]
    variables = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=workplace, env=variables, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "Tables and charts: tables/shift_regimes" in done.stdout
    assert (workplace / "tables" / "shift_regimes" / "shift_regimes.csv").is_file()


def test_both_pages_quote_the_figures_that_are_kept(tmp_path: Path) -> None:
    from experiments.what_we_found import blocks, write

    pages = {name: (ROOT / name).read_text(encoding="utf-8") for name in blocks()}
    assert re.search(
        r"<!-- figures -->\n\n\| class .*clean reference.*adtrack experiment shift_regimes.*"
        r"<!-- benchmarks -->\n\n\| what ",
        pages["experiments/README.md"],
        re.DOTALL,
    )
    assert re.search(r"<!-- drift -->\n\n- \*\*.*<!-- speed -->\n\n- \*\*", pages["README.md"], re.DOTALL)
    marked = "(<!-- {0} -->).*?(<!-- end of {0} -->)"
    for name, text in pages.items():
        emptied = text
        for block in blocks()[name]:
            emptied = re.sub(marked.format(block), r"\1\nold\n\2", emptied, flags=re.DOTALL)
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(emptied, encoding="utf-8")
        assert emptied != text
    write(tmp_path)
    assert {name: (tmp_path / name).read_text(encoding="utf-8") for name in pages} == pages


def test_a_page_that_has_lost_its_marks_is_named(tmp_path: Path) -> None:
    from experiments.what_we_found import write

    (tmp_path / "README.md").write_text("<!-- drift -->\n<!-- end of drift -->\n", encoding="utf-8")
    with pytest.raises(
        ValueError, match=re.escape("README.md must have the marks of methods once, but has them 0 times.")
    ):
        write(tmp_path)
