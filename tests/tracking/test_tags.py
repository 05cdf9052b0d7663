"""Tags: one module names them all, and their names are for ever."""

import ast
from pathlib import Path

import adtrack
from adtrack.tracking import tags
from adtrack.tracking.tags import is_ours, named, package_version

ROOT = Path(adtrack.__file__).parent
MODULES = {path.stem for path in ROOT.iterdir()}  # of what else begins with "adtrack."


def written_out(file: Path) -> set[str]:
    """String constants of a module, pieces of f-strings among them, that name a tag of adtrack's."""
    constants = (node.value for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Constant))
    texts = {text for text in constants if isinstance(text, str) and text.isprintable()}
    beginning = {text for text in texts if text.startswith("adtrack.") and text.split(".")[1] not in MODULES}
    return beginning | {text for text in texts if "`adtrack." in text.replace("``", "")}


def test_no_other_module_writes_a_tag_out():
    # What exported files say of themselves begins like a tag.
    files = [file for file in ROOT.rglob("*.py") if file != Path(tags.__file__) and "edge" not in file.parts]
    assert {str(file): found for file in files if (found := written_out(file))} == {}


def test_the_search_for_tags_finds_them(tmp_path):
    file = tmp_path / "module.py"
    file.write_text(
        'a = {"adtrack.role": 1}\nb = f"tags.`adtrack.cell` = {a}"\nc = "adtrack.verbs.x"\nd = "``adtrack.x``"'
    )
    assert written_out(file) == {"adtrack.role", "tags.`adtrack.cell` = "}


def test_names_stay_what_runs_carry():
    found = {value for value in vars(tags).values() if isinstance(value, str) and value.startswith("adtrack.")}
    words = "class method study split_digest role worker version device weights_fell_back model registered trial"
    words += " feasible study_key storage best_run best_trial written_up continued_in experiment cell cells logged_in"
    assert found >= {f"adtrack.{word}" for word in words.split()} | {"adtrack.manifest", "adtrack.champion."}
    assert named("bit_depth") == "adtrack.bit_depth" and package_version("torch") == "adtrack.version.torch"
    assert is_ours("adtrack.role") and not is_ours("mlflow.user")
