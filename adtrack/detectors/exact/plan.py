"""How the work is cut up, in one record. No value in it shows in any result."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class SearchPlan:
    """The defaults were measured best on the features of ResNets; tests take others, so that small inputs go through
    everything that large ones go through."""

    # Encodings.
    encoding: Literal["fastest", "codes", "principal", "principal codes"] = "fastest"  # for these vectors, here
    encoded_at_once: int = 256  # vectors
    sample: int = 4096  # vectors that stand for all in the choice of the encoding
    asked: int = 64  # vectors of the sample whose nearest other one is looked for
    directions: int = 256  # principal ones at most, if not all

    # Tiles of the distance matrix.
    tile: tuple[int, int] = (1024, 4096)  # rows and columns on the CPU; fewer columns make more rows
    gpu_tile: tuple[int, int] = (8192, 16384)
    block: int = 64  # columns that are ruled out together, by the smallest of their products
    crowd: int = 16  # a row gives up an encoding that leaves it more than one in so many columns of a tile
    pairs: int = 2**20  # that are kept of a strip of tiles before they are settled

    # The search in a bank.
    queries: int = 8192  # that are looked at together by tiles
    products: int = 2**22  # that are kept together where several nearest rows are wanted
    numbers: int = 2**16  # of either side whose differences are computed together

    # The largest distances of image sets.
    bounded: int = 2048  # patches that are compared with the bank's first rows together
    first_rows: int = 128  # that bound the distances of all patches
    goals: tuple[int, int] = (1024, 8)  # rows that close patches are searched in first, and how many times as many next
    leaders: int = 4  # patches of an image that are searched in all rows before others
    remembered: int = 64  # patches of an image whose vectors are kept for larger banks

    # Rounds of the greedy order.
    held_alone: int = 2**14  # points that one thread holds at least, where others hold the rest
    threshold_sample: int = 8192  # points whose gaps stand for all in the choice of a round's threshold
    sample_above: int = 512  # points of that sample that a round looks at
    rows: int = 8192  # points that are compared together
    centres: int = 2048  # centres that points are compared with together
    active: int = 512  # points that the plain loop runs among at most
    steps: int = 32  # of the plain loop before somebody looks at them, which a graphics card would have to wait for


USUAL = SearchPlan()
