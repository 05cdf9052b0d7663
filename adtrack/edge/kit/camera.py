"""Scores photos, or what a camera sees, with the model beside this file; prints score and label (1: anomalous).

``python camera.py FOLDER`` scores the photos below a folder, ``python camera.py 0`` what camera 0 sees, through OpenCV.
"""

import operator
import sys
from pathlib import Path

import numpy as np

sys.dont_write_bytecode = True  # else Python would write a folder beside view.py
from view import view_of  # noqa: E402

HERE, KEYS = Path(__file__).parent, ("resize", "crop", "interpolation", "upright")
SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")


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


def frames(number):
    """Names and pixels uint8 (H, W, 3), red first, of what a camera sees, until it gives nothing any more."""
    import cv2

    camera = cv2.VideoCapture(int(number))
    while (frame := camera.read())[0]:
        yield "frame", frame[1][..., ::-1]
    sys.exit(f"camera {number} gives no picture: is it connected, and does no other program use it?")


def photos(folder, upright):
    """The same of the photos below a folder, which are turned as their tags say if ``upright`` is "true"."""
    from PIL import Image, ImageOps

    files = [file for file in sorted(Path(folder).rglob("*")) if file.suffix.lower() in SUFFIXES]
    if not files:
        sys.exit(f"below {folder} there is no photo ({', '.join(SUFFIXES)})")
    bad = 0
    for file in files:
        try:
            with Image.open(file) as photo:
                if photo.mode[0] in "IF" or ";16" in str(photo.tile):
                    raise ValueError("it has more than 8 bits a channel")
                turned = ImageOps.exif_transpose(photo) if upright == "true" else photo
                pixels = np.asarray(turned.convert("RGB"))
        except Exception as error:  # each format has errors of its own
            print(f"{file} is not scored: {error}", file=sys.stderr, flush=True)
            bad += 1
        else:
            yield file, pixels
    if bad:
        sys.exit(f"{bad} of {len(files)} photos are not scored")


score, (side, crop, interpolation, upright) = open_model()
source = sys.argv[1]
for name, pixels in frames(source) if source.isdecimal() else photos(source, upright):
    (found,), (label,) = score(view_of(pixels, int(side), int(crop), interpolation))
    print(name, float(found), int(label), sep="\t", flush=True)
