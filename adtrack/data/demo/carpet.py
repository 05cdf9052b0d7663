"""A plain-woven carpet: thick grey-blue warp and oatmeal weft yarns that pass over and under each other."""

import numpy as np

from .drawing import (
    Array,
    Flaw,
    coverage,
    diffuse,
    distance_to_path,
    lamp,
    normals,
    paint,
    photograph,
    rgb,
    smooth_noise,
    view,
    wandering_path,
)

DEFECTS = {"cut": 2, "hole": 3, "thread": 2}  # pixels of the gaps that the mask bridges

PITCH = 10.0  # from one yarn to the next
THREADS = (rgb(0.62, 0.22, 0.20), rgb(0.95, 0.92, 0.86), rgb(0.12, 0.12, 0.15), rgb(0.75, 0.45, 0.12))
YARNS = 96  # more yarns than any view shows


def draw(scene: np.random.Generator, flaw: Flaw | None = None) -> Array:
    """A picture of the carpet that ``scene`` describes, with the ``flaw``, if there is one."""
    u, v = view(scene, turn=1, shift=12, zoom=0.005)
    light = lamp(scene)
    woven = _weave(u, v, scene, light)
    if flaw is not None:
        woven = {"cut": _cut, "hole": _hole, "thread": _thread}[flaw.kind](woven, u, v, flaw.stream)
    return photograph(woven, scene)


def _weave(u: Array, v: Array, scene: np.random.Generator, light: Array) -> Array:
    u, v = u + 0.35 * smooth_noise(scene, 18), v + 0.35 * smooth_noise(scene, 18)
    u, v = u / PITCH + scene.uniform(0, 2), v / PITCH + scene.uniform(0, 2)
    warp, weft = np.floor(u).astype(int), np.floor(v).astype(int)
    top_warp = _yarn(u - warp) + 0.55 * np.sin(np.pi * v) * (-1.0) ** warp
    top_weft = _yarn(v - weft) - 0.55 * np.sin(np.pi * u) * (-1.0) ** weft
    over = coverage(top_weft - top_warp, 0.25)
    top = np.maximum(top_warp, top_weft)
    bright = 0.25 + 0.85 * diffuse(normals(3.2 * top), light)
    tones = 1 + scene.normal(0, 0.04, (2, YARNS))
    blue = rgb(0.36, 0.43, 0.52) + scene.normal(0, 0.003, (3, 1, 1))
    oats = rgb(0.74, 0.68, 0.57) + scene.normal(0, 0.003, (3, 1, 1))
    twist_warp = 0.09 * np.sin(2 * np.pi * (2.6 * v + 1.4 * u)) + 0.07 * smooth_noise(scene, 2.5, 0.6)
    twist_weft = 0.09 * np.sin(2 * np.pi * (2.6 * u + 1.4 * v)) + 0.07 * smooth_noise(scene, 0.6, 2.5)
    colour = paint(
        oats * (tones[1][weft + YARNS // 2] + twist_weft),
        blue * (tones[0][warp + YARNS // 2] + twist_warp),
        over,
    )
    depth = np.clip(0.55 + 0.35 * top, 0.2, 1.1)
    patchy = 1 + 0.012 * smooth_noise(scene, 20)
    return colour * (bright * depth * patchy)


def _yarn(place: Array) -> Array:
    """Height of a round yarn's surface across its width (``place`` 0 … 1)."""
    return np.sqrt(1 - 0.92 * (2 * place - 1) ** 2)


def _place(flaw: np.random.Generator) -> Array:
    return flaw.uniform(-72, 72, 2)


def _cut(woven: Array, u: Array, v: Array, flaw: np.random.Generator) -> Array:
    """A knife's slit that has opened a little; the cut fibres catch the light along its lips."""
    path = wandering_path(flaw, _place(flaw), flaw.uniform(0, np.pi), flaw.uniform(45, 85), 0.06)
    distance, progress = distance_to_path(u, v, path)
    slit = distance - flaw.uniform(1.4, 4) * np.sin(np.pi * progress) ** 0.5 - 0.5 * smooth_noise(flaw, 1)
    woven = paint(woven, 0.5 * woven + 0.32, 0.5 * coverage(slit - 2, 4))
    return paint(woven, 0.22 * woven, coverage(slit, 1.5))


def _hole(woven: Array, u: Array, v: Array, flaw: np.random.Generator) -> Array:
    """A patch worn down to the dark backing, with a frayed edge."""
    centre = _place(flaw)
    ragged = 1.6 * smooth_noise(flaw, 5) + 0.9 * smooth_noise(flaw, 1.2)
    edge = np.hypot(u - centre[0], v - centre[1]) - flaw.uniform(6, 15) + ragged
    backing = rgb(0.20, 0.17, 0.15) * (1 + 0.2 * smooth_noise(flaw, 1))
    woven = paint(woven, 0.6 * woven, coverage(edge - 2, 6))
    return paint(woven, backing, coverage(edge, 2))


def _thread(woven: Array, u: Array, v: Array, flaw: np.random.Generator) -> Array:
    """A stray twisted thread of another colour that lies on the carpet and casts a shadow."""
    path = wandering_path(flaw, _place(flaw), flaw.uniform(0, np.pi), flaw.uniform(55, 100), 0.32)
    distance, progress = distance_to_path(u, v, path)
    shadow, _ = distance_to_path(u - 1.8, v - 2.2, path)
    width = flaw.uniform(1.5, 3.1)
    twist = 0.8 + 0.2 * np.sin(progress * 150)
    body = np.sqrt(np.clip(1 - (distance / (width + 0.6)) ** 2, 0.1, 1)) * twist
    woven = paint(woven, 0.55 * woven, 0.8 * coverage(shadow - width, 3))
    return paint(woven, THREADS[flaw.integers(len(THREADS))] * body, coverage(distance - width))
