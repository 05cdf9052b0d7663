"""A method as anybody may add it, in three kinds: with maps, for whole images only, and of the views alone.

An image is as anomalous as its outputs are far from the mean of those of good images.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, ClassVar

from adtrack.config import VIEW, DetectorSpec
from adtrack.detectors.contract import Detector, FitResult, Scores
from adtrack.errors import UserError
from adtrack.settings import NUMBER, TEXT, setting, within

if TYPE_CHECKING:
    from pathlib import Path

    import torch
    from torch import Tensor

    from adtrack.detectors.training import TrainingSet
    from adtrack.features.grids import Grid

_FILE = "mean.safetensors"


@dataclass(frozen=True)
class PowerSpec(DetectorSpec):
    """What the three have in common."""

    power: float = setting(
        1.0,
        NUMBER,
        "Far: the power that distances are raised to.",
        within(0, 4, "1 leaves them as they are.", low_included=False),
        tries=(1.0, 2.0),
        brief="^{:g}",
        option=True,
    )


@dataclass(frozen=True)
class FarSpec(PowerSpec):
    """Of one layer's outputs."""

    layer: str = setting(
        "layer2", TEXT, "Far: the layer.", key="far_layer", tries=("layer1", "layer2"), brief="{}", option=True
    )
    _: KW_ONLY
    method: str = "far"

    @property
    def inputs(self) -> tuple[str, ...]:
        return (self.layer,)


@dataclass(frozen=True)
class FarImageSpec(FarSpec):
    """Of one layer's outputs, averaged over the image."""

    _: KW_ONLY
    method: str = "far-image"


@dataclass(frozen=True)
class FarViewSpec(PowerSpec):
    """Of the colours of the view: no network is needed."""

    _: KW_ONLY
    method: str = "far-view"

    @property
    def inputs(self) -> tuple[str, ...]:
        return (VIEW,)


class Far(Detector[PowerSpec]):
    """One mean of all positions of all good images."""

    spec_type: ClassVar[type[PowerSpec]] = FarSpec
    name = "Far"
    rows_called = "means"

    def __init__(self, spec: PowerSpec, mean: Tensor, grids: Mapping[str, Grid]) -> None:
        self.spec, self.mean, self.grids = spec, mean, {name: grids[name] for name in spec.inputs}

    @classmethod
    def fit(cls, train: TrainingSet, spec: PowerSpec) -> FitResult[PowerSpec]:
        import torch

        means = [outputs[name].double().mean(dim=(0, 2, 3)) for outputs in train.images() for name in spec.inputs]
        return FitResult(cls(spec, torch.stack(means).mean(dim=0), train.grids))

    @property
    def grid(self) -> Grid | None:
        return self.grids[self.spec.inputs[0]]

    @property
    def rows(self) -> int:
        return 1

    @property
    def megabytes(self) -> float:
        return self.mean.nbytes / 1e6

    def score(self, batch: Mapping[str, Tensor]) -> Scores:
        import torch

        patches = torch.stack([self._far(image) for image in batch[self.spec.inputs[0]]])
        return Scores(patches.amax(dim=(1, 2)).cpu().numpy(), patches.float().cpu().numpy())

    def _far(self, image: Tensor) -> Tensor:
        far: Tensor = (image.double() - self.mean[:, None, None]).norm(dim=0) ** self.spec.power
        return far

    def state(self) -> Mapping[str, Tensor]:
        return {"mean": self.mean}

    def save(self, folder: Path) -> None:
        from safetensors.torch import save_file

        from adtrack.detectors.description import save_description

        save_description(folder, self.spec, self.grids)
        save_file({"mean": self.mean.cpu()}, folder / _FILE)

    @classmethod
    def load(cls, folder: Path, device: torch.device) -> Far:
        from safetensors.torch import load_file

        from adtrack.detectors.description import load_description

        described = load_description(folder, cls.spec_type)
        try:
            mean = load_file(folder / _FILE)["mean"]
        except Exception as error:  # whatever a parser makes of hostile bytes, the file is not usable
            raise UserError(f"a model of Far must hold its mean, but {folder} does not ({error}).") from error
        return cls(described.spec, mean.to(device), described.grids)


class FarImage(Far):
    """The mean of an image's positions, compared with that of good images: no position has a score."""

    spec_type = FarImageSpec
    has_maps = False

    @property
    def grid(self) -> Grid | None:
        return None

    def score(self, batch: Mapping[str, Tensor]) -> Scores:
        import torch

        pooled = [image.double().mean(dim=(1, 2)) for image in batch[self.spec.inputs[0]]]
        far = torch.stack([(one - self.mean).norm() ** self.spec.power for one in pooled])
        return Scores(far.cpu().numpy(), None)


class FarView(Far):
    """The colours of every pixel of the view."""

    spec_type = FarViewSpec
