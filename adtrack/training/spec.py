"""How a network is fine-tuned: the settings of ``adtrack fine-tune``."""

from dataclasses import dataclass

from ..errors import UserError
from ..settings import LAYERS, NUMBER, WHOLE, at_least, check_settings, setting, whole, within
from ..threshold_spec import AUTO

ROTATION, CUTMIX = "rotation", "cutmix"
TASK_NAMES = (ROTATION, CUTMIX)
DEEPEST, ALL = "deepest", "all"


@dataclass(frozen=True)
class FineTuneSpec:
    """Which task the network learns, which of its layers may change, and how.

    ``layers`` are those that detectors will use: the network is cut after the deepest of them, and the task is solved
    with what that one gives. ``free`` names the layers that learn; the others keep their weights.
    """

    task: str
    layers: tuple[str, ...] = setting(
        (AUTO,),
        LAYERS,
        f"Layers that the network shall keep, joined by +; the deepest solves the task. {AUTO}: those that suit it.",
    )
    free: tuple[str, ...] = setting(
        (DEEPEST,), LAYERS, f"Layers that learn, joined by +; {DEEPEST}: the deepest of --layers, {ALL}: all of them."
    )
    epochs: int = setting(
        20, WHOLE, "How often the network sees every image; of a hundred images, one takes a few seconds.", at_least(1)
    )
    batch: int = setting(8, WHOLE, "Images in one step; cutmix compares the images of a step.", at_least(2))
    lr: float = setting(
        1e-4,
        NUMBER,
        "Step size of the freed layers; the task's own head learns ten times as fast.",
        within(0, 1, "0.0001 is the default.", low_included=False),
    )
    temperature: float = setting(
        0.2,
        NUMBER,
        "cutmix: how sharply views are told apart; smaller is sharper.",
        within(0.01, 10, "0.2 is the default."),
    )
    patience: int = setting(
        3, WHOLE, "Stop after so many epochs in which the held-out images have not got better.", at_least(1)
    )
    held_out: float = setting(
        0.25,
        NUMBER,
        "Share of the good Train images that is only used to see when to stop.",
        within(0, 0.5, "0.25 is the default.", low_included=False),
    )
    seed: int = 42

    def __post_init__(self) -> None:
        if self.task not in TASK_NAMES:
            raise UserError(f"task must be {' or '.join(TASK_NAMES)}, but got {self.task!r}.")
        for name in ("layers", "free"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
            if not all(getattr(self, name)):
                raise UserError(f"{name} must be layer names joined by +, but got an empty one.")
        check_settings(self)
        whole("seed", self.seed, 0)
