"""Scores photos, or what a camera sees, with the model beside this file; prints score and label (1: anomalous).

``python camera.py FOLDER`` scores the photos below a folder, ``python camera.py 0`` what camera 0 sees, through OpenCV.
"""

import sys
from pathlib import Path

import numpy as np
from view import view_of

HERE, KEYS = Path(__file__).parent, ("resize", "crop", "interpolation", "upright")


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
    told = [model.get_rt_info(["adtrack", key]).value for key in KEYS]
    compiled = openvino.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})  # bfloat16 would move scores

    def score(view):
        outputs = compiled(view)
        return outputs["score"], outputs["label"]

    return score, told


def frames(source, upright):
    """Names and pixels uint8 (H, W, 3), red first. Photos are turned as their tags say if ``upright`` is "true"."""
    if source.isdecimal():
        import cv2

        camera = cv2.VideoCapture(int(source))
        while (frame := camera.read())[0]:
            yield "frame", frame[1][..., ::-1]
    for file in sorted(Path(source).rglob("*")):
        if file.suffix.lower() in (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff"):
            from PIL import Image, ImageOps

            with Image.open(file) as photo:
                turned = ImageOps.exif_transpose(photo) if upright == "true" else photo
                yield file, np.asarray(turned.convert("RGB"))


score, (side, crop, interpolation, upright) = open_model()
for name, pixels in frames(sys.argv[1], upright):
    (found,), (label,) = score(view_of(pixels, int(side), int(crop), interpolation))
    print(name, float(found), int(label), sep="\t", flush=True)
