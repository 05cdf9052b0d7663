"""What the three products are drawn with: coordinates, smooth noise, antialiased shapes, light and camera.

Pictures are float64 arrays (3, SIZE, SIZE), RGB in [0, 1], colours (3, 1, 1); distances and lengths are pixels.
"""

import hashlib
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

SIZE = 256
Array = NDArray[np.float64]
Y, X = np.mgrid[:SIZE, :SIZE] - (SIZE - 1) / 2  # pixel coordinates from the picture's centre


@dataclass(frozen=True)
class Flaw:
    """A defect of a picture: its kind, and the random stream that says what it looks like."""

    kind: str
    stream: np.random.Generator


def random_stream(key: str) -> np.random.Generator:
    """A generator that depends on ``key`` alone."""
    seed = int.from_bytes(hashlib.sha256(key.encode()).digest(), "big")
    return np.random.Generator(np.random.PCG64(seed))


def view(rng: np.random.Generator, turn: float, shift: float, zoom: float) -> tuple[Array, Array]:
    """The product's own coordinates (u to the right, v down, origin at its centre) of every pixel, (SIZE, SIZE) each.

    It is turned by up to ±``turn`` degrees, moved by up to ±``shift`` pixels and scaled by up to 1 ± ``zoom``.
    """
    angle = np.deg2rad(rng.uniform(-turn, turn))
    right, down = rng.uniform(-shift, shift, 2)
    scale = 1 + rng.uniform(-zoom, zoom)
    x, y = (X - right) / scale, (Y - down) / scale
    return np.cos(angle) * x + np.sin(angle) * y, np.cos(angle) * y - np.sin(angle) * x


@cache
def _blur_matrix(length: int, sigma: float) -> Array:
    """Gaussian weights (length, knots) with rows of unit norm; the knots lie σ apart, at least one pixel."""
    knots = np.arange(-3 * sigma, length + 3 * sigma, max(1.0, sigma))
    weights = np.exp(-((np.arange(length)[:, None] - knots) ** 2) / (2 * sigma**2))
    unit: Array = weights / np.linalg.norm(weights, axis=1, keepdims=True)
    return unit


def smooth_noise(rng: np.random.Generator, down: float, right: float | None = None) -> Array:
    """Gaussian noise of variance 1, (SIZE, SIZE), smooth over ``down`` pixels vertically and ``right`` horizontally."""
    right = down if right is None else right
    if max(down, right) < 6:  # a short filter is faster than a product with many knots
        noise: Array = ndimage.gaussian_filter(
            rng.standard_normal((SIZE, SIZE)), (down, right), mode="wrap", truncate=3
        )
        scaled: Array = noise / noise.std()
        return scaled
    rows, columns = _blur_matrix(SIZE, down), _blur_matrix(SIZE, right)
    knots = rng.standard_normal((rows.shape[1], columns.shape[1]))
    # einsum and not @: it sums in one order on every machine, and starts no BLAS threads beside those that draw.
    blurred: Array = np.einsum("ik,jk->ij", np.einsum("ij,jk->ik", rows, knots), columns)
    return blurred


def coverage(distance: Array, softness: float = 1.0) -> Array:
    """How much of each pixel a shape covers, from its signed distance (negative inside)."""
    return np.clip(0.5 - distance / softness, 0, 1)


def rgb(red: float, green: float, blue: float) -> Array:
    """A colour (3, 1, 1) that multiplies and mixes with (SIZE, SIZE) arrays."""
    return np.array([red, green, blue])[:, None, None]


def paint(picture: Array, colour: Array, alpha: Array) -> Array:
    """``colour``, one or a picture of them, laid over ``picture`` with opacity ``alpha`` (SIZE, SIZE)."""
    return picture + alpha * (colour - picture)


def distance_to_path(u: Array, v: Array, path: Array, reach: float = 16) -> tuple[Array, Array]:
    """Distance to the polyline ``path`` (points, 2), and how far along it (0 … 1) the nearest point lies.

    Further than ``reach`` from the path's bounding box the distance is infinite: nothing is drawn there.
    """
    least, most = path.min(0) - reach, path.max(0) + reach
    near = (u > least[0]) & (u < most[0]) & (v > least[1]) & (v < most[1])
    points = np.stack([u[near], v[near]], 1)[:, None]
    steps = np.diff(path, axis=0)
    along = np.clip(((points - path[:-1]) * steps).sum(-1) / (steps**2).sum(-1), 0, 1)
    distances = np.linalg.norm(points - path[:-1] - along[..., None] * steps, axis=-1)
    closest = distances.argmin(1)
    rows = np.arange(len(closest))
    distance, progress = np.full(u.shape, np.inf), np.zeros(u.shape)
    distance[near] = distances[rows, closest]
    progress[near] = (closest + along[rows, closest]) / len(steps)
    return distance, progress


def wandering_path(rng: np.random.Generator, centre: Array, angle: float, length: float, bend: float) -> Array:
    """A polyline (13, 2) around ``centre`` that starts off at ``angle`` and turns by about ``bend`` rad a step."""
    turns = angle + np.cumsum(rng.normal(0, bend, 12))
    steps = length / 12 * np.stack([np.cos(turns), np.sin(turns)], 1)
    path = np.concatenate([np.zeros((1, 2)), np.cumsum(steps, 0)])
    around: Array = path - path.mean(0) + centre
    return around


def normals(height: Array) -> tuple[Array, Array, Array]:
    """x, y and z of the unit normals of a height field in pixels."""
    down, right = np.gradient(height)
    upright = 1 / np.sqrt(1 + down**2 + right**2)
    return -right * upright, -down * upright, upright


def diffuse(normal: tuple[Array, Array, Array], light: Array) -> Array:
    """Lambert's light in [0, 1] on a surface; ``light`` points to the lamp, unit length."""
    x, y, z = normal
    lit: Array = np.clip(x * light[0] + y * light[1] + z * light[2], 0, 1)
    return lit


def highlight(normal: tuple[Array, Array, Array], light: Array, gloss: int) -> Array:
    """Blinn and Phong's specular light in [0, 1] for an eye straight above; a larger ``gloss`` is a smaller spot."""
    halfway = light + np.array([0.0, 0.0, 1.0])
    return diffuse(normal, halfway / np.linalg.norm(halfway)) ** gloss


def lamp(rng: np.random.Generator) -> Array:
    """Direction to a lamp up and to the left, which moves a little from picture to picture: unit length."""
    light = np.array([-0.45, -0.6, 0.9]) + rng.uniform(-0.06, 0.06, 3)
    unit: Array = light / np.linalg.norm(light)
    return unit


def photograph(picture: Array, rng: np.random.Generator, grain: float = 0.012) -> Array:
    """The picture as a camera records it: exposure, white balance, uneven light, a vignette, grain."""
    x, y = X / (SIZE / 2), Y / (SIZE / 2)
    slope_x, slope_y = rng.uniform(-0.015, 0.015, 2)
    light = rng.uniform(0.99, 1.01) * (1 + slope_x * x + slope_y * y - 0.06 * (x**2 + y**2))
    balance = rng.uniform(0.996, 1.004, (3, 1, 1))
    recorded: Array = np.clip(picture * light * balance + grain * rng.standard_normal(picture.shape), 0, 1)
    return recorded


def changed(clean: Array, flawed: Array, bridge: int, least: float = 0.03) -> NDArray[np.bool_]:
    """Where a defect shows: the pixels in which two pictures differ, gaps of up to 2 × ``bridge`` pixels closed."""
    differs = np.abs(clean - flawed).max(0) > least
    side = np.arange(-bridge, bridge + 1)
    disc = np.hypot(side, side[:, None]) <= bridge
    closed = ndimage.binary_closing(np.pad(differs, bridge), disc)[bridge:-bridge, bridge:-bridge]
    filled: NDArray[np.bool_] = ndimage.binary_fill_holes(closed)
    return filled
