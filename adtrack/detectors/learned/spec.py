"""The settings of methods that learn by gradient: how long they learn, in which steps, and when they stop."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ...config import DetectorSpec
from ...settings import NUMBER, SWITCH, WHOLE, at_least, setting, within


def epochs_setting(default: int) -> Any:
    """The field ``epochs`` of a method that learns at most so many by default."""
    words = "Methods that learn: how often they see every Train image, at most."
    return setting(default, WHOLE, words, at_least(1, f"{default} is the usual number."), option=True)


def lr_setting(default: float, tries: Iterable[float] = ()) -> Any:
    """The field ``lr``."""
    check = within(0, 10, f"{default:g} is the usual one.", low_included=False)
    words = "Methods that learn: the step size of their optimiser."
    return setting(default, NUMBER, words, check, tries=tries, brief="lr {:g}", option=True)


def batch_setting(default: int) -> Any:
    """The field ``batch``."""
    words = "Methods that learn: how many images they learn from in one step."
    return setting(default, WHOLE, words, at_least(1, f"{default} is the usual number."), option=True)


def patience_setting(default: int) -> Any:
    """The field ``patience``."""
    words = (
        "Methods that learn: they stop after so many epochs in a row in which the held-out images have not got better."
    )
    return setting(default, WHOLE, words, at_least(1, f"{default} is the usual number."))


@dataclass(frozen=True, kw_only=True)
class LearnedSpec(DetectorSpec):
    """How a method learns by gradient. Methods have fields of their own for what differs from one to the other."""

    epochs: int = epochs_setting(20)
    batch: int = batch_setting(8)
    lr: float = lr_setting(1e-3)
    patience: int = patience_setting(5)
    held_out: float = setting(
        0.2,
        NUMBER,
        "Methods that learn: the share of the good Train images that only tells which epoch is the best.",
        within(0, 0.5, "0.2 is the usual share.", low_included=False),
    )
    mixed_precision: bool = setting(
        False, SWITCH, "Methods that learn: whether a GPU learns with numbers of 16 bits where that is enough."
    )
