"""The peak memory of a process that does nothing but score views with one engine."""

from pathlib import Path

import numpy as np

from adtrack.edge.formats import INPUT
from adtrack.edge.sessions import open_session
from adtrack.lab.memory import peak_megabytes


def session_memory(file: Path, views: np.ndarray) -> float:
    """The peak of this process in MB (10⁶ bytes) after an exported model has scored ``views`` uint8 (n, S, S, 3).

    What it loads is what a machine without torch loads.
    """
    session = open_session(file)
    for view in views:
        session({INPUT: view[None]})
    return peak_megabytes()


def torch_memory(folder: Path, views: np.ndarray) -> float:
    """The same of the detector in ``folder``, as ``Scorer.save`` has written it with its trunk."""
    import torch  # which a process that measures a session must not load

    from adtrack.detectors.scorer import Scorer
    from adtrack.edge.engines import Torch

    engine = Torch(Scorer.load(folder, torch.device("cpu"), _not_fetched))
    for view in views:
        engine.run(view)
    return peak_megabytes()


def _not_fetched(run_id: str, path: str) -> str:
    raise FileNotFoundError(path)
