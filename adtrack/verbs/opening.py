"""What several verbs begin with: the tracking store and the class on the workbench."""

from collections.abc import Callable, Sequence

from adtrack.config import BuildSpec
from adtrack.evaluation.workbench import Workbench

Say = Callable[[str], None]


def open_bench(spec: BuildSpec, layers: Sequence[str], device: str, warn: Say) -> Workbench:
    """The class of ``spec`` behind its backbone, with what the user should know about it said."""
    bench = Workbench.open(spec.data, spec.image, spec.backbone, layers, device)
    if bench.trunk.fell_back:
        warn(
            f"ImageNet weights of {spec.backbone.name} could not be downloaded: the demo goes on with random ones "
            f"(seed {spec.backbone.seed}). Its numbers show how adtrack works, not how well PatchCore does."
        )
    if not bench.splits.has_masks:
        warn(f"Class {spec.data.class_name} has no masks (ground_truth): there will be no pixel metrics.")
    return bench
