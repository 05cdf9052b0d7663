"""Runs models on views: exported ones through ONNX Runtime or OpenVINO, and a detector itself through torch."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from adtrack.data.loading import normalised
from adtrack.detectors.maps import view_map
from adtrack.detectors.scorer import Scorer
from adtrack.edge.formats import INPUT, LABEL, MAP, SCORE
from adtrack.edge.sessions import Session, open_session


@dataclass(frozen=True)
class ViewJudgement:
    """What a model finds in a view: the score, 1 if it is anomalous and else 0, and the anomaly map of the view.

    ``map`` is float32 (S, S); None if the method has no maps.
    """

    score: float
    label: int
    map: np.ndarray | None


class Engine(ABC):
    """Something that scores views; ``name`` says what it is in tables."""

    name: str

    @abstractmethod
    def run(self, view: np.ndarray) -> ViewJudgement:
        """Score one view uint8 (S, S, 3), whose size must be the one that the model was made for."""


class Exported(Engine):
    """An exported model, through the library of its ``session``."""

    def __init__(self, session: Session) -> None:
        self.name, self._session = session.name, session

    def run(self, view: np.ndarray) -> ViewJudgement:
        """Score one view uint8 (S, S, 3)."""
        outputs = self._session({INPUT: view[None]})
        drawn = outputs.get(MAP)
        map_ = None if drawn is None else np.asarray(drawn[0], dtype=np.float32)
        return ViewJudgement(float(outputs[SCORE][0]), int(outputs[LABEL][0]), map_)


class Torch(Engine):
    """The registered detector itself, as every verb of adtrack runs it."""

    name = "torch"

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer

    def run(self, view: np.ndarray) -> ViewJudgement:
        """Score one view uint8 (S, S, 3)."""
        scorer = self._scorer
        judged = scorer.judge_outputs(scorer.backbone(torch.from_numpy(normalised(view, scorer.image))[None]))
        drawn, grid = None, scorer.detector.grid
        if judged.patches is not None and grid is not None:
            cells = torch.from_numpy(judged.patches)
            drawn = view_map(cells, grid, scorer.image.size, scorer.detector.smoothing).float().numpy()
        return ViewJudgement(judged.score, int(judged.anomalous), drawn)


def open_engine(file: Path, threads: int = 1) -> Engine:
    """The engine of an exported model, with so many threads. UserError: the file cannot be used."""
    return Exported(open_session(file, threads))
