"""What a run was made with: the parameters that its numbers depend on, versions and device."""

import platform
from importlib.metadata import version

import torch

import adtrack
from adtrack.config import canonical, plain
from adtrack.data.reading import FULL
from adtrack.detectors.scorer import Scorer
from adtrack.evaluation.workbench import Workbench
from adtrack.settings import setting_texts
from adtrack.tracking.run import Run
from adtrack.tracking.tags import DEVICE, VERSION, WEIGHTS_FELL_BACK, named, package_version


def bank_params(bench: Workbench, scorer: Scorer) -> dict[str, str]:
    """Every choice that the detector's numbers depend on, as parameters of its run, named as on the command line."""
    spec = scorer.detector.spec
    return {
        "class": bench.opened.data.class_name,
        "method": spec.method,
        "backbone": bench.backbone.trunk.network,
        "weights": bench.backbone.trunk.origin,
        "weights_sha256": bench.backbone.trunk.sha256,
        **setting_texts(spec),
        **view_params(bench),
        **depth_params(bench),
        "seed": str(spec.seed),
        **threshold_params(scorer),
    }


def view_params(bench: Workbench) -> dict[str, str]:
    """``resize``, ``crop`` and, where it is not ImageNet's, ``normalisation``."""
    return {name: canonical(value) for name, value in plain(bench.image).items()}


def depth_params(bench: Workbench) -> dict[str, str]:
    """How many bits of 16-bit files count, where there are such files."""
    return {} if bench.opened.checked.deepest is None else {"bit_depth": str(bench.opened.checked.reading.bits or FULL)}


def threshold_params(scorer: Scorer) -> dict[str, str]:
    """How the threshold was found: by ``f1``, or by ``good_quantile`` and which; older models do not say."""
    return {name: scorer.facts[name] for name in ("threshold_from", "good_quantile") if name in scorer.facts}


def log_surroundings(run: Run, bench: Workbench) -> None:
    """Log versions, device and platform, and whether the weights are a makeshift, as tags of a run."""
    packages = ("torch", "torchvision", "numpy", "scipy", "scikit-learn", "anomalib", "mlflow")
    tags = {package_version(package): version(package) for package in packages}
    tags |= {VERSION: adtrack.__version__, DEVICE: device_name(bench.backbone.device)}
    tags[WEIGHTS_FELL_BACK] = str(bench.backbone.trunk.fell_back).lower()
    # Beside the parameter, which ``mlflow run`` has logged as it was asked for: auto.
    tags |= {named(name): value for name, value in depth_params(bench).items()}
    run.set_tags(tags)


def device_name(device: torch.device) -> str:
    """``cpu (x86_64 AVX2, 2 threads)`` or the GPU's name."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    kind = f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}"  # which shows in a number's last bits
    return f"cpu ({kind}, {torch.get_num_threads()} threads)"
