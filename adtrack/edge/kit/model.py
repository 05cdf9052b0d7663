"""The exported model beside this file, in ONNX Runtime or OpenVINO."""

import operator
import sys
from pathlib import Path

from view import view_of

HERE, KEYS = Path(__file__).parent, ("resize", "crop", "interpolation", "upright")


class ExportedModel:
    """Scores images. ``upright`` says whether it must see them turned as their tags say."""

    def __init__(self):
        self.score, (side, crop, self.interpolation, upright) = open_model()
        self.side, self.crop, self.upright = int(side), int(crop), upright == "true"

    def judge(self, pixels):
        """The score of an image uint8 (H, W, 3), red first, and its label, 1 if it is anomalous."""
        (score,), (label,) = self.score(view_of(pixels, self.side, self.crop, self.interpolation))
        return float(score), int(label)


def open_model():
    """A function from a view to its score and label, and what the model's file says by the ``KEYS``."""
    if file := next(HERE.glob("*.onnx"), None):
        import onnxruntime

        session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
        told = session.get_modelmeta().custom_metadata_map
        return lambda view: session.run(["score", "label"], {"view": view}), [told[f"adtrack.{key}"] for key in KEYS]
    sys.modules["openvino_telemetry"] = None  # else OpenVINO tells its makers of every start
    import openvino

    model = openvino.Core().read_model(next(HERE.glob("*.xml")))
    compiled = openvino.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})  # bfloat16 would move scores
    both = operator.itemgetter("score", "label")
    return lambda view: both(compiled(view)), [model.get_rt_info(["adtrack", key]).value for key in KEYS]
