"""doctor's look at versions, with packages that are installed in another version for the length of a test."""

from pathlib import Path

import pytest

from adtrack.findings import BROKEN, NOTE, OK, Check
from adtrack.verbs.doctor import versions
from adtrack.verbs.doctor.versions import look_at_versions


def checks() -> dict[str, Check]:
    return {check.name: check for check in look_at_versions()}


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Makes Python find a package in a version, with what it requires."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def record(name: str, version: str, *requires: str) -> None:
        folder = tmp_path / f"{name.replace('-', '_')}-{version}.dist-info"
        folder.mkdir()
        lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
        (folder / "METADATA").write_text("\n".join([*lines, *(f"Requires-Dist: {need}" for need in requires)]) + "\n")

    return record


def test_this_installation_is_in_order() -> None:
    found = checks()
    assert {check.level for check in found.values()} == {OK}
    assert list(found)[:2] == ["python", "adtrack"] and {"torch", "mlflow", "optuna", "anomalib"} < set(found)


def test_a_version_out_of_range_is_broken(install) -> None:
    install("optuna", "4.9.0")
    install("click", "7.0")
    found = checks()
    (finding,) = found["optuna"].findings
    assert finding.level == BROKEN and "optuna is 4.9.0, and adtrack needs optuna" in finding.what
    assert ">=5.0" in finding.remedy and "pip install" in finding.remedy
    assert "click is 7.0" in found["others"].findings[0].what


def test_parts_that_do_not_belong_together_are_broken(install) -> None:
    install("mlflow-skinny", "3.16.0")
    install("torchvision", "0.99.0", "torch==2.99.0")
    said = [finding.what for finding in checks()["matches"].findings]
    assert any(text.startswith("torch is ") and "torchvision 0.99.0 needs torch==2.99.0" in text for text in said)
    assert any(text.startswith("mlflow-skinny is 3.16.0, and mlflow ") for text in said)


def test_a_missing_package_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions, "declared", lambda: (">=3.99", ["optuna", "no-such-package>=1; extra == 'x'"]))
    assert checks()["python"].level == BROKEN and checks()["optuna"].level == OK and checks()["others"].level == OK
    monkeypatch.setattr(versions, "declared", lambda: (">=3.11", ["no-such-package>=1"]))
    assert checks()["others"].findings[0].what == "no-such-package is missing, and adtrack needs no-such-package>=1"


def test_an_installation_older_than_the_code_is_a_note(install) -> None:
    install("adtrack", "0.0.1")
    assert checks()["adtrack"].level == NOTE


def test_outside_a_checkout_the_installation_says_what_is_needed(
    install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install("adtrack", "0.1.0", "optuna>=6", "pytest>=99; extra == 'test'")
    text = (tmp_path / "adtrack-0.1.0.dist-info/METADATA").read_text()
    (tmp_path / "adtrack-0.1.0.dist-info/METADATA").write_text(text + "Requires-Python: >=3.11\n")
    monkeypatch.setattr(versions.adtrack, "__file__", str(tmp_path / "site/adtrack/__init__.py"))
    assert versions.declared() == (">=3.11", ["optuna>=6", "pytest>=99; extra == 'test'"])
    assert checks()["optuna"].level == BROKEN and checks()["others"].detail.startswith("0 of 0")
