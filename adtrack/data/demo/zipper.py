"""A closed zipper: two rows of brass teeth, corded and stitched to a dark herringbone tape, on a pale table."""

import numpy as np

from .drawing import (
    Array,
    Flaw,
    coverage,
    diffuse,
    distance_to_path,
    highlight,
    lamp,
    normals,
    paint,
    photograph,
    rgb,
    smooth_noise,
    view,
    wandering_path,
)

DEFECTS = {
    "broken_teeth": 5,
    "fabric_tear": 2,
    "split_teeth": 11,
}  # pixels of the gaps that the mask bridges

PITCH = 15.0  # from one tooth of a row to the next
HEAD = 7.0  # how far a tooth reaches across the centre line
ROOT = 23.0  # where a tooth ends, on its own side
TAPE = 97.0  # half the width of the tape
ROWS = 64  # more teeth than any view shows


def draw(scene: np.random.Generator, flaw: Flaw | None = None) -> Array:
    """A picture of the zipper that ``scene`` describes, with the ``flaw``, if there is one."""
    u, v = view(scene, turn=1.5, shift=4, zoom=0.015)
    v = v + scene.uniform(0, PITCH)
    u = u + scene.uniform(0.5, 2) * np.sin(v / scene.uniform(60, 90) + scene.uniform(0, 6.3))
    light = lamp(scene)
    picture = _table(scene)
    lengths = np.full((2, ROWS), HEAD) + scene.normal(0, 0.3, (2, ROWS))
    if flaw is not None and flaw.kind == "broken_teeth":
        lengths = _break(lengths, flaw.stream)
    gap = _split(v, flaw.stream) if flaw is not None and flaw.kind == "split_teeth" else np.zeros_like(v)
    across = np.abs(u) - gap * np.clip((46 - np.abs(u)) / 22, 0, 1)  # the seam holds the cloth
    hole = _tear(u, v, flaw.stream) if flaw is not None and flaw.kind == "fabric_tear" else None
    picture = _tape(picture, across, v, scene, light, hole)
    picture = _teeth(picture, u, v, gap, lengths, scene, light)
    return photograph(picture, scene)


def _table(scene: np.random.Generator) -> Array:
    tone = rgb(0.80, 0.79, 0.76) + scene.uniform(-0.008, 0.008)
    return tone + 0.012 * smooth_noise(scene, 2)


def _tape(
    picture: Array, across: Array, v: Array, scene: np.random.Generator, light: Array, hole: Array | None
) -> Array:
    """The cloth from the cord outwards; ``hole`` is the signed distance to a tear."""
    cloth = rgb(0.13, 0.16, 0.25) + scene.normal(0, 0.002, (3, 1, 1))
    chevron = np.abs(across % 22 - 11)
    weave = 0.5 + 0.5 * np.sin(2 * np.pi * (v + chevron) / 4.4)
    fuzz = 0.10 * smooth_noise(scene, 0.8) + 0.03 * smooth_noise(scene, 12)
    height = 3.5 * np.sqrt(np.clip(1 - ((across - 26) / 6) ** 2, 0, 1)) + 0.35 * weave
    bright = 1.25 * (0.55 + 0.35 * weave + fuzz) * (0.35 + diffuse(normals(height), light))
    tape = cloth * bright
    stitch = np.maximum(np.abs(across - 44) - 1.3, np.abs(v % 9 - 4.5) - 3.2)
    tape = paint(tape, cloth * 2.1 + 0.05, 0.75 * coverage(stitch))
    shape = across - TAPE + 0.7 * smooth_noise(scene, 1.5)
    shadow = coverage(shape - 5, 12)
    picture = paint(picture, picture * 0.6, shadow)
    slit = coverage(across - 20)
    picture = paint(picture, rgb(0.06, 0.06, 0.075), slit)
    cover = coverage(shape) * (1 - slit)
    if hole is not None:
        tape = paint(tape, cloth * 2.2 + 0.06, 0.6 * coverage(hole - 1.5, 3))
        bridging = coverage(np.abs(v % 4.4 - 2.2) - 0.45)
        cover = cover * (1 - coverage(hole) * (1 - 0.6 * bridging))
    return paint(picture, tape, cover)


def _teeth(
    picture: Array, u: Array, v: Array, gap: Array, lengths: Array, scene: np.random.Generator, light: Array
) -> Array:
    """Two rows of rounded metal bars, half a pitch apart, each reaching a little across the centre line."""
    metal = rgb(0.80, 0.66, 0.38) + scene.normal(0, 0.006, (3, 1, 1))
    tone = 1 + scene.normal(0, 0.03, (2, ROWS))
    distance, tones = np.full(u.shape, np.inf), np.ones(u.shape)
    for row, side in enumerate((-1, 1)):
        across = side * u - gap
        place = v / PITCH + row / 2
        index = np.floor(place).astype(int) + ROWS // 2
        along = (place - np.floor(place) - 0.5) * PITCH
        middle, half = (ROOT - lengths[row][index]) / 2, (ROOT + lengths[row][index]) / 2
        thick = 3.5 + 0.5 * coverage(across - middle + half - 7, 6)
        box_u, box_v = np.abs(across - middle) - half + 2.5, np.abs(along) - thick + 2.5
        bar = np.hypot(np.maximum(box_u, 0), np.maximum(box_v, 0)) + np.minimum(np.maximum(box_u, box_v), 0) - 2.5
        tones = np.where(bar < distance, tone[row][index], tones)
        distance = np.minimum(distance, bar)
    height = 2.6 * np.sqrt(1 - np.clip(1 + distance / 3.4, 0, 1) ** 2)
    normal = normals(height)
    bright = tones * (0.18 + 0.85 * diffuse(normal, light)) * (1 + 0.04 * smooth_noise(scene, 0.7, 2))
    metallic = metal * bright + 0.35 * highlight(normal, light, 36)
    picture = paint(picture, rgb(0, 0, 0), 0.65 * coverage(distance - 1.5, 5))
    return paint(picture, metallic, coverage(distance))


def _break(lengths: Array, flaw: np.random.Generator) -> Array:
    """One to four neighbouring teeth of a row lose their heads, or nearly all of their length."""
    row, first, count = flaw.integers(2), ROWS // 2 + flaw.integers(-6, 5), flaw.integers(1, 5)
    broken = lengths.copy()
    broken[row, first : first + count] = -flaw.uniform(5, 18, count)
    return broken


def _split(v: Array, flaw: np.random.Generator) -> Array:
    """How far each row has moved outwards: a smooth bulge somewhere along the zipper."""
    return flaw.uniform(3.5, 9) * np.exp(-(((v - flaw.uniform(-60, 60)) / flaw.uniform(18, 34)) ** 2))


def _tear(u: Array, v: Array, flaw: np.random.Generator) -> Array:
    """Signed distance to a spindle-shaped tear beside the seam, ragged at its edges."""
    centre = np.array([flaw.choice((-1, 1)) * flaw.uniform(58, 80), flaw.uniform(-70, 70)])
    path = wandering_path(flaw, centre, np.pi / 2 + flaw.uniform(-0.6, 0.6), flaw.uniform(24, 58), 0.12)
    distance, progress = distance_to_path(u, v, path)
    width = flaw.uniform(2.0, 6.5) * np.sin(np.pi * progress) ** 0.7
    return distance - width - 0.9 * smooth_noise(flaw, 1.2)
