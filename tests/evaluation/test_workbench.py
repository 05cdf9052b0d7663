"""The workbench: an opened class behind a backbone."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from adtrack.config import BackboneSpec, DataSpec, ImageSpec
from adtrack.data.imageset import VAL_SETS, ImageSet
from adtrack.errors import UserError
from adtrack.evaluation import workbench
from adtrack.evaluation.opened_class import open_class
from adtrack.evaluation.workbench import Workbench

LAYERS = ("layer1", "layer2")
VIEW = ImageSpec(64, 0)
NETWORK = BackboneSpec("resnet18", "random", 1)


def test_features_are_what_the_backbone_makes_of_the_set(tiny_data: Path) -> None:
    bench = Workbench.open(DataSpec("part", str(tiny_data)), VIEW, NETWORK, LAYERS, "cpu")
    features = bench.features("val_shift")
    assert len(features) == len(bench.opened.images("val_shift")) and set(LAYERS) <= set(features.layers)
    outputs = features.chunk(1, 2, LAYERS)
    again = Workbench.open(DataSpec("part", str(tiny_data)), VIEW, NETWORK, LAYERS, "cpu").features("val_shift")
    for layer in LAYERS:
        assert np.array_equal(outputs[layer], again.chunk(1, 2, LAYERS)[layer])
    assert features.key != bench.features("val_clean").key


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"class_name": "nut"}, "class must be one of part"),
        ({"root": "/nowhere/at/all"}, "does not exist"),
    ],
)
def test_no_weights_are_fetched_for_a_class_that_is_not_there(
    tiny_data: Path, monkeypatch: pytest.MonkeyPatch, fields: dict[str, str], message: str
) -> None:
    monkeypatch.setattr(workbench, "load_trunk", lambda *_: pytest.fail("weights were asked for"))
    data = DataSpec(**{"class_name": "part", "root": str(tiny_data), **fields})
    with pytest.raises(UserError, match=message):
        Workbench.open(data, VIEW, NETWORK, LAYERS, "cpu")


@pytest.mark.parametrize("known", [False, True])
def test_sets_of_one_split_that_will_be_passed_over_come_from_one_decoding(
    tiny_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, known: bool
) -> None:
    """That of the check, if the files are checked then."""
    monkeypatch.setattr("adtrack.data.remembered._SETTLED_NS", 0)
    if known:
        open_class(DataSpec("part", str(tiny_data)))
    counts: Counter[str] = Counter()
    decode = ImageSet.decoded
    monkeypatch.setattr(ImageSet, "decoded", lambda images, at: counts.update([images.split]) or decode(images, at))
    arguments = DataSpec("part", str(tiny_data)), VIEW, NETWORK, LAYERS, "cpu"
    bench = Workbench.open(*arguments, ("train_clean", *VAL_SETS))
    found = [bench.features(name).chunk(1, 2, LAYERS) for name in VAL_SETS]
    shown = [bench.display(name, 1) for name in VAL_SETS]
    count = len(bench.opened.images("val_clean"))
    assert counts == ({"val": count} if known else {})
    counts.clear()
    monkeypatch.setenv("ADTRACK_CACHE", str(tmp_path))
    alone = Workbench.open(*arguments)
    for name, outputs, display in zip(VAL_SETS, found, shown, strict=True):
        expected = alone.features(name).chunk(1, 2, LAYERS)
        assert all(outputs[layer].equal(expected[layer]) for layer in LAYERS)
        assert np.array_equal(display.image, alone.display(name, 1).image)
    assert counts == {"val": 2 * count}
