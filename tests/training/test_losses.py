"""The losses of the tasks beside plain loops over rows."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from adtrack.training.losses import contrastive_figures, rotation_figures


def outputs(rows: int, width: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((rows, width)).astype(np.float32)


def plain_rotation(rows: np.ndarray) -> tuple[float, float]:
    losses, right = [], []
    for place, row in enumerate(rows.astype(np.float64).tolist()):
        losses.append(math.log(sum(map(math.exp, row))) - row[place % 4])
        right.append(row[place % 4] == max(row))
    return float(np.mean(losses)), float(np.mean(right))


def plain_contrastive(rows: np.ndarray, temperature: float) -> tuple[float, float, float]:
    rows = rows.astype(np.float64) / np.linalg.norm(rows.astype(np.float64), axis=1, keepdims=True)
    images = [(rows[at], rows[at + 1], rows[at + 2]) for at in range(0, len(rows), 3)]
    losses, right, told = [], [], []
    for index, (first, second, anomaly) in enumerate(images):
        others = [view for place, trio in enumerate(images) if place != index for view in trio[:2]]
        anomalies = [one for _, _, one in images]
        for view, partner in ((first, second), (second, first)):
            attracting = view @ partner / temperature
            repelling = [view @ one / temperature for one in [*others, *anomalies]]
            losses.append(math.log(sum(map(math.exp, [attracting, *repelling]))) - attracting)
            right.append(attracting > max(repelling))
            told.append(view @ partner > view @ anomaly)
    return float(np.mean(losses)), float(np.mean(right)), float(np.mean(told))


@given(st.integers(1, 6), st.integers(0, 10**6))
def test_turns_are_told_as_in_a_plain_loop(images: int, seed: int) -> None:
    rows = outputs(4 * images, 4, seed)
    found = rotation_figures(torch.from_numpy(rows))
    assert (float(found["loss"]), float(found["accuracy"])) == pytest.approx(plain_rotation(rows), rel=1e-5, abs=1e-6)


@given(st.integers(1, 6), st.integers(2, 9), st.sampled_from([0.1, 0.5, 1.0]), st.integers(0, 10**6))
def test_views_attract_as_in_a_plain_loop(images: int, width: int, temperature: float, seed: int) -> None:
    rows = outputs(3 * images, width, seed)
    found = contrastive_figures(torch.from_numpy(rows), temperature)
    figures = [float(found[name]) for name in ("loss", "accuracy", "told_apart")]
    assert figures == pytest.approx(plain_contrastive(rows, temperature), rel=1e-4, abs=1e-5)


def test_what_is_perfect_has_no_loss() -> None:
    turns = torch.eye(4).repeat(3, 1) * 50
    assert float(rotation_figures(turns)["loss"]) < 1e-6 and float(rotation_figures(turns)["accuracy"]) == 1
    axes = torch.eye(4)
    rows = torch.stack([axes[0], axes[0], axes[1], axes[2], axes[2], axes[3]])
    found = contrastive_figures(rows, 0.02)
    assert float(found["loss"]) < 1e-6 and float(found["accuracy"]) == float(found["told_apart"]) == 1
