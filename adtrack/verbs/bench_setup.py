"""What several verbs begin with: the class of a specification is opened, and the user is told what is odd about it."""

from collections.abc import Callable, Sequence

from adtrack.config import BuildSpec
from adtrack.data.domains import CLEAN, SHIFT
from adtrack.evaluation.visibility import visibility
from adtrack.evaluation.workbench import TrunkLoader, Workbench
from adtrack.features.networks import Network
from adtrack.features.weights import Trunk
from adtrack.findings import counted, listed
from adtrack.tracking.weights import find_trunk

Say = Callable[[str], None]

_NOT_FOR_SALE = ("-nc", "noncommercial", "non-commercial", "seer-license", "apple-amlr")
_FREE = ("apache", "bsd", "mit", "cc-by-4")
_UNKNOWN = ("unknown", "other")


def open_bench(
    spec: BuildSpec,
    layers: Sequence[str],
    device: str,
    warn: Say,
    sets: Sequence[str] = (),
    load: TrunkLoader = find_trunk,
) -> Workbench:
    """The bench of the class of ``spec``, of which these ``sets`` will be passed over. The user is told what to know
    about it. ``load`` finds the weights."""
    bench = Workbench.open(spec.data, spec.image, spec.backbone, layers, device, sets, load)
    warn_of(bench, warn)
    return bench


def from_few(bench: Workbench) -> str:
    """What the name of a run says of Train, where that was asked to have fewer images: `` from 5 images``."""
    count = bench.opened.splits.train_images
    return "" if count is None else f" from {counted(count, 'image')}"


def warn_of(bench: Workbench, warn: Say) -> None:
    """Tell what a reader of the bench's numbers should know."""
    opened = bench.opened
    warn_of_source(bench, warn)
    if not opened.splits.has_anomalies:
        warn(
            f"Class {opened.data.class_name} has no labelled anomalies ({opened.places.defects}): there will be no "
            "AUROC and no F1, and nothing says which defects a model finds. Its threshold comes from good images alone."
        )
    elif not opened.splits.has_masks:
        warn(f"{opened.splits.unmarked[0].upper()}{opened.splits.unmarked[1:]}: there will be no pixel metrics.")
    else:
        for words in hidden_defects(bench):
            warn(words)


def warn_of_source(bench: Workbench, warn: Say) -> None:
    """Tell what is odd about the images and the weights themselves, whatever is made of them."""
    trunk = bench.backbone.trunk
    for remark in bench.opened.remarks:
        warn(remark)
    if trunk.fell_back:
        warn(
            f"ImageNet weights of {trunk.network} could not be downloaded: the demo goes on with random ones. "
            "Its numbers show how adtrack works, not how well its methods do. --backbone auto takes a network that is "
            "trained."
        )
    for words in licence_remarks(trunk):
        warn(words)


def licence_remarks(trunk: Trunk) -> list[str]:
    """A sentence on the licence of a network's weights, if it asks more of a company than to be named."""
    weights, licence = f"The weights of {trunk.network}", trunk.licence
    if licence in _UNKNOWN:
        return [f"{weights} have a licence that {Network(trunk.network).library.title} does not name: look it up."]
    if any(word in licence for word in _NOT_FOR_SALE):
        return [f"{weights} have the licence {licence}, which forbids commercial use: they are for research only."]
    if licence and not licence.startswith(_FREE):
        return [f"{weights} have the licence {licence}, which has terms of its own: read it before you pass them on."]
    return []


def hidden_defects(bench: Workbench) -> list[str]:
    """Sentences on the defects of Val and Test that the crop or the shift leaves wholly outside the view."""
    opened = bench.opened
    clean, shift = (
        visibility(opened.images(f"val_{domain}"), bench.image)
        + visibility(opened.images(f"test_{domain}"), bench.image)
        for domain in (CLEAN, SHIFT)
    )
    moved = [path for path in shift.outside if path not in clean.outside]
    found = []
    if clean.outside:
        found.append(
            f"{len(clean.outside)} of {clean.count} defects of class {opened.data.class_name} lie wholly outside the "
            f"view (resize {bench.image.resize}, crop {bench.image.crop}), where no model sees them: "
            f"{listed(clean.outside)}. Their images count as anomalous all the same; --crop 0 shows whole images."
        )
    if moved:
        found.append(
            f"The shift moves {len(moved)} of {shift.count} defects of class {opened.data.class_name} wholly out of "
            f"the view: {listed(moved)}. On Val-shift and Test-shift their images count as anomalous all the same."
        )
    return found
