"""Which libraries a verb has loaded when it reads its first image, and at its end: none that it does not use."""

import json
import os
import subprocess
import sys
from pathlib import Path

PROBE = """
import json, sys
LIBRARIES = ("torch._dynamo", "sympy", "sklearn", "scipy.stats", "optuna", "matplotlib", "anomalib", "lightning")
LIBRARIES += ("onnx", "onnxruntime", "openvino", "nncf", "ray")
noted, images = {}, sys.argv.pop(1)
def loaded():
    return [name for name in LIBRARIES if name in sys.modules]
def watch(event, arguments):
    if event == "open" and str(arguments[0]).startswith(images) and str(arguments[0]).endswith(".png"):
        noted.setdefault("first", loaded())
sys.addaudithook(watch)
from adtrack.cli import main
try:
    main()
finally:
    print(json.dumps(noted | {"end": loaded()}))
"""


def libraries(place: Path, images: Path, *arguments: object) -> dict[str, list[str]]:
    """Those of the probe's libraries that a verb has loaded at its first image (``first``) and at its end (``end``)."""
    command = [sys.executable, "-c", PROBE, str(images), *map(str, arguments)]
    done = subprocess.run(command, cwd=place, env=dict(os.environ), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    found: dict[str, list[str]] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_no_verb_loads_what_it_never_uses(tmp_path: Path, part, tiny_data: Path) -> None:
    built = libraries(tmp_path, tiny_data, "build-bank", *part, "--layers", "layer2", "--register")
    assert built == {"first": [], "end": ["scipy.stats"]}
    model = ("--model", "models:/adtrack-part/1")
    assert libraries(tmp_path, tiny_data, "evaluate", *part, *model) == {"first": [], "end": ["scipy.stats"]}
    scored = libraries(tmp_path, tiny_data, "score", *model, tiny_data / "part/test/spot", "--out", tmp_path / "scored")
    assert scored == {"first": [], "end": []}


def test_a_study_loads_optuna_first_and_what_draws_its_report_at_its_end(tmp_path: Path, part, tiny_data: Path) -> None:
    few = ("--trials", "1", "--sampler", "grid", "--space-layers", "layer2", "--space-patch-size", "1")
    tuned = libraries(tmp_path, tiny_data, "tune", *part, *few)
    assert tuned["first"] == ["optuna"] and not {"torch._dynamo", "anomalib", "lightning"} & set(tuned["end"])
