"""What several verbs begin with: the tracking store and the class on the workbench."""

from collections.abc import Callable, Sequence

from adtrack.config import BuildSpec
from adtrack.evaluation.workbench import Workbench

Say = Callable[[str], None]


def open_bench(spec: BuildSpec, layers: Sequence[str], device: str, warn: Say) -> Workbench:
    """The class of ``spec`` behind its backbone, with what the user should know about it said."""
    bench = Workbench.open(spec.data, spec.image, spec.backbone, layers, device)
    warn_of(bench, warn)
    return bench


def warn_of(bench: Workbench, warn: Say) -> None:
    """Say what a reader of the bench's numbers should know."""
    for remark in bench.remarks:
        warn(remark)
    if bench.trunk.fell_back:
        warn(
            f"ImageNet weights of {bench.trunk.network} could not be downloaded: the demo goes on with random ones. "
            "Its numbers show how adtrack works, not how well its methods do."
        )
    if not bench.splits.has_anomalies:
        warn(
            f"Class {bench.data.class_name} has no labelled anomalies (test/<defect>): there will be no AUROC and no "
            "F1, and nothing says which defects a bank finds. Its threshold comes from good images alone."
        )
    elif not bench.splits.has_masks:
        warn(f"Class {bench.data.class_name} has no masks (ground_truth): there will be no pixel metrics.")
