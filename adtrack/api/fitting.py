"""Models of good images, and models that were kept."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from adtrack.api.model import Model
from adtrack.config import DEFAULT_METHOD, IMAGENET, BackboneSpec, DataSpec, ImageSpec
from adtrack.data.layouts.loose import loose_images
from adtrack.detectors import make_spec
from adtrack.evaluation.building import build
from adtrack.evaluation.opened_class import ListedClass
from adtrack.evaluation.workbench import Workbench
from adtrack.features.backbone import Backbone, choose_device
from adtrack.features.usual_layers import settled
from adtrack.threshold_spec import AUTO, GOOD_QUANTILE, ThresholdSpec
from adtrack.tracking.models import load_model
from adtrack.tracking.store import reach_store
from adtrack.tracking.weights import find_trunk

_NO_NAMES = ("good", "train")  # of folders, which say nothing of the product


def fit(
    images: str | Path | Sequence[str | Path],
    *,
    method: str = DEFAULT_METHOD,
    backbone: str = AUTO,
    weights: str | Path = IMAGENET,
    resize: int = 256,
    crop: int = 224,
    seed: int = 42,
    device: str = "auto",
    bit_depth: int | None = None,
    train_images: int | None = None,
    calibrate_on: str = AUTO,
    threshold_from: str = AUTO,
    good_quantile: float = GOOD_QUANTILE,
    name: str | None = None,
    **settings: Any,
) -> Model:
    """Fit a model to good images: all below a folder, or a list of files. Nothing is tracked.

    A part of the images is held out, as ``adtrack build-bank`` does where there are only good images; it is drawn by
    ``seed``. The model learns from ``train_images`` of the others, from all of them if it is None. The threshold lets
    the share ``good_quantile`` of the images that are held out pass, as they are ("auto"), as drifting light and camera
    may show them (``calibrate_on="val_shift"``), or either way ("both"). With ``threshold_from="mean_std"`` it lies two
    standard deviations above their mean score instead. ``settings`` are those of the method:
    ``layers``, ``patch_size`` and ``coreset_fraction`` of ``patchcore``, ``padim_dimensions`` of ``padim`` and so on.
    ``name`` is what the model calls its product; without one it is the folder's name.

    UserError: a setting is not allowed, or an image cannot be read.

    >>> import adtrack
    >>> model = adtrack.fit(good, backbone="resnet18", weights="random", resize=64, crop=0, coreset_fraction=0.05)
    >>> result = model.score(photo)
    >>> result.label == int(result.score >= result.threshold), result.map.shape
    (True, (256, 256))
    """
    spec, threshold = make_spec(method, settings, seed=seed), ThresholdSpec(calibrate_on, threshold_from, good_quantile)
    found = loose_images(images, name or _product(images))
    data = DataSpec(found.name, str(found.root), seed, bit_depth, train_images)
    asked = BackboneSpec.asked(backbone, str(weights), seed, data.root)
    spec = settled(spec, asked.name)
    trunk = find_trunk(asked, spec.inputs, data.root)
    network = Backbone(trunk, spec.inputs, choose_device(device))
    sets = ("train_clean", *threshold.resolved(found.has_anomalies).sets)
    bench = Workbench.of(ListedClass(data, found), network, ImageSpec(resize, crop), sets)
    return Model(build(bench, spec, (), threshold=threshold).scorer)


def _product(images: str | Path | Sequence[str | Path]) -> str:
    """What a folder or the first of a list of files calls the product: ``screw`` of ``data/screw/train/good``."""
    if isinstance(images, str | Path):
        folder = Path(images).expanduser().absolute()
    else:
        folder = Path(next(iter(images), "")).expanduser().absolute().parent
    names = [part for part in (folder.name, *(parent.name for parent in folder.parents)) if part not in _NO_NAMES]
    return names[0] or "images"


def load(model: str | Path, *, device: str = "auto") -> Model:
    """Load a model: a folder that ``Model.save`` has written, or one of the tracking store
    (``models:/adtrack-screw@champion``, ``runs:/…``).

    Its files must be as they were written. UserError: they are not, or there is no such model.

    >>> import adtrack
    >>> model = adtrack.load(saved)
    >>> model.method, model.score(photo).label in (0, 1)
    ('patchcore', True)
    """
    address = str(model)
    if address.startswith(("models:", "runs:")):
        reach_store()
    else:
        address = str(Path(address).expanduser())
    return Model(load_model(address, choose_device(device)).scorer)
