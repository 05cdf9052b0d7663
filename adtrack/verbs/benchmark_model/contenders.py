"""The files of the engines that benchmark-model compares, and the memory that each takes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from adtrack.detectors.scorer import Scorer
from adtrack.edge.engines import Torch, open_engine
from adtrack.edge.formats import FORMATS
from adtrack.edge.int8 import Int8Model, SetLoss, make_int8
from adtrack.edge.model_file import megabytes, write_model
from adtrack.edge.timing import Contender
from adtrack.evaluation.workbench import Workbench
from adtrack.lab.engine_memory import session_memory, torch_memory
from adtrack.lab.own_process import in_own_process
from adtrack.verbs.benchmark_model.asked import INT8, TORCH


@dataclass(frozen=True, eq=False)
class Prepared:
    """The files of some engines by their names. That of torch is a folder. ``losses`` are what those of 8 bits have
    lost."""

    scorer: Scorer
    files: Mapping[str, Path]
    losses: Mapping[str, tuple[SetLoss, ...]]

    def contenders(self, threads: int) -> list[Contender]:
        """The engines, each with so many threads."""
        return [
            Contender(name, threads, Torch(self.scorer) if name == TORCH else open_engine(file, threads))
            for name, file in self.files.items()
        ]

    def megabytes(self, name: str) -> float:
        """The size of an engine's files in MB (10⁶ bytes)."""
        file = self.files[name]
        if not file.is_dir():
            return megabytes(file)
        return sum(part.stat().st_size for part in file.rglob("*") if part.is_file()) / 1e6

    def memory(self, name: str, views: np.ndarray) -> float:
        """The peak memory, in MB, of a fresh process that scores ``views`` uint8 (n, S, S, 3) with an engine."""
        return in_own_process(torch_memory if name == TORCH else session_memory, self.files[name], views)


def prepare(scorer: Scorer, engines: Sequence[str], bench: Workbench | None, folder: Path) -> Prepared:
    """Write the files of the engines below ``folder``. Those of 8 bits are fitted anew, for which they need the
    ``bench`` of the model's class."""
    files: dict[str, Path] = {}
    losses: dict[str, tuple[SetLoss, ...]] = {}
    for name in engines:
        place = folder / name
        place.mkdir()
        if name == TORCH:
            scorer.save(place, with_trunk=True)
            files[name] = place
            continue
        format_name = name.removesuffix(INT8)
        model: Scorer | Int8Model = scorer
        if name.endswith(INT8) and bench is not None:
            scratch = folder / f"network of {name}"
            scratch.mkdir()
            model = make_int8(bench, scorer, FORMATS[format_name].suffixes[0], scratch)
            losses[name] = model.losses
        files[name] = write_model(model, format_name, place / "model")
    return Prepared(scorer, files, losses)
