"""What a run was made with: the parameters that its numbers depend on, versions and device."""

import json
import platform
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version

import torch

import adtrack
from adtrack.config import canonical, plain
from adtrack.data.reading import FULL
from adtrack.detectors.scorer import Scorer
from adtrack.evaluation.workbench import Workbench
from adtrack.features.backbone import Backbone
from adtrack.settings import setting_texts
from adtrack.tracking.run import Run
from adtrack.tracking.tags import (
    DEVICE,
    LICENCE,
    VERSION,
    WEIGHTS_ASKED,
    WEIGHTS_FELL_BACK,
    WEIGHTS_MEANT,
    named,
    package_version,
)


def choices(bench: Workbench, scorer: Scorer) -> dict[str, str]:
    """All that the detector's numbers depend on and somebody chose: parameters of its run, named as on the command
    line."""
    spec = scorer.detector.spec
    return {
        "class": bench.opened.data.class_name,
        "method": spec.method,
        "backbone": bench.backbone.trunk.network,
        "weights": bench.backbone.trunk.origin,
        "weights_sha256": bench.backbone.trunk.sha256,
        **licence_params(bench.backbone),
        **setting_texts(spec),
        **view_params(bench),
        **depth_params(bench),
        **{name: scorer.facts[name] for name in ("train_images", "train_draw") if name in scorer.facts},
        "seed": str(spec.seed),
        **threshold_params(scorer.facts),
    }


def licence_params(backbone: Backbone) -> dict[str, str]:
    """The licence of the network's weights, where it is known."""
    return {LICENCE: backbone.trunk.licence} if backbone.trunk.licence else {}


def view_params(bench: Workbench) -> dict[str, str]:
    """``resize``, ``crop`` and, where they are not the usual ones, ``normalisation`` and ``interpolation``."""
    return {name: canonical(value) for name, value in plain(bench.image).items()}


def depth_params(bench: Workbench) -> dict[str, str]:
    """How many bits of 16-bit files count, where there are such files."""
    return {} if bench.opened.checked.deepest is None else {"bit_depth": str(bench.opened.checked.reading.bits or FULL)}


def threshold_params(facts: Mapping[str, str]) -> dict[str, str]:
    """From which images of Val a model's threshold comes, and by which rule; older models do not say."""
    names = {"calibrate_on": "calibrated_on", "threshold_from": "threshold_from", "good_quantile": "good_quantile"}
    return {param: facts[fact] for param, fact in names.items() if fact in facts}


def spec_text(bench: Workbench, scorer: Scorer) -> str:
    """The detector's full specification as JSON, which is enough to build it again."""
    trunk = bench.backbone.trunk
    facts = {
        "data": bench.opened.data,
        "image": bench.image,
        "reading": bench.opened.checked.reading,
        "backbone": {"network": trunk.network, "weights": trunk.origin, "sha256": trunk.sha256},
        "bank": scorer.detector.spec,
        "threshold": threshold_params(scorer.facts),
        "split_digest": bench.opened.digest,
    }
    return json.dumps(json.loads(canonical(facts)), indent=1)


def log_surroundings(run: Run, bench: Workbench) -> None:
    """Log versions, device and platform, and whether other weights than the asked ones were used, as tags of a run."""
    # The parameters of these names may say "auto": ``mlflow run`` logs parameters as they were asked for.
    chosen = {"backbone": bench.backbone.trunk.network} | depth_params(bench) | bench.opened.fewer_images
    run.set_tags(version_tags(bench.backbone) | {named(name): value for name, value in chosen.items()})


def version_tags(backbone: Backbone) -> dict[str, str]:
    """The same tags without what depends on the images."""
    packages = ("torch", "torchvision", "numpy", "scipy", "scikit-learn", "anomalib", "mlflow")
    tags = {package_version(package): _installed(package) for package in packages}
    tags |= {VERSION: adtrack.__version__, DEVICE: device_name(backbone.device)}
    trunk = backbone.trunk
    if trunk.asked:
        tags |= {WEIGHTS_ASKED: trunk.asked, WEIGHTS_MEANT: trunk.origin}
    return tags | {WEIGHTS_FELL_BACK: str(trunk.fell_back).lower()}


@cache
def _installed(package: str) -> str:
    """The version of a package."""
    return version(package)


def device_name(device: torch.device) -> str:
    """``cpu (x86_64 AVX2, 2 threads)`` or the GPU's name."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    kind = f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}"  # which shows in a number's last bits
    return f"cpu ({kind}, {torch.get_num_threads()} threads)"
