"""The affine map of MVTec-Shift: where the pixels of a shifted image come from, and their values there.

The values are those of SciPy's ``affine_transform`` with ``mode="reflect"`` on x86-64, bit for bit: the same float64
sums and products in the same order (``NI_GeometricTransform`` in SciPy's ni_interpolation.c). All channels share the
source points, which SciPy would compute for each, and tiles stay in a core's cache.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .shift import Shift
from .strips import Scratch

_TINY = 1e-15  # in SciPy a point that was reflected at the first pixel is at least so far from -1


@dataclass(frozen=True)
class Warp:
    """The map from an output pixel (row, column) to its source point, in an image of ``height`` × ``width``.

    The source point of pixel (i, j) is ``offset`` + ``matrix`` · (i, j).
    """

    height: int
    width: int
    matrix: np.ndarray
    offset: np.ndarray

    def points(self, rows: slice, columns: slice) -> list[np.ndarray]:
        """Rows and columns of the source points of a tile: two float64 (h, w), reflected at the border.

        Outside, the image goes on as (d c b a | a b c d | d c b a). A point may lie up to one pixel beyond the border,
        where the outermost pixel still counts.
        """
        down = np.arange(rows.start, rows.stop, dtype=np.float64)
        right = np.arange(columns.start, columns.stop, dtype=np.float64)
        found = []
        for side, start, (by_row, by_column) in zip((self.height, self.width), self.offset, self.matrix, strict=True):
            points = (start + by_row * down)[:, None] + by_column * right
            _reflect(points, side)
            found.append(points)
        return found

    def comes_near(self, rows: slice, columns: slice, box: Sequence[np.ndarray]) -> bool:
        """Whether a source point of a tile may lie in a ``box`` or be reflected into it, or lie less than two pixels
        from it. The box is given by its first and last row and its first and last column, int (2,) each.

        An affine map sends a tile to a parallelogram, so that its corners tell. Where these leave the image, points are
        reflected, and nothing is ruled out.
        """
        corners = np.array([(i, j) for i in (rows.start, rows.stop - 1) for j in (columns.start, columns.stop - 1)])
        points = self.offset + corners @ self.matrix.T
        low, high, last = points.min(axis=0), points.max(axis=0), (self.height - 1, self.width - 1)
        first_marked, last_marked = np.transpose(box)
        leaves = bool((low < 0).any() or (high > last).any())
        return leaves or bool((low < last_marked + 2).all() and (high > first_marked - 2).all())


def affine(shift: Shift, height: int, width: int) -> Warp:
    """The map of ``shift``.

    The image is turned counter-clockwise about its centre, cropped and resized to its own size, then moved down and
    to the right. The map is the inverse of that, between pixel centres at half-integers.
    """
    sides = np.array([height, width], dtype=np.float64)
    resize = np.diag([shift.crop_height, shift.crop_width])
    corner = np.array([shift.crop_top, shift.crop_left]) * sides
    move = np.array([shift.translate_y, shift.translate_x]) * sides
    cosine, sine = math.cos(math.radians(shift.angle)), math.sin(math.radians(shift.angle))
    turn = np.array([[cosine, sine], [-sine, cosine]])
    # source + ½ = turn · (corner + resize · (output + ½ − move) − centre) + centre
    offset = turn @ (corner + resize @ (0.5 - move) - sides / 2) + sides / 2 - 0.5
    return Warp(height, width, turn @ resize, offset)


def _reflect(points: np.ndarray, side: int) -> None:
    """Bring the points of a tile along an axis of ``side`` pixels into the image, in place.

    Along rows and along columns the points move evenly. So the first and the last row tell which columns lie inside,
    and these are neighbours: only the columns before and after them need work.
    """
    if side == 1:
        points[...] = 0
        return
    ends = points[[0, -1]]
    inside = np.flatnonzero(((ends >= 0) & (ends < side)).all(axis=0))
    first, last = (inside[0], inside[-1] + 1) if inside.size else (0, 0)
    for part in (points[:, :first], points[:, last:]):
        if part.size:
            part[...] = _reflected(part, side)


def _reflected(points: np.ndarray, side: int) -> np.ndarray:
    """SciPy's ``map_coordinate`` for "reflect"."""
    period, negative = 2 * side, points < 0
    far = (points < -period) | (points >= period)
    if far.any():
        points = np.where(far, points - period * np.trunc(points / period), points)
    if negative.any():
        low = np.where(points < -side, points + period, np.maximum(-points, _TINY) - 1)
        points = np.where(negative, low, points)
    return np.where(points < side, points, period - points - 1)


def framed(plane: np.ndarray) -> np.ndarray:
    """The plane (..., H, W) within a frame one pixel wide that repeats its outermost pixels."""
    return np.pad(plane, [(0, 0)] * (plane.ndim - 2) + [(1, 1), (1, 1)], mode="edge")


def bilinear(planes: np.ndarray, warp: Warp, rows: slice, columns: slice, scratch: Scratch) -> np.ndarray:
    """A tile of the output, float64 (C, h, w), scaled to [0, 1]: values between the pixels of framed planes, uint8.

    A point gets the sum of its four neighbours, each multiplied by the weight of its row, then by that of its column.
    """
    y, x = warp.points(rows, columns)
    top, left = np.floor(y, out=scratch.array("top", y.shape)), np.floor(x, out=scratch.array("left", x.shape))
    source, at = _source(planes, top, left, scratch)
    y -= top
    x -= left
    above, before = np.subtract(1, y, out=top), np.subtract(1, x, out=left)
    below, behind = np.subtract(1, above, out=y), np.subtract(1, before, out=x)
    total, term = (scratch.array(name, (len(planes), *at.shape)) for name in ("total", "term"))
    pixels = source.reshape(len(planes), -1)
    _weighted(pixels, at, above, before, total)
    for step, of_row, of_column in ((1, above, behind), (source.shape[2] - 1, below, before), (1, below, behind)):
        at += step
        _weighted(pixels, at, of_row, of_column, term)
        total += term
    return total


def _weighted(pixels: np.ndarray, at: np.ndarray, of_row: np.ndarray, of_column: np.ndarray, out: np.ndarray) -> None:
    pixels.take(at, axis=1, out=out, mode="wrap")  # none lies outside, and this mode is the fastest
    out *= of_row
    out *= of_column


def _source(planes: np.ndarray, top: np.ndarray, left: np.ndarray, scratch: Scratch) -> tuple[np.ndarray, np.ndarray]:
    """The part of the framed planes that a tile comes from, float64 on [0, 1], and where in it (top, left) lies."""
    first, before = int(top.min()), int(left.min())
    part = planes[:, first + 1 : int(top.max()) + 3, before + 1 : int(left.max()) + 3]
    scaled = scratch.array("scaled", part.shape, np.float32)
    scaled[...] = part
    scaled /= np.float32(255)
    source = scratch.array("source", part.shape)
    source[...] = scaled
    place = np.multiply(top, part.shape[2], out=scratch.array("place", top.shape))
    place += left
    place -= first * part.shape[2] + before
    at = scratch.array("at", top.shape, np.intp)
    at[...] = place
    return source, at


def nearest(plane: np.ndarray, warp: Warp, rows: slice, columns: slice) -> np.ndarray:
    """A tile of the output, (h, w): the nearest pixels of a framed plane."""
    y, x = (np.floor(points + 0.5).astype(np.intp) for points in warp.points(rows, columns))
    nearby: np.ndarray = plane[y + 1, x + 1]
    return nearby
