"""Writes models as ONNX files."""

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from adtrack.config import BILINEAR
from adtrack.detectors.scorer import Scorer
from adtrack.edge.formats import INPUT, LABEL, MAP, SCORE
from adtrack.edge.graph import HeadGraph, TrunkGraph, WholeGraph, layer_names
from adtrack.edge.libraries import edge_libraries
from adtrack.errors import UserError
from adtrack.findings import first_line

OPSET = 18
_LARGEST = 2**31 - 2**20  # bytes: a message of Protocol Buffers holds no more
_HEAD = "head/"


def onnx_library() -> ModuleType:
    """onnx, and onnxscript with it, which torch needs to write its files. UserError: they are not installed."""
    with edge_libraries():
        import onnx
        import onnx.compose
        import onnxscript  # noqa: F401
    return onnx


def write_onnx(scorer: Scorer, file: Path) -> None:
    """Write the whole model: ``view`` uint8 (1, S, S, 3) → ``score``, ``label`` and ``anomaly_map``.

    The file's metadata hold what ``described`` says. UserError: the method has no such form.
    """
    view = blank_view(scorer)
    graph = WholeGraph(scorer).eval()
    write_model(exported(graph, (view,), [INPUT], outputs(scorer)), file, described(scorer))


def write_head_onnx(scorer: Scorer, file: Path, more: Mapping[str, str]) -> None:
    """Write the second half: what the method gets → ``score``, ``label`` and ``anomaly_map``.

    The file's metadata hold what ``described`` says, and ``more``.
    """
    with torch.no_grad():
        layers = TrunkGraph(scorer).eval()(blank_view(scorer))
    model = exported(HeadGraph(scorer).eval(), layers, layer_names(scorer), outputs(scorer))
    write_model(model, file, {**described(scorer), **more})


def joined(trunk: Path, head: Path, file: Path) -> None:
    """Write one model that is a trunk and then a head. The metadata are the head's."""
    onnx = onnx_library()
    first, second = onnx.load(trunk), onnx.load(head)
    facts = {entry.key: entry.value for entry in second.metadata_props}
    names = [value.name for value in second.graph.input]
    second = onnx.compose.add_prefix(second, _HEAD, rename_inputs=False, rename_outputs=False)
    for model in (first, second):
        del model.metadata_props[:]
    second.ir_version = first.ir_version
    write_model(onnx.compose.merge_models(first, second, io_map=[(name, name) for name in names]), file, facts)


def outputs(scorer: Scorer) -> tuple[str, ...]:
    """The names of what a whole model gives."""
    return (SCORE, LABEL, MAP) if scorer.detector.has_maps else (SCORE, LABEL)


def described(scorer: Scorer) -> dict[str, str]:
    """What a file says of its model: how a view is made, from which score on images are anomalous, where it is from."""
    image, reading, spec = scorer.image, scorer.reading, scorer.detector.spec
    return {
        "adtrack.class": scorer.facts.get("class", ""),
        "adtrack.method": spec.method,
        "adtrack.network": scorer.backbone.trunk.network,
        "adtrack.trunk_sha256": scorer.backbone.trunk.sha256,
        "adtrack.threshold": repr(float(scorer.calibration.threshold)),
        "adtrack.resize": str(image.resize),
        "adtrack.crop": str(image.size),
        "adtrack.interpolation": image.interpolation or BILINEAR,
        "adtrack.bits": str(reading.bits or ""),
        "adtrack.upright": str(reading.upright).lower(),
    }


def blank_view(scorer: Scorer) -> Tensor:
    """A view uint8 (1, S, S, 3) of nothing."""
    side = scorer.image.size
    return torch.zeros(1, side, side, 3, dtype=torch.uint8)


def exported(graph: nn.Module, inputs: Sequence[Tensor], names: Sequence[str], outputs: Sequence[str]) -> Any:
    """The graph as a message of ONNX."""
    onnx_library()
    size = sum(tensor.nbytes for tensor in (*graph.parameters(), *graph.buffers()))
    if size > _LARGEST:
        raise UserError(
            f"a model must have less than 2 GiB to become an ONNX file, but this one has {size / 2**30:.1f}.",
            "a smaller coreset fraction makes a smaller memory bank.",
        )
    with torch.no_grad(), quiet():
        graph(*inputs)  # what is computed once and remembered is made of real numbers
        try:
            program = torch.onnx.export(
                graph,
                tuple(inputs),
                dynamo=True,
                opset_version=OPSET,
                input_names=list(names),
                output_names=list(outputs),
                verbose=False,
                external_data=False,
            )
        except torch.onnx.OnnxExporterError as error:
            raise UserError(
                "a model can become an ONNX file only if all of its parts have an ONNX form, but one has none "
                f"({_reason(error)}).",
                "the networks resnet18, resnet50 and timm/tf_efficientnet_lite0 have one.",
            ) from error
        assert program is not None
        return program.model_proto


def _reason(error: BaseException) -> str:
    """What was wrong at first: the exporter wraps it into words for those who develop it."""
    while error.__cause__ is not None:
        error = error.__cause__
    return first_line(error)


def write_model(model: Any, file: Path, facts: Mapping[str, str]) -> None:
    """Check the model and write it. Equal models give equal bytes: nothing says where and when they were made."""
    onnx = onnx_library()
    for node in model.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    del model.graph.metadata_props[:]
    onnx.helper.set_model_props(model, dict(facts))
    onnx.checker.check_model(model, full_check=True)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(model.SerializeToString(deterministic=True))


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep back what exporters say while they work: progress, and hints for those who develop them."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
