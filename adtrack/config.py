"""What a number depends on, as frozen records: each is validated once and has one canonical text form."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .errors import UserError

DEMO = "demo"
DEMO_CLASSES = ("zipper", "carpet", "hazelnut")  # here, because the code that draws them takes long to import
IMAGENET = "imagenet"
RANDOM = "random"
VIEW = "view"  # layer zero: what the network gets; no network has a layer of this name
METHODS = ("patchcore", "padim")
GOOD_QUANTILE = 0.99
MAX_SEVERITY = 2.0  # of MVTec-Shift
LARGEST_VIEW = 4096  # pixels of a side: as many squared, with their features, are some gigabytes
_MEANT = "meant"
_LARGEST_SEED = 2**63 - 1  # of torch's generators


def whole(name: str, value: object, least: int, hint: str = "", most: int | None = None) -> None:
    """Refuse a value that is no whole number, or none between ``least`` and ``most``."""
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise UserError(f"{name} must be a whole number of at least {least}, but got {value!r}.", hint)
    if most is not None and value > most:
        raise UserError(f"{name} must be a whole number of at most {most}, but got {value!r}.", hint)


def _method(expected: str, value: object) -> None:
    if value != expected:
        raise UserError(f"method must be {expected} here, but got {value!r}.")


def check_bits(bits: object) -> None:
    """Refuse a depth that no file with 16 bits a channel can have."""
    if not isinstance(bits, int) or isinstance(bits, bool) or not 8 <= bits <= 16:
        raise UserError(f"bit depth must be a whole number from 8 to 16, but got {bits!r}.", "auto finds it.")


def check_quantile(value: float) -> None:
    """Refuse a share of good parts that is none."""
    if not 0 < value <= 1:
        raise UserError(f"good quantile must be in (0, 1], but got {value}.", "0.99 lets 99 % of the good parts pass.")


def check_severity(severity: float) -> None:
    """Refuse a severity for which MVTec-Shift is not defined."""
    if not 0 <= severity <= MAX_SEVERITY:
        raise UserError(
            f"severity must be between 0 and {MAX_SEVERITY:g}, but got {severity}.",
            "0 is no shift, 1 the protocol's, 2 double.",
        )


def added_later(meant: object) -> dict[str, object]:
    """Metadata of a record's field that the first records did not have, with the value that they ``meant``."""
    return {_MEANT: meant}


def plain(value: Any) -> Any:
    """A record, or what holds records, as plain data for JSON.

    A field that was added later is left out where it has the value that the records before it meant: so what was
    written of those, and its digest, stays as it is.
    """
    if dataclasses.is_dataclass(value):
        present = [field for field in dataclasses.fields(value) if not _as_before(value, field)]
        return {field.name: plain(getattr(value, field.name)) for field in present}
    if isinstance(value, dict):
        return {key: plain(part) for key, part in value.items()}
    return [plain(part) for part in value] if isinstance(value, list | tuple) else value


def _as_before(record: object, field: "dataclasses.Field[Any]") -> bool:
    return _MEANT in field.metadata and bool(getattr(record, field.name) == field.metadata[_MEANT])


def canonical(record: object) -> str:
    """The canonical text of a record or of plain data: JSON with sorted keys and no spaces."""
    return json.dumps(plain(record), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def from_json(text: str | bytes) -> Any:
    """The plain data in a JSON text. ValueError: it is damaged, or nested more deeply than Python can follow."""
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def digest(record: object) -> str:
    """SHA-256 of the canonical text, in hexadecimal."""
    return hashlib.sha256(canonical(record).encode()).hexdigest()


@dataclass(frozen=True)
class DataSpec:
    """Which images: a class of the data set at ``root`` ("demo" or a folder), split and shifted by ``seed``.

    ``bit_depth`` is how many bits of 16-bit files are used; None: as the largest value of the class says.
    """

    class_name: str
    root: str = DEMO
    seed: int = 42
    bit_depth: int | None = None

    def __post_init__(self) -> None:
        whole("seed", self.seed, 0, most=_LARGEST_SEED)
        if self.bit_depth is not None:
            check_bits(self.bit_depth)


@dataclass(frozen=True)
class Normalisation:
    """What a network was trained to expect of the three colours of a pixel in [0, 1]: (pixel − mean) / std.

    The default is ImageNet's.
    """

    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)

    def __post_init__(self) -> None:
        for name, least in (("mean", -1e6), ("std", 1e-6)):
            values = tuple(getattr(self, name))
            object.__setattr__(self, name, values)
            if len(values) != 3 or not all(
                isinstance(value, int | float) and least <= value <= 1e6 for value in values
            ):
                raise UserError(
                    f"{name} must be three numbers from {least:g} to 1e+06, but got {values}.",
                    f"ImageNet's are {getattr(Normalisation, name)}.",
                )


@dataclass(frozen=True)
class ImageSpec:
    """The view that the network gets: the image squeezed to ``resize``², its central ``crop``² (0 = all of it) taken
    and normalised.

    ``normalisation`` None means the one that the network was trained with.
    """

    resize: int = 256
    crop: int = 224
    normalisation: Normalisation | None = field(default=None, metadata=added_later(Normalisation()))

    def __post_init__(self) -> None:
        whole("resize", self.resize, 32, "256 is the usual size.", LARGEST_VIEW)
        whole("crop", self.crop, 0, "0 takes the whole image.")
        if self.crop > self.resize or 0 < self.crop < 32:
            raise UserError(
                f"crop must be 0 or lie between 32 and resize, but got crop {self.crop} and resize {self.resize}.",
                "0 takes the whole image.",
            )

    @property
    def size(self) -> int:
        """Side of the square view in pixels."""
        return self.crop or self.resize

    def normalised_for(self, network: Normalisation) -> "ImageSpec":
        """The same view with the normalisation of the network, unless one is given."""
        return self if self.normalisation else dataclasses.replace(self, normalisation=network)

    @classmethod
    def from_plain(cls, text: Mapping[str, Any]) -> "ImageSpec":
        """What ``plain`` made of a view; one that names no normalisation means ImageNet's."""
        values = {**text, "normalisation": Normalisation(**text.get("normalisation", {}))}
        return cls(**values)


@dataclass(frozen=True)
class BackboneSpec:
    """Which frozen network: its name, as torchvision has it or as LIBRARY/NAME, and its weights.

    ``weights`` is "imagenet", "random" or a file.
    """

    name: str = "resnet50"
    weights: str = IMAGENET
    seed: int = 42


@dataclass(frozen=True)
class _LayersSpec:
    """What every detector is asked for: the layers whose outputs it works on."""

    layers: tuple[str, ...] = ("layer2", "layer3")

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", tuple(self.layers))
        if not self.layers or not all(self.layers) or len(set(self.layers)) != len(self.layers):
            raise UserError(
                f"layers must be different layer names joined by +, but got {'+'.join(self.layers)!r}.",
                "layer2+layer3 is the default.",
            )

    @property
    def layers_text(self) -> str:
        """The layers as the user types them: ``layer2+layer3``."""
        return "+".join(self.layers)


@dataclass(frozen=True)
class PatchCoreSpec(_LayersSpec):
    """How a memory bank is made from patch features and asked for scores."""

    patch_size: int = 3
    coreset_fraction: float = 0.1
    reweight_neighbours: int = 9
    projection: int | None = 128
    seed: int = 42
    method: str = field(default="patchcore")

    def __post_init__(self) -> None:
        super().__post_init__()
        whole("patch size", self.patch_size, 1, "3 is the usual size.", LARGEST_VIEW)
        if self.patch_size % 2 == 0:
            raise UserError(
                f"patch size must be odd, but got {self.patch_size}.",
                f"{self.patch_size - 1} and {self.patch_size + 1} have a centre.",
            )
        if not 0 < self.coreset_fraction <= 1:
            raise UserError(
                f"coreset fraction must be in (0, 1], but got {self.coreset_fraction}.",
                "0.01 keeps 1 % of the patches.",
            )
        whole("reweight neighbours", self.reweight_neighbours, 1, "1 switches the re-weighting off.")
        if self.projection is not None:
            whole("projection", self.projection, 1, "None keeps all dimensions.")
        whole("seed", self.seed, 0, most=_LARGEST_SEED)
        _method("patchcore", self.method)

    @property
    def title(self) -> str:
        """What tells it from others of its method, in a word or two: ``layer2+layer3 p3 0.1``."""
        return f"{self.layers_text} p{self.patch_size} {self.coreset_fraction:g}"


@dataclass(frozen=True)
class PadimSpec(_LayersSpec):
    """How PaDiM's Gaussians are made: of ``dimensions`` of the layers' channels, drawn at random by ``seed``.

    The paper (Defard et al., arXiv 2011.08785) keeps 100 of a ResNet-18's and 550 of a Wide ResNet-50-2's.
    """

    dimensions: int = 100
    seed: int = 42
    method: str = field(default="padim")

    def __post_init__(self) -> None:
        super().__post_init__()
        whole("padim dimensions", self.dimensions, 1, "100 is the usual number.")
        whole("seed", self.seed, 0, most=_LARGEST_SEED)
        _method("padim", self.method)

    @property
    def title(self) -> str:
        """What tells it from others of its method, in a word or two: ``layer2+layer3 d100``."""
        return f"{self.layers_text} d{self.dimensions}"


DetectorSpec = PatchCoreSpec | PadimSpec


def parse_layers(text: str) -> tuple[str, ...]:
    """``"layer2+layer3"`` → ``("layer2", "layer3")``."""
    return tuple(part.strip() for part in text.split("+"))


@dataclass(frozen=True)
class BuildSpec:
    """Everything that a bank, its scores and its threshold depend on, apart from the images themselves.

    ``good_quantile`` counts only where no anomalies are labelled: the share of good parts that shall pass.
    """

    data: DataSpec
    image: ImageSpec = ImageSpec()
    backbone: BackboneSpec = BackboneSpec()
    detector: DetectorSpec = PatchCoreSpec()
    good_quantile: float = GOOD_QUANTILE

    def __post_init__(self) -> None:
        check_quantile(self.good_quantile)
