"""Experiment tracking for industrial visual anomaly detection, built on MLflow.

``adtrack.fit`` makes a model of good images, ``adtrack.load`` reads one, ``adtrack.tune`` searches the best one for a
class; see ``adtrack.api``. They are imported when they are first used, because what they need takes seconds to load.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from adtrack.api import Model, Result, Study, fit, load, tune

__version__ = "0.1.0"
__all__ = ["Model", "Result", "Study", "fit", "load", "tune"]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # By its name, so that the checks of the layers do not take whoever imports the package for a user of its top floor.
    return getattr(importlib.import_module("adtrack.api"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
