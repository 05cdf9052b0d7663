"""Whether a model scores as it did before it was exported: the same images through both, and what differs."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import pstdev

import numpy as np

from adtrack.detectors.calibration import ColourRange
from adtrack.edge.engines import Engine

# The most that a score may move, as a share of the standard deviation of all scores, and a pixel of a map, as a share
# of the range of its colours. Rounding in another order moves both far less; a picture's 256 colours do not show it.
TOLERANCE = 0.01


@dataclass(frozen=True)
class TwiceScored:
    """An image's score and label by the registered model and by the exported one.

    ``map_difference`` is the greatest difference between pixels of their maps; None if the method has no maps.
    """

    set_name: str
    path: str
    registered: float
    exported: float
    registered_label: int
    exported_label: int
    map_difference: float | None


@dataclass(frozen=True)
class Differences:
    """The median and the greatest difference of some images' scores and maps, as shares of what is allowed to be
    compared with: the standard deviation of the scores and the range of the colours. ``maps`` is None if there are
    none. ``changed`` counts the images whose label changed."""

    images: int
    scores: tuple[float, float]
    maps: tuple[float, float] | None
    changed: int


@dataclass(frozen=True)
class Agreement:
    """Images that both models have scored, the registered model's threshold, and the range of its colours.

    ``engine`` names what has run the exported model.
    """

    engine: str
    threshold: float
    colours: ColourRange | None
    images: tuple[TwiceScored, ...]

    @cached_property
    def spread(self) -> float:
        """The standard deviation of the registered model's scores; their size if they are all equal."""
        scores = [image.registered for image in self.images]
        return pstdev(scores) or max(map(abs, scores)) or 1.0

    @property
    def sets(self) -> tuple[str, ...]:
        """The names of the image sets."""
        return tuple(dict.fromkeys(image.set_name for image in self.images))

    @property
    def changed(self) -> tuple[TwiceScored, ...]:
        """The images whose label changed."""
        return tuple(image for image in self.images if image.registered_label != image.exported_label)

    def differences(self, set_name: str | None = None) -> Differences:
        """How far the models differ on the images of a set, or on all."""
        chosen = [image for image in self.images if set_name in (None, image.set_name)]
        scores = [abs(image.exported - image.registered) / self.spread for image in chosen]
        pixels = [image.map_difference for image in chosen if image.map_difference is not None]
        maps = None
        if self.colours is not None and pixels:
            maps = _middle_and_most([one / (self.colours.high - self.colours.low) for one in pixels])
        changed = sum(image.registered_label != image.exported_label for image in chosen)
        return Differences(len(chosen), _middle_and_most(scores), maps, changed)

    @property
    def troubles(self) -> tuple[str, ...]:
        """Why the exported model may not be used: a sentence for each reason. None if it may.

        An image whose score is as close to the threshold as a score may move can change its label without any harm.
        """
        found, every = [], self.differences()
        if not every.scores[1] <= TOLERANCE:  # also if it is no number
            found.append(
                f"a score may move by {TOLERANCE:g} of the scores' standard deviation ({self.spread:.4g}), but one "
                f"moved by {every.scores[1]:.3g} of it: {self._worst_score()}."
            )
        if every.maps is not None and not every.maps[1] <= TOLERANCE:
            found.append(
                f"a pixel of a map may move by {TOLERANCE:g} of the range of the colours, but one moved by "
                f"{every.maps[1]:.3g} of it."
            )
        far = [image for image in self.changed if abs(image.registered - self.threshold) > TOLERANCE * self.spread]
        if far:
            found.append(
                f"a label may change only at the threshold ({self.threshold:.6g}), but {len(far)} changed away from "
                f"it: {_told(far[0])}."
            )
        return tuple(found)

    def _worst_score(self) -> str:
        gaps = np.abs([image.exported - image.registered for image in self.images])
        return _told(self.images[int(np.argmax(np.nan_to_num(gaps, nan=np.inf)))])


def compare_engines(
    registered: Engine, exported: Engine, views: Iterable[tuple[str, str, np.ndarray]]
) -> list[TwiceScored]:
    """Score views, each given as image set, path and uint8 (S, S, 3), with both engines."""
    images = []
    for set_name, path, view in views:
        a, b = registered.run(view), exported.run(view)
        images.append(TwiceScored(set_name, path, a.score, b.score, a.label, b.label, _apart(a.map, b.map)))
    return images


def _apart(a: np.ndarray | None, b: np.ndarray | None) -> float | None:
    """The greatest difference between two maps: infinite if only one of them is there, None if neither is."""
    if a is None or b is None:
        return None if a is b else math.inf
    return float(np.abs(a - b).max())


def _middle_and_most(values: Sequence[float]) -> tuple[float, float]:
    """The median and the greatest; NaN if one of them is."""
    return float(np.median(values)), float(np.max(values))


def _told(image: TwiceScored) -> str:
    return f"{image.path} of {image.set_name}, {image.registered:.6g} before and {image.exported:.6g} now"
