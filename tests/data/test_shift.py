"""MVTec-Shift: what a transform depends on, its ranges and its severity."""

import dataclasses
import hashlib
import json
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest

from adtrack.data.shift import Shift, draw_shift
from adtrack.data.transform import shift_image, shift_mask
from adtrack.errors import UserError

DRAWN = [draw_shift(f"zipper/test/broken_teeth/{i:03}.png", 42) for i in range(1000)]
SHA = """
import hashlib, numpy as np
from adtrack.data.shift import draw_shift
from adtrack.data.transform import shift_image, shift_mask
image = np.arange(40 * 50 * 3, dtype=np.uint32).reshape(40, 50, 3) * 2654435761 >> 24 & 255
for name, severity in {cases}:
    shift = draw_shift(name, 42, severity)
    pixels = shift_image(image.astype(np.uint8), shift).tobytes() + shift_mask(image[..., 0] > 128, shift).tobytes()
    print(name, severity, shift, hashlib.sha256(pixels).hexdigest())
"""


def at_severity(severity: float) -> list[Shift]:
    return [draw_shift(f"zipper/test/broken_teeth/{i:03}.png", 42, severity) for i in range(1000)]


def test_same_bits_in_any_order_and_process() -> None:
    cases = [(name, severity) for name in ("a/0.png", "a/1.png", "b/0.png") for severity in (0.5, 1.0, 2.0)]
    runs = [
        subprocess.run([sys.executable, "-c", SHA.format(cases=order)], capture_output=True, text=True, check=True)
        for order in (cases, cases[::-1])
    ]
    lines = [run.stdout.splitlines() for run in runs]
    assert lines[0] == lines[1][::-1] and len({line.split()[-1] for line in lines[0]}) == 9
    image = np.arange(40 * 50 * 3, dtype=np.uint32).reshape(40, 50, 3) * 2654435761 >> 24 & 255
    for (name, severity), line in zip(cases, lines[0], strict=True):
        shift = draw_shift(name, 42, severity)
        pixels = shift_image(image.astype(np.uint8), shift).tobytes() + shift_mask(image[..., 0] > 128, shift).tobytes()
        assert line == f"{name} {severity} {shift} {hashlib.sha256(pixels).hexdigest()}"


def test_seed_and_path_both_count() -> None:
    shifts = {draw_shift(path, seed) for path in ("a.png", "b.png") for seed in (1, 2)}
    assert len(shifts) == 4


def test_parameters_are_pinned() -> None:
    """Published numbers rest on these draws: a change of any of them is a change of the data set."""
    shift = draw_shift("zipper/test/good/000.png", 42)
    assert dataclasses.astuple(shift) == (
        -5.7073942586805515,
        0.01082142341198368,
        0.001726875921907742,
        0.9173069683587745,
        0.9977276955058094,
        -0.04814524976737651,
        0.036391123792428856,
        0.8666748927734611,
        1.2699602929683724,
        0.8667111890669094,
        5,
        0.030256876475125302,
        7765207586496720,
        "left",
        0.5089360628609135,
    )


def test_parameters_are_plain_json() -> None:
    for shift in DRAWN[:50]:
        assert Shift(**json.loads(json.dumps(dataclasses.asdict(shift)))) == shift
        assert 0 <= shift.noise_seed < 2**53


def test_ranges_are_the_protocols_and_are_used_in_full() -> None:
    area = np.array([shift.crop_height * shift.crop_width for shift in DRAWN])
    aspect = np.array([shift.crop_width / shift.crop_height for shift in DRAWN])
    drawn = {"area": (area, 0.9, 1.0), "aspect": (aspect, 0.9, 1.1)}
    for name, low, high in [
        ("angle", -10, 10),
        ("translate_y", -0.05, 0.05),
        ("translate_x", -0.05, 0.05),
        ("brightness", 0.7, 1.3),
        ("contrast", 0.7, 1.3),
        ("saturation", 0.7, 1.3),
        ("noise_sigma", 0.01, 0.05),
    ]:
        drawn[name] = (np.array([getattr(shift, name) for shift in DRAWN]), low, high)
    for name, (values, low, high) in drawn.items():
        slack = (high - low) * 0.03
        assert low - 1e-12 <= values.min() < low + slack, name
        assert high - slack < values.max() <= high + 1e-12, name
        assert values.mean() == pytest.approx((low + high) / 2, abs=0.1 * (high - low)), name


@pytest.mark.parametrize("severity", [0, 0.25, 0.5, 1, 1.5, 2])
def test_crops_lie_inside_the_image(severity: float) -> None:
    for shift in at_severity(severity):
        assert -1e-12 <= shift.crop_top <= 1 - shift.crop_height + 1e-12
        assert -1e-12 <= shift.crop_left <= 1 - shift.crop_width + 1e-12


def test_kernels_and_light_come_in_their_shares() -> None:
    kernels = Counter(shift.blur_kernel for shift in DRAWN)
    assert set(kernels) == {3, 5} and abs(kernels[3] - 500) < 70
    light = Counter(shift.illumination for shift in DRAWN)
    assert set(light) == {"none", "left", "right", "top", "bottom", "centre", "edge"}
    assert abs(light["none"] - 500) < 70
    assert all(abs(light[side] - 62.5) < 35 for side in ("left", "right", "top", "bottom"))
    assert all(abs(light[kind] - 125) < 45 for kind in ("centre", "edge"))
    lit = np.array([shift.illumination_depth for shift in DRAWN if shift.illumination != "none"])
    assert 0.4 <= lit.min() < 0.42 and 0.68 < lit.max() <= 0.7
    assert {shift.illumination_depth for shift in DRAWN if shift.illumination == "none"} == {0.0}


def test_severity_1_is_the_protocol_to_the_last_bit() -> None:
    """The digest was taken before there was a severity."""
    text = repr([dataclasses.astuple(shift) for shift in DRAWN])
    assert at_severity(1.0) == DRAWN
    assert (
        hashlib.sha256(text.encode()).hexdigest() == "2b1e6fd492929617b7b7e1a56fef7a1c1e1610cddbc0cc2a7cc1cd684c6478aa"
    )


def test_severity_0_is_no_shift() -> None:
    assert {dataclasses.replace(shift, noise_seed=0) for shift in at_severity(0)} == {Shift()}
    assert "-0.0" not in str(at_severity(0))


def test_severity_2_doubles_every_distance_from_no_shift() -> None:
    for once, twice in zip(DRAWN, at_severity(2), strict=True):
        for name in ("angle", "crop_top", "crop_left", "translate_y", "translate_x", "noise_sigma"):
            assert getattr(twice, name) == 2 * getattr(once, name)
        for name in ("brightness", "contrast", "saturation", "crop_height", "crop_width"):
            assert getattr(twice, name) - 1 == pytest.approx(2 * (getattr(once, name) - 1), abs=1e-15)
            assert getattr(twice, name) >= 0.4 - 1e-12
        assert twice.blur_kernel == {3: 5, 5: 9}[once.blur_kernel]
        assert twice.illumination_depth == min(2 * once.illumination_depth, 0.95)
        assert (twice.illumination, twice.noise_seed) == (once.illumination, once.noise_seed)


def test_severity_scales_evenly_and_keeps_kernels_odd() -> None:
    half, quarter = at_severity(0.5), at_severity(0.25)
    for once, shift in zip(DRAWN, half, strict=True):
        assert shift.angle == once.angle / 2 and shift.noise_sigma == once.noise_sigma / 2
        assert shift.illumination_depth == once.illumination_depth / 2
        assert shift.brightness == pytest.approx((1 + once.brightness) / 2, abs=1e-15)
    assert {(once.blur_kernel, shift.blur_kernel) for once, shift in zip(DRAWN, half, strict=True)} == {(3, 3), (5, 3)}
    assert {(once.blur_kernel, shift.blur_kernel) for once, shift in zip(DRAWN, quarter, strict=True)} == {
        (3, 1),
        (5, 3),
    }


@pytest.mark.parametrize("severity", [-0.1, 2.001, float("nan"), float("inf")])
def test_a_severity_out_of_range_is_refused(severity: float) -> None:
    with pytest.raises(UserError, match=f"severity must be between 0 and 2, but got {severity}"):
        draw_shift("a.png", 42, severity)
