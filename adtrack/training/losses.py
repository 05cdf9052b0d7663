"""The losses of the tasks that need no labels."""

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize

TURNS = 4  # quarter turns that are told apart


def rotation_figures(outputs: Tensor) -> dict[str, Tensor]:
    """Loss and accuracy of recognising turns: rows k, k + 1, k + 2, k + 3 are an image turned 0, 1, 2 and 3 times."""
    turns = torch.arange(TURNS, device=outputs.device).repeat(len(outputs) // TURNS)
    right = outputs.argmax(dim=1) == turns
    return {"loss": cross_entropy(outputs, turns), "accuracy": right.float().mean()}


def contrastive_figures(outputs: Tensor, temperature: float) -> dict[str, Tensor]:
    """Loss and accuracies of telling two views of an image from all else: rows are a view, another view of the same
    image, and an anomaly made of it, for one image after the other.

    The loss is NT-Xent (Chen et al., 2020): cosine similarities, divided by the temperature, of a view to its other
    view against those to all other views; here also to all anomalies, which attract nothing. ``accuracy`` is the share
    of views that are nearest to their other view, and ``told_apart`` that of views that are nearer to it than to their
    own anomaly.
    """
    first, second, anomalies = normalize(outputs, dim=1).view(-1, 3, outputs.shape[1]).unbind(dim=1)
    views, count = torch.cat([first, second]), len(first)
    similarities = views @ torch.cat([views, anomalies]).T / temperature
    same = torch.eye(2 * count, 3 * count, dtype=torch.bool, device=outputs.device)
    similarities = similarities.masked_fill(same, -torch.inf)
    other = torch.arange(2 * count, device=outputs.device).roll(count)
    own_anomaly = 2 * count + torch.arange(count, device=outputs.device).repeat(2)
    rows = torch.arange(2 * count, device=outputs.device)
    told = similarities[rows, other] > similarities[rows, own_anomaly]
    return {
        "loss": cross_entropy(similarities, other),
        "accuracy": (similarities.argmax(dim=1) == other).float().mean(),
        "told_apart": told.float().mean(),
    }
