"""Scores photos, or what a camera sees, with the model beside this file; prints score and label (1: anomalous).

``python camera.py FOLDER`` scores the photos below a folder, ``python camera.py 0`` what camera 0 sees, through OpenCV.
"""

import sys

sys.dont_write_bytecode = True  # else Python would write a folder beside these files
from model import ExportedModel  # noqa: E402
from photos import photos  # noqa: E402


def frames(number):
    """Names and pixels uint8 (H, W, 3), red first, of what a camera sees, until it gives nothing any more."""
    import cv2

    camera = cv2.VideoCapture(int(number))
    while (frame := camera.read())[0]:
        yield "frame", frame[1][..., ::-1]
    sys.exit(f"camera {number} gives no picture: is it connected, and does no other program use it?")


model, source = ExportedModel(), sys.argv[1]
for name, pixels in frames(source) if source.isdecimal() else photos(source, model.upright):
    score, label = model.judge(pixels)
    print(name, score, label, sep="\t", flush=True)
