"""How long models take from a photo's file to its score, part by part, side by side in one process."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

import numpy as np
import torch

from adtrack.data.loading import squeezed
from adtrack.detectors.scorer import Scorer
from adtrack.edge.engines import Engine
from adtrack.progress import track

PARTS = ("decode", "view", "graph")
_WARM_UP = 3  # turns that are not counted


@dataclass(frozen=True)
class Contender:
    """An engine that scores a model's views with so many threads. ``name`` is what it is called among others."""

    name: str
    threads: int
    engine: Engine


@dataclass(frozen=True, eq=False)
class Times:
    """Milliseconds float64 (n, 3) that a contender took for n photos, in the order of ``PARTS``.

    ``decode`` reads and decodes the file, ``view`` squeezes and crops the image, and ``graph`` is all that the engine
    computes of the view: the network, the score and the anomaly map.
    """

    name: str
    threads: int
    milliseconds: np.ndarray

    @property
    def median(self) -> float:
        """From file to score."""
        return float(np.median(self.milliseconds.sum(axis=1)))

    @property
    def p95(self) -> float:
        """From file to score, the 95th percentile."""
        return float(np.percentile(self.milliseconds.sum(axis=1), 95))

    def part(self, name: str) -> float:
        """The median of a part."""
        return float(np.median(self.milliseconds[:, PARTS.index(name)]))


def time_in_turns(
    scorer: Scorer,
    photos: Sequence[Path],
    contenders: Sequence[Contender],
    turns: int,
    clock: Callable[[], float] = time.perf_counter,
) -> list[Times]:
    """Time contenders on so many photos, which are taken again if there are fewer.

    In each turn every contender scores the same photo, so that whatever else the machine does meets all of them alike.
    ``scorer`` says how files are read and how views are made of them. ``clock`` gives seconds.
    UserError: a photo cannot be read.
    """
    before = torch.get_num_threads()
    taken: list[list[tuple[float, ...]]] = [[] for _ in contenders]
    try:
        chosen = islice(cycle(photos), _WARM_UP + turns)
        for photo in track(chosen, "Timing", _WARM_UP + turns):
            for times, contender in zip(taken, contenders, strict=True):
                torch.set_num_threads(contender.threads)
                times.append(tuple(_once(scorer, photo, contender.engine, clock)))
    finally:
        torch.set_num_threads(before)
    return [
        Times(contender.name, contender.threads, np.array(times[_WARM_UP:]))
        for contender, times in zip(contenders, taken, strict=True)
    ]


def _once(scorer: Scorer, photo: Path, engine: Engine, clock: Callable[[], float]) -> Iterator[float]:
    """The milliseconds of each part."""
    started = clock()
    image = scorer.read(photo, str(photo))
    decoded = clock()
    yield 1000 * (decoded - started)
    view = squeezed(image, scorer.image)
    seen = clock()
    yield 1000 * (seen - decoded)
    engine.run(view)
    yield 1000 * (clock() - seen)
