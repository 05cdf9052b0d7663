"""The methods. Another one is a class in a file of its own, and a line here."""

from collections.abc import Mapping
from typing import Any

from ..config import DetectorSpec
from ..errors import UserError
from ..settings import given_values, usual_texts
from .contract import Detector
from .dfm import Dfm
from .knn import Knn
from .learned.fastflow import Fastflow
from .learned.feature_ae import FeatureAe
from .learned.pixel_ae import PixelAe
from .learned.reverse_distillation import ReverseDistillation
from .learned.skip_ae import SkipAe
from .learned.stfpm import Stfpm
from .learned.vae import Vae
from .padim import Padim
from .patchcore import PatchCore

DETECTORS: dict[str, type[Detector[Any]]] = {
    "patchcore": PatchCore,
    "padim": Padim,
    "knn": Knn,
    "dfm": Dfm,
    "feature_ae": FeatureAe,
    "fastflow": Fastflow,
    "pixel_ae": PixelAe,
    "skip_ae": SkipAe,
    "vae": Vae,
    "reverse_distillation": ReverseDistillation,
    "stfpm": Stfpm,
}


def detector_class(method: str) -> type[Detector[Any]]:
    """The class of a method. UserError: there is none of that name."""
    if method not in DETECTORS:
        raise UserError(f"method must be one of {', '.join(DETECTORS)}, but got {method!r}.")
    return DETECTORS[method]


def make_spec(method: str, given: Mapping[str, object], **fields: object) -> DetectorSpec:
    """The specification of a method from what is ``given`` for its settings by their keys: texts as they are typed
    ("layer2+layer3"), or values. Others have their usual values. ``fields`` sets some by their own names.

    UserError: the method or a setting is unknown, or a value is not allowed.
    """
    kind = detector_class(method).spec_type
    return kind(**{**fields, **given_values(kind, {**usual_texts(kind), **given}, f"options of {method}")})
