"""How long does MVTec-Shift of one image take?

Colour images of three sizes go through the same drawn shift by adtrack and by the plain steps, SciPy and NumPy on
whole images, in turn on one core; then two images on two threads. Both give the same bits, or the benchmark stops.

\b
Command:  python -m experiments.benchmarks.shifting
Cost:     a minute.
Result:   experiments/results/benchmarks.csv
"""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import click
import numpy as np

from adtrack.data.shift import Shift, draw_shift
from adtrack.data.transform import shift_image
from experiments.benchmarks.common import in_turns, report
from tests.data import plain_transform as plain

SIDES = (256, 1024, 2048)
OURS = "adtrack"


def image_and_shift(side: int, number: int = 0) -> tuple[np.ndarray, Shift]:
    """Pixels uint8 (side, side, 3) at random, and a shift with linear light or none and a blur of five taps."""
    image = np.random.default_rng(number).integers(0, 256, (side, side, 3), dtype=np.uint8)
    shifts = (draw_shift(f"{number}/{attempt}.png", 42) for attempt in range(1000))
    return image, next(shift for shift in shifts if shift.blur_kernel == 5 and shift.illumination in ("left", "right"))


def contenders(side: int) -> dict[str, Callable[[], np.ndarray]]:
    """One image of this size through adtrack and through the plain steps, which must agree."""
    image, shift = image_and_shift(side)
    works = {
        OURS: lambda: shift_image(image, shift),
        "SciPy and NumPy on whole images": lambda: plain.shift_image(image, shift),
    }
    first, second = (work() for work in works.values())
    np.testing.assert_array_equal(first, second)
    return works


def least_cpu_seconds(works: dict[str, Callable[[], np.ndarray]], turns: int) -> dict[str, float]:
    """The least processor time of each work, all in turn: other programs on the machine hardly lengthen it."""
    least = dict.fromkeys(works, np.inf)
    for _ in range(turns):
        for name, work in works.items():
            started = time.process_time()
            work()
            least[name] = min(least[name], time.process_time() - started)
    return least


def one_and_two(side: int, pool: ThreadPoolExecutor) -> dict[str, Callable[[], object]]:
    """Two images on two threads, and one image."""
    pairs = [image_and_shift(side, number) for number in range(2)]
    return {
        "one image": lambda: shift_image(*pairs[0]),
        "two images on two threads": lambda: list(pool.map(lambda pair: shift_image(*pair), pairs)),
    }


@click.command(help=__doc__)
def main() -> None:
    for side in SIDES:
        report("shift", f"{side}², processor time", least_cpu_seconds(contenders(side), 9), OURS)
    with ThreadPoolExecutor(2) as pool:
        report("shift on threads", "1024², median of 9", in_turns(one_and_two(1024, pool), 9), "one image")


if __name__ == "__main__":
    main()
