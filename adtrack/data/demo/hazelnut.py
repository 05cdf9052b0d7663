"""A hazelnut on a dark ground: a glossy brown shell with streaks from its tip to the pale, rough scar at its base."""

import numpy as np
from scipy import ndimage

from .drawing import (
    SIZE,
    Array,
    Flaw,
    X,
    Y,
    coverage,
    diffuse,
    distance_to_path,
    highlight,
    lamp,
    paint,
    photograph,
    rgb,
    smooth_noise,
    view,
    wandering_path,
)

DEFECTS = {"crack": 2, "hole": 2, "print": 1}  # pixels of the gaps that the mask bridges

RADIUS = 84.0

# Strokes of the letters that a careless stamp leaves, on a grid 2 wide and 4 high.
LETTERS = (
    ((0, 4), (0, 0), (2, 0), (2, 2), (0, 2)),
    ((2, 0), (0, 0), (0, 4), (2, 4)),
    ((0, 4), (1, 0), (2, 4)),
    ((0, 0), (0, 4), (2, 4), (2, 0)),
    ((0, 0), (2, 0), (0, 4), (2, 4)),
    ((0, 4), (0, 0), (2, 4), (2, 0)),
)


def draw(scene: np.random.Generator, flaw: Flaw | None = None) -> Array:
    """A picture of the nut that ``scene`` describes, with the ``flaw``, if there is one."""
    u, v = view(scene, turn=5, shift=4, zoom=0.01)
    light = lamp(scene)
    radius = _outline(u, v, scene)
    edge = np.hypot(u, v) - radius
    shell = _shell(u / radius, v / radius, scene)
    if flaw is not None:
        shell = {"crack": _crack, "hole": _hole, "print": _print}[flaw.kind](shell, u, v, flaw.stream)
    picture = _lit(shell, edge, radius, scene, light)
    return photograph(picture, scene, grain=0.009)


def _outline(u: Array, v: Array, scene: np.random.Generator) -> Array:
    """Radius of the nut in the direction of every pixel: broad at the base (v > 0), pointed at the tip."""
    angle = np.arctan2(u, -v)
    tip = np.exp(-((angle / 0.33) ** 2))
    wide, lean = scene.uniform(-0.006, 0.006, 2)
    wobble = 0.008 * np.sin(3 * angle + scene.uniform(0, 6.3))
    radius: Array = RADIUS * (1 + 0.075 * tip - wide * np.cos(2 * angle) + lean * np.sin(angle) * 0.5 + wobble)
    return radius


def _shell(u: Array, v: Array, scene: np.random.Generator) -> Array:
    """The unlit colours of shell and scar; u and v in radii."""
    brown = rgb(0.60, 0.35, 0.17) + scene.normal(0, 0.005, (3, 1, 1))
    depth = np.sqrt(np.clip(1 - u**2 - v**2, 0, 1))
    longitude = np.arctan2(u, depth + 1e-9) / np.pi + 0.5
    places = np.stack([np.clip((v + 1) / 2, 0, 1), longitude]) * (SIZE - 1)
    grain = 0.06 * smooth_noise(scene, 50, 2.5) + 0.05 * smooth_noise(scene, 50, 6)
    streaks = ndimage.map_coordinates(grain, places, order=1)
    mottle = 0.025 * smooth_noise(scene, 9) + 0.03 * smooth_noise(scene, 1.0)
    shell = brown * (1 + streaks + mottle)
    pale = rgb(0.74, 0.60, 0.42) + scene.normal(0, 0.006, (3, 1, 1))
    rough = 1 + 0.10 * smooth_noise(scene, 1.6) + 0.07 * smooth_noise(scene, 5)
    seam = 0.62 + 0.13 * u**2 + 0.012 * smooth_noise(scene, 4) + 0.03 * np.sin(longitude * 40)
    shell = paint(shell, 0.5 * brown, 0.7 * coverage((seam - 0.03 - v) * RADIUS, 5))
    shell = paint(shell, pale * rough, coverage((seam - v) * RADIUS, 3))
    point = np.hypot(u, v + 0.98) * RADIUS - 9 + 2 * smooth_noise(scene, 2)
    return paint(shell, pale * 0.9, 0.7 * coverage(point, 7))


def _lit(shell: Array, edge: Array, radius: Array, scene: np.random.Generator, light: Array) -> Array:
    """Shell and ground under the lamp, with the nut's shadow."""
    ground = rgb(0.075, 0.08, 0.09) + scene.uniform(-0.004, 0.004)
    ground = ground * (1 + 0.10 * smooth_noise(scene, 0.8) + 0.05 * smooth_noise(scene, 18))
    ground = ground * (0.35 + 0.65 * np.clip(edge / 28, 0, 1))
    reach = np.clip(1 + edge / radius, 0, 1)
    away = np.hypot(X, Y) + 1e-9
    flat = reach / away
    normal = flat * X, flat * Y, np.sqrt(1 - reach**2)
    lit = shell * (0.16 + 0.95 * diffuse(normal, light)) + 0.16 * highlight(normal, light, 26)
    return paint(ground, lit, coverage(edge, 1.5))


def _place(flaw: np.random.Generator) -> Array:
    """A point on the shell that faces the camera and lies clear of the scar."""
    angle, reach = flaw.uniform(0, 2 * np.pi), 45 * np.sqrt(flaw.uniform())
    return np.array([reach * np.cos(angle), reach * np.sin(angle) - 14])


def _crack(shell: Array, u: Array, v: Array, flaw: np.random.Generator) -> Array:
    """A jagged split, wide in the middle, with a pale broken edge."""
    path = wandering_path(flaw, _place(flaw), flaw.uniform(0, np.pi), flaw.uniform(40, 95), 0.2)
    path += flaw.normal(0, 1.3, path.shape)
    distance, progress = distance_to_path(u, v, path)
    split = distance - flaw.uniform(1, 3.8) * np.sin(np.pi * progress) ** 0.6 - 0.3 * smooth_noise(flaw, 1)
    shell = paint(shell, 0.6 * shell + 0.25, 0.65 * coverage(split - 1.4, 2))
    return paint(shell, 0.13 * shell, coverage(split, 1.4))


def _hole(shell: Array, u: Array, v: Array, flaw: np.random.Generator) -> Array:
    """The round hole that a weevil leaves: black, with a gnawed pale rim."""
    centre = _place(flaw)
    edge = np.hypot(u - centre[0], v - centre[1]) - flaw.uniform(4.5, 11) + 0.5 * smooth_noise(flaw, 2)
    shell = paint(shell, 0.55 * shell + 0.27, 0.8 * coverage(edge - 2, 2.5))
    return paint(shell, 0.08 * shell, coverage(edge, 2))


def _print(shell: Array, u: Array, v: Array, flaw: np.random.Generator) -> Array:
    """Two or three stamped letters in pale ink that has not stuck everywhere."""
    centre, tilt, unit = _place(flaw), flaw.uniform(-0.5, 0.5), flaw.uniform(5, 7)
    across = np.cos(tilt) * (u - centre[0]) + np.sin(tilt) * (v - centre[1])
    down = np.cos(tilt) * (v - centre[1]) - np.sin(tilt) * (u - centre[0])
    word = flaw.choice(len(LETTERS), flaw.integers(2, 4), replace=False)
    distance = np.full(u.shape, np.inf)
    for place, letter in enumerate(word):
        corner = np.array([3.2 * (place - (len(word) - 1) / 2) - 1, -2])
        stroke, _ = distance_to_path(across, down, unit * (np.array(LETTERS[letter]) + corner))
        distance = np.minimum(distance, stroke)
    ink = flaw.uniform(0.5, 0.95) * np.clip(0.85 + 0.25 * smooth_noise(flaw, 2), 0, 1)
    return paint(shell, rgb(0.90, 0.87, 0.80), ink * coverage(distance - 1.9, 1.3))
