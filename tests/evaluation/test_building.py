"""A bank from its specification to its metrics: Test stays unread, and the same inputs give the same bits."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from adtrack.config import BackboneSpec, DataSpec, ImageSpec
from adtrack.data import imageset
from adtrack.detectors.padim import PadimSpec
from adtrack.detectors.patchcore_spec import PatchCoreSpec
from adtrack.detectors.scorer import Scorer
from adtrack.evaluation.building import BuiltModel, build
from adtrack.evaluation.evaluate import GOOD_METRICS, PIXEL_METRICS
from adtrack.evaluation.measuring import score_set
from adtrack.evaluation.pictures.sheets import fit, fit_mask
from adtrack.evaluation.pictures.shown import SIDE
from adtrack.evaluation.thresholds import f1_threshold
from adtrack.evaluation.workbench import Workbench
from adtrack.features.backbone import Backbone
from adtrack.threshold_spec import ThresholdSpec

LAYERS = ("layer1", "layer2")
SETS = ("val_clean", "val_shift", "test_clean", "test_shift")
METRICS = {
    *("image_auroc", "image_auprc", "f1", "accuracy", "precision", "recall", "threshold"),
    *("image_auroc_low", "image_auroc_high", "pixel_auroc", "pixel_aupro_030", "pixel_aupro_005"),
    *("false_alarm_rate", "false_alarm_rate_low", "false_alarm_rate_high"),
}


def workbench(root: Path, view: ImageSpec = ImageSpec(72, 64)) -> Workbench:  # noqa: B008 - frozen
    return Workbench.open(DataSpec("part", str(root)), view, BackboneSpec("resnet18", "random", 1), LAYERS, "cpu")


def bank(fraction: float = 0.1, **fields: object) -> PatchCoreSpec:
    return PatchCoreSpec(**{"layers": LAYERS, "coreset_fraction": fraction, **fields})


def same(one: BuiltModel, other: BuiltModel) -> bool:
    pairs = list(zip(one.evaluations, other.evaluations, strict=True))
    return one.scorer.calibration == other.scorer.calibration and all(
        a.metrics == b.metrics
        and np.array_equal(a.scored.scores, b.scored.scores)
        and all(np.array_equal(*maps, equal_nan=True) for maps in zip(a.scored.maps, b.scored.maps, strict=True))
        for a, b in pairs
    )


def test_a_bank_from_end_to_end(tiny_data: Path) -> None:
    bench = workbench(tiny_data)
    built = build(bench, bank(), SETS)
    assert [evaluation.name for evaluation in built.evaluations] == list(SETS)
    for evaluation in built.evaluations:
        assert set(evaluation.metrics) == METRICS and np.isfinite(list(evaluation.metrics.values())).all()
        assert evaluation.threshold == evaluation.metrics["threshold"] == built.scorer.calibration.threshold
        for at, plane in enumerate(evaluation.scored.maps):
            assert plane.shape == evaluation.scored.images.size(at) and np.isnan(plane[0, 0])
    assert built.evaluations[0].metrics["image_auroc"] == 1.0  # spots and scratches are obvious
    assert built.evaluations[2].metrics["pixel_auroc"] > 0.9
    rows = round(0.1 * 8 * 16 * 16)
    assert built.costs["bank_rows"] == rows and built.costs["bank_mb"] == rows * 192 * 4 / 1e6
    assert built.costs["build_s"] > 0 and built.costs["score_ms"] > 0
    assert built.scorer.facts["threshold_from"] == "f1" and "good_quantile" not in built.scorer.facts
    assert built.scorer.facts["class"] == "part" and built.scorer.facts["split_digest"] == bench.opened.digest


def test_the_scorer_says_what_was_measured(tiny_data: Path) -> None:
    """One image through the scorer has the bits of the set's scores and maps."""
    built = build(workbench(tiny_data), bank(), ("val_shift",))
    scored = built.evaluations[0].scored
    for at in range(len(scored.images)):
        image = scored.images.image(at)
        judgement = built.scorer.judge(image)
        assert judgement.score == scored.scores[at]
        np.testing.assert_array_equal(built.scorer.map(judgement, *image.shape[:2]), scored.maps[at])


def test_building_and_tuning_never_read_a_test_image(tiny_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = workbench(tiny_data)  # opening checks every file and takes its digest
    read: set[str] = set()
    for name in ("decode", "decode_mask"):
        whole = getattr(imageset, name)

        def watched(file: Path, *arguments: object, whole: Callable = whole) -> np.ndarray:
            read.add(Path(file).relative_to(tiny_data).as_posix())
            return whole(file, *arguments)

        monkeypatch.setattr(imageset, name, watched)
    build(bench, bank())
    build(bench, bank(0.2))
    splits = bench.opened.splits
    test = {path for record in splits.test.records for path in (record.path, record.mask) if path}
    assert len(test) == 16 and not read & test
    assert read >= {record.path for part in (splits.train, splits.val) for record in part.records}
    build(bench, bank(), ("test_clean",))
    assert read >= test  # the watch sees them when they are read


def test_the_threshold_is_vals_whatever_is_evaluated(tiny_data: Path) -> None:
    bench = workbench(tiny_data)
    usual = build(bench, bank())
    other = build(bench, bank(), ("val_shift", "test_clean"))
    assert other.scorer.calibration == usual.scorer.calibration
    assert {evaluation.threshold for evaluation in other.evaluations} == {usual.scorer.calibration.threshold}


def test_bank_and_threshold_come_from_the_sets_named(tiny_data: Path) -> None:
    bench, of = workbench(tiny_data), bank(patch_size=1)
    sets = ("test_shift", "val_shift")
    usual, moved = (build(bench, of, sets, threshold=ThresholdSpec(name)) for name in ("val_clean", "val_shift"))
    adapted = build(bench, of, sets, train="train_shift", threshold=ThresholdSpec("val_shift"))
    scores = [built.evaluations[0].scored.scores for built in (usual, moved, adapted)]
    assert np.array_equal(scores[0], scores[1]) and not np.array_equal(scores[1], scores[2])
    auroc, f1 = ([built.evaluations[0].metrics[name] for built in (usual, moved)] for name in ("image_auroc", "f1"))
    assert auroc[0] == auroc[1] and usual.scorer.calibration != moved.scorer.calibration and f1[0] != f1[1]
    for built in (moved, adapted):
        val = built.evaluations[1].scored
        assert built.scorer.calibration.threshold == f1_threshold(val.scores, val.images.labels)
    expected = [("train_clean", "val_clean"), ("train_clean", "val_shift"), ("train_shift", "val_shift")]
    facts = [built.scorer.facts for built in (usual, moved, adapted)]
    assert [(found["trained_on"], found["calibrated_on"]) for found in facts] == expected


def test_by_default_one_threshold_comes_from_both_domains(tiny_data: Path) -> None:
    built = build(workbench(tiny_data), bank(patch_size=1), ("val_shift", "val_clean"))
    sets = [evaluation.scored for evaluation in built.evaluations]
    scores, labels = (
        np.concatenate(parts) for parts in ([one.scores for one in sets], [one.images.labels for one in sets])
    )
    assert built.scorer.calibration.threshold == f1_threshold(scores, labels)
    assert built.scorer.facts["calibrated_on"] == "both"


def test_a_share_of_the_good_images_can_be_promised_where_anomalies_are_labelled(tiny_data: Path) -> None:
    spec = ThresholdSpec("val_clean", "good_quantile", 0.5)
    built = build(workbench(tiny_data), bank(), ("val_clean",), threshold=spec)
    scored = built.evaluations[0].scored
    assert built.scorer.calibration.threshold == np.median(scored.scores[scored.images.labels == 0])
    assert built.scorer.facts["threshold_from"] == "good_quantile" and built.scorer.facts["good_quantile"] == "0.5"


def test_padim_goes_the_same_way(tiny_data: Path) -> None:
    bench = workbench(tiny_data)
    built = build(bench, PadimSpec(LAYERS, 20), SETS)
    for evaluation in built.evaluations:
        assert set(evaluation.metrics) == METRICS and np.isfinite(list(evaluation.metrics.values())).all()
        assert evaluation.threshold == built.scorer.calibration.threshold
    assert built.evaluations[0].metrics["image_auroc"] > 0.9
    assert built.costs["bank_rows"] == 16 * 16 and built.costs["bank_mb"] > 16 * 16 * 20 * 20 * 4 / 1e6
    assert same(build(bench, PadimSpec(LAYERS, 20), SETS), built)
    scored = built.evaluations[1].scored
    judgement = built.scorer.judge(scored.images.image(0))
    assert judgement.score == scored.scores[0]


def test_without_masks_there_are_no_pixel_metrics(tmp_path: Path, write_part: Callable[..., Path]) -> None:
    built = build(workbench(write_part(tmp_path, masks=False)), bank(), SETS)
    for evaluation in built.evaluations:
        assert set(evaluation.metrics) == METRICS - set(PIXEL_METRICS)


def test_good_images_alone(good_data: Path) -> None:
    data = DataSpec("photos", str(good_data))
    bench = Workbench.open(data, ImageSpec(64, 0), BackboneSpec("resnet18", "random", 1), LAYERS, "cpu")
    built = build(bench, bank(), SETS, threshold=ThresholdSpec("val_clean", good_quantile=0.5))
    for evaluation in built.evaluations:
        assert set(evaluation.metrics) >= set(GOOD_METRICS) and "image_auroc" not in evaluation.metrics
        assert np.isfinite(list(evaluation.metrics.values())).all() and evaluation.pro_curve is None
    scores = built.evaluations[0].scored.scores
    assert len(scores) == 2 and built.scorer.calibration.threshold == pytest.approx(scores.mean())
    assert built.scorer.facts["threshold_from"] == "good_quantile" and built.scorer.facts["good_quantile"] == "0.5"
    usual, both = (build(bench, bank(), SETS, threshold=ThresholdSpec(name)).scorer for name in ("auto", "both"))
    assert usual.calibration.threshold == scores.max() and usual.facts["calibrated_on"] == "val_clean"  # 0.99 of two
    shifted = built.evaluations[1].scored.scores
    assert both.calibration.threshold == max(scores.max(), shifted.max()) and both.facts["calibrated_on"] == "both"


def test_images_of_different_sizes(tmp_path: Path, write_part: Callable[..., Path]) -> None:
    root = write_part(tmp_path)
    for file in (root / "part" / "test" / "spot" / "002.png", root / "part" / "ground_truth" / "spot" / "002_mask.png"):
        Image.open(file).resize((90, 48)).save(file)
    (evaluation,) = build(workbench(root), bank(), ("test_clean",)).evaluations
    assert (48, 90) in {plane.shape for plane in evaluation.scored.maps}
    assert np.isfinite(evaluation.metrics["pixel_aupro_030"])


def test_separate_caches_give_the_same_bits(tiny_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built = []
    for name in ("one", "other"):
        monkeypatch.setenv("ADTRACK_CACHE", str(tmp_path / name))
        built.append(build(workbench(tiny_data), bank(), SETS))
    built.append(build(workbench(tiny_data), bank(), SETS))  # and so does a warm one
    assert same(built[0], built[1]) and same(built[1], built[2])


def test_banks_built_before_do_not_show(tiny_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    specs = [bank(0.3, patch_size=1), bank(0.05), bank(0.2), bank(0.2, reweight_neighbours=1)]
    monkeypatch.setenv("ADTRACK_CACHE", str(tmp_path / "shared"))
    bench = workbench(tiny_data)
    after_others = [build(bench, spec) for spec in specs][2]
    monkeypatch.setenv("ADTRACK_CACHE", str(tmp_path / "alone"))
    assert same(after_others, build(workbench(tiny_data), specs[2]))


def test_a_set_scored_in_pieces_has_the_same_scores(tiny_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = workbench(tiny_data)
    whole = build(bench, bank(), SETS)
    monkeypatch.setattr("adtrack.detectors.scoring._PIECE_BYTES", 1)
    assert same(build(bench, bank(), SETS), whole)


def test_a_saved_scorer_scores_the_sets_alike(tiny_data: Path, tmp_path: Path) -> None:
    bench = workbench(tiny_data)
    built = build(bench, bank(), ("test_clean",))
    built.scorer.save(tmp_path, with_trunk=True)
    read = Scorer.load(tmp_path, torch.device("cpu"), lambda run, path: "")
    other = Workbench(bench.opened, Backbone(read.backbone.trunk, LAYERS, torch.device("cpu")), bench.image)
    scored = score_set(other, read.detector, "test_clean")
    np.testing.assert_array_equal(scored.scores, built.evaluations[0].scored.scores)


def test_sets_of_several_severities_are_kept_apart(tiny_data: Path) -> None:
    bench = workbench(tiny_data)
    names = ("test_clean", "test_shift@0", "test_shift", "test_shift@1.0", "test_shift@2")
    clean, none, once, again, twice = build(bench, bank(), names).evaluations
    assert [found.name for found in (none, once, again, twice)] == [
        *("test_shift@0", "test_shift", "test_shift", "test_shift@2")
    ]
    assert none.metrics == clean.metrics and again.metrics == once.metrics
    assert len({found.metrics["pixel_auroc"] for found in (clean, once, twice)}) == 3
    for name in names:
        images = bench.opened.images(name)
        index = int(np.flatnonzero(images.labels)[0])
        shown = bench.display(name, index)
        np.testing.assert_array_equal(shown.image, fit(images.image(index), SIDE))
        np.testing.assert_array_equal(shown.mask, fit_mask(images.mask(index), SIDE))
