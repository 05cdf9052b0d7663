"""How long a scorer takes for an image, from the file to the score and the anomaly map."""

import statistics
import time

from adtrack.data.imageset import ImageSet
from adtrack.detectors.scorer import Scorer

_IMAGES = 3
TIMES = 3  # that each image is scored: the fastest one shows the scorer, slower ones what else the machine was doing


def milliseconds_once(scorer: Scorer, images: ImageSet, index: int) -> float:
    """The time that one image takes once."""
    started = time.perf_counter()
    image = images.image(index)
    scorer.map(scorer.judge(image), *image.shape[:2])
    return 1000 * (time.perf_counter() - started)


def milliseconds(scorer: Scorer, images: ImageSet, times: int = TIMES) -> float:
    """The median, over three images, of the fastest of so many timings.

    It is indicative: programs that keep the machine busy all the while make it longer.
    """
    milliseconds_once(scorer, images, 0)  # the first one warms up
    fastest = [
        min(milliseconds_once(scorer, images, index) for _ in range(times))
        for index in range(min(_IMAGES, len(images)))
    ]
    return statistics.median(fastest)
