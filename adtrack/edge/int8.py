"""A model with an 8-bit network: its detector is fitted anew behind it, and its loss is measured on Val."""

from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from adtrack.config import VIEW
from adtrack.data.imageset import VAL_SETS
from adtrack.detectors.scorer import Scorer
from adtrack.edge.onnx_file import joined, write_head_onnx
from adtrack.edge.openvino_file import write_openvino
from adtrack.edge.quantised import QuantisedBackbone, write_quantised_network, write_quantised_trunk
from adtrack.edge.sessions import open_session
from adtrack.evaluation.building import climb, complete
from adtrack.evaluation.evaluate import ScoredSet
from adtrack.evaluation.measuring import score_set
from adtrack.evaluation.paired_comparison import Contrast, ModelScores, contrasts, disagreements
from adtrack.evaluation.resampling import Sample
from adtrack.evaluation.workbench import Workbench
from adtrack.threshold_spec import ThresholdSpec

FACT = "quantised"  # the fact in which a model says that its network computes with 8 bits


@dataclass(frozen=True)
class SetLoss:
    """What an 8-bit network costs on an image set.

    ``contrast`` holds the image AUROC before and after, or the share of false alarms where no anomalies are labelled.
    ``changed`` of the ``images`` have another label, each at the threshold of its own model.
    """

    name: str
    contrast: Contrast
    changed: int
    images: int


@dataclass(frozen=True, eq=False)
class Int8Model:
    """A model with an 8-bit network, the ONNX file of this network, and what it has lost on Val."""

    scorer: Scorer
    network: Path
    losses: tuple[SetLoss, ...]


def make_int8(bench: Workbench, scorer: Scorer, suffix: str, folder: Path) -> Int8Model:
    """The model of ``scorer`` with an 8-bit network, which the library for files ``.onnx`` or ``.xml`` computes.

    The network's ranges come from the images of Train-clean. What it then gives of Train is what the detector is
    fitted to, by the same specification as before, and Val gives it a threshold by the same rule as before. ``bench``
    is the model's class behind its own network. The network's files lie in ``folder``.
    """
    network, spec = folder / "network.onnx", scorer.detector.spec
    write_quantised_network(bench.backbone, bench.seen_by(spec).features("train_clean").layers[VIEW], network)
    file = network
    if suffix == ".xml":
        file = folder / "network.xml"
        write_openvino(network, file)
    quantised = replace(bench, backbone=QuantisedBackbone(bench.backbone, network, open_session(file)))
    train = scorer.facts.get("trained_on", "train_clean")
    threshold = ThresholdSpec.from_facts(scorer.facts, bench.opened.splits.has_anomalies)
    fitted = next(climb(quantised, [spec], train))
    sets = bench.opened.present(VAL_SETS)
    after = {name: score_set(quantised, fitted.detector, name) for name in sets}
    facts = {"trained_on": train, FACT: "int8"}
    built = complete(quantised, fitted, after, (), threshold=threshold, facts=facts, pixels=False)
    before = {name: score_set(bench, scorer.detector, name, patches=False) for name in sets}
    losses = tuple(set_loss(scorer, before[name], built.scorer, after[name]) for name in sets)
    return Int8Model(built.scorer, network, losses)


def write_int8(model: Int8Model, file: Path) -> None:
    """Write the whole model as an ONNX file; see ``onnx_file.write_onnx``."""
    with TemporaryDirectory() as scratch:
        trunk, head = Path(scratch) / "trunk.onnx", Path(scratch) / "head.onnx"
        write_quantised_trunk(model.scorer, model.network, trunk)
        write_head_onnx(model.scorer, head, {f"adtrack.{FACT}": model.scorer.facts[FACT]})
        joined(trunk, head, file)


def set_loss(scorer: Scorer, before: ScoredSet, quantised: Scorer, after: ScoredSet) -> SetLoss:
    """What a set that the model has scored ``before`` loses by the scores of the ``quantised`` one."""
    sets = [_scores(before, scorer), _scores(after, quantised)]
    contrast = contrasts(scorer.facts.get("class", ""), *sets)[0]
    return SetLoss(before.images.name, contrast, len(disagreements(sets)), len(before.images))


def _scores(scored: ScoredSet, scorer: Scorer) -> ModelScores:
    paths = tuple(record.path for record in scored.images.records)
    kinds = tuple(record.kind for record in scored.images.records)
    sample = Sample(scored.scores, scored.images.labels, scorer.calibration.threshold)
    return ModelScores(paths, paths, kinds, sample)
