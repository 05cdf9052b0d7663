"""Checks of the packages that adtrack needs. The installation is asked, and no package is imported."""

import platform
import tomllib
from importlib.metadata import PackageNotFoundError, metadata, requires, version
from pathlib import Path

from packaging.requirements import Requirement

import adtrack
from adtrack import __version__
from adtrack.findings import BROKEN, NOTE, Check, Finding

GROUP = "Versions"
_SHOWN = ("torch", "torchvision", "mlflow", "optuna", "anomalib")
_FAMILIES = {"torchvision": ("torch",), "mlflow": ("mlflow-skinny", "mlflow-tracing")}


def look_at_versions() -> list[Check]:
    """Checks of Python, of adtrack, of the most important packages, of all others, and of pairs that must match."""
    python, texts = declared()
    wanted = _here(texts)
    shown = [need for need in wanted if need.name in _SHOWN]
    shown.sort(key=lambda need: _SHOWN.index(need.name))
    others = [need for need in wanted if need.name not in _SHOWN]
    unfit = tuple(finding for need in others for finding in unmet(need, "adtrack"))
    return [
        _python(python),
        _adtrack(),
        *(Check(GROUP, need.name, installed(need.name) or "missing", unmet(need, "adtrack")) for need in shown),
        Check(GROUP, "others", f"{len(others) - len(unfit)} of {len(others)} packages as adtrack needs them", unfit),
        _matches(),
    ]


def declared() -> tuple[str, list[str]]:
    """The Python versions and the packages that adtrack needs.

    They are read from the checkout if there is one, as pip's own record is as old as the installation.
    """
    checkout = Path(adtrack.__file__).parents[1] / "pyproject.toml"
    if checkout.is_file():
        project = tomllib.loads(checkout.read_text(encoding="utf-8")).get("project", {})
        if project.get("name") == "adtrack":
            return project["requires-python"], project["dependencies"]
    return metadata("adtrack")["Requires-Python"], requires("adtrack") or []


def _here(texts: list[str]) -> list[Requirement]:
    """The requirements that hold on this platform, without those of extras."""
    found = [Requirement(text) for text in texts]
    return [need for need in found if need.marker is None or need.marker.evaluate({"extra": ""})]


def installed(package: str) -> str | None:
    """The version that is installed, None if none is."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def unmet(need: Requirement, whose: str) -> tuple[Finding, ...]:
    """A finding if the installed version does not meet the requirement ``need`` of the package ``whose``."""
    found = installed(need.name)
    if found is not None and need.specifier.contains(found, prereleases=True):
        return ()
    finding = Finding(
        BROKEN,
        f"{need.name} is {found or 'missing'}, and {whose} needs {need.name}{need.specifier}",
        "adtrack is tested with versions in this range only; with others it may fail, or give other numbers.",
        f"pip install '{need.name}{need.specifier}', or all at once in adtrack's folder: pip install -e .",
    )
    return (finding,)


def _python(bounds: str) -> Check:
    found = platform.python_version()
    if Requirement(f"python{bounds}").specifier.contains(found, prereleases=True):
        return Check(GROUP, "python", found)
    finding = Finding(
        BROKEN,
        f"Python is {found}, and adtrack needs {bounds}",
        "adtrack's code does not run with it.",
        "Make a virtual environment of a newer Python, and install adtrack into it.",
    )
    return Check(GROUP, "python", found, (finding,))


def _adtrack() -> Check:
    if installed("adtrack") == __version__:
        return Check(GROUP, "adtrack", __version__)
    finding = Finding(
        NOTE,
        f"adtrack's code is {__version__}, and it was installed as {installed('adtrack')}",
        "The code was changed after the installation, and what it needs may have changed too.",
        "Run pip install -e . in adtrack's folder again.",
    )
    return Check(GROUP, "adtrack", __version__, (finding,))


def _matches() -> Check:
    """A check that torchvision fits torch and mlflow fits its parts. Wrong pairs can be installed, but fail in use."""
    findings, pairs = [], []
    for package, partners in _FAMILIES.items():
        if installed(package):
            needs = [need for need in _here(requires(package) or []) if need.name in partners]
            findings += [finding for need in needs for finding in unmet(need, f"{package} {installed(package)}")]
            pairs.append(f"{package} with {' and '.join(need.name for need in needs)}")
    return Check(GROUP, "matches", ", ".join(pairs), tuple(findings))
