"""The benchmarks' own logic: what they compare is what they say, and a contender that is wrong stops them."""

import re
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click
import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage

from adtrack.config import ImageSpec
from adtrack.scale.workers import Workers
from experiments.benchmarks import (
    end_to_end,
    ladder,
    megapixels,
    pixels,
    processes,
    pruning,
    scoring,
    shards,
    sharing,
    shifting,
    start,
    study,
)
from experiments.benchmarks.common import peak_memory
from tests.tuning.spaces import PLAIN

VIEW = ImageSpec(128, 0)


def test_shifts_are_timed_that_agree_and_a_difference_stops_the_benchmark(monkeypatch) -> None:
    works = shifting.contenders(40)
    least = shifting.least_cpu_seconds(works, 2)
    assert list(least) == list(works) and shifting.OURS in least and max(least.values()) < np.inf
    with ThreadPoolExecutor(2) as pool:
        assert len(shifting.one_and_two(40, pool)["two images on two threads"]()) == 2
    monkeypatch.setattr(shifting, "shift_image", lambda image, shift: image)
    with pytest.raises(AssertionError, match="not equal"):
        shifting.contenders(40)


def test_the_contenders_agree_and_a_difference_stops_the_benchmark() -> None:
    maps, masks = pixels.generated(6, 96)
    ours, theirs = (contender(maps, masks) for contender in pixels.CONTENDERS.values())
    assert "AUROC within" in pixels.agreement(ours, theirs)
    for wrong in ((theirs[0] + 1e-6, theirs[1]), (theirs[0], theirs[1] - 1e-3)):
        with pytest.raises(AssertionError, match="values differ"):
            pixels.agreement(ours, wrong)


def test_generated_maps_are_smooth_with_several_regions_and_some_without() -> None:
    maps, masks = pixels.generated(9, 224)
    regions = [ndimage.label(mask)[1] for mask in masks]
    assert maps.dtype == np.float32 and regions[::3] == [0, 0, 0] and min(regions[1:3]) > 1
    assert np.abs(np.diff(maps, axis=2)).mean() < maps.std() / 4
    assert maps[masks].mean() > maps[~masks].mean()


def _prepare(megabytes: int):
    return lambda: np.ones(megabytes * 2**17).sum()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_peak_is_what_the_work_takes_above_what_was_there() -> None:
    assert 60 < peak_memory(_prepare, 64) / 2**20 < 72  # the system counts pages in batches


def test_the_first_time_of_a_part_warms_up() -> None:
    clock = scoring.Clock()
    clock.taken = {"pass": [9.0, 1.0, 3.0, 2.0]}
    assert clock.time("map", lambda: 5) == 5 and clock.time("map", lambda: 6) == 6
    medians = clock.medians()
    assert medians["pass"] == 2.0 and 0 < medians["map"] == clock.taken["map"][1]


def test_the_cut_down_class_has_the_images_that_are_promised(write_part, tmp_path: Path) -> None:
    from adtrack.data.layouts import read_class

    end_to_end.cut_down(write_part(tmp_path / "all"), "part", tmp_path / "some", 0.025)
    some = read_class(tmp_path / "some", "part")
    assert len(some.train) == 6 and some.has_masks
    assert [record.kind for record in some.test] == ["good"] * 4 + ["scratch"] * 4 + ["spot"] * 4


def test_a_share_of_a_class_has_that_share_of_every_kind(write_part, tmp_path: Path) -> None:
    from adtrack.data.layouts import read_class

    end_to_end.share_of(write_part(tmp_path / "all"), "part", tmp_path / "some", 0.6)
    every, some = (read_class(tmp_path / name, "part") for name in ("all", "some"))
    assert len(some.train) == round(0.6 * len(every.train)) and some.has_masks
    kinds = [[record.kind for record in images.test] for images in (every, some)]
    assert set(kinds[0]) == set(kinds[1])
    for kind in set(kinds[0]):
        assert kinds[1].count(kind) == max(min(4, kinds[0].count(kind)), round(0.6 * kinds[0].count(kind)))


def test_enlarged_photos_are_in_colour_and_their_masks_fit(write_part, tmp_path: Path) -> None:
    folder = write_part(tmp_path, size=40)
    grey = folder / "part/train/good/000.png"
    Image.open(grey).convert("L").save(grey.with_suffix(".bmp"))
    grey.unlink()
    before = {file.with_suffix(".png") for file in folder.rglob("*.*") if file.is_file()}
    megapixels.enlarge(folder, 96)
    assert {file for file in folder.rglob("*.*") if file.is_file()} == before
    for file in before:
        with Image.open(file) as image:
            is_mask = "ground_truth" in file.parts
            assert image.size == (96, 96) and (set(np.unique(image)) <= {0, 255} if is_mask else image.mode == "RGB")


@pytest.mark.skipif(sys.platform == "win32", reason="needs what the system counts of a process")
def test_the_cost_of_a_process_is_its_own_and_a_failure_is_told(tmp_path: Path) -> None:
    cost = megapixels.cost_of(("-c", "len(b'1' * 300_000_000)"), tmp_path)
    assert cost.peak_mb > 300 and cost.seconds > 0 and cost.cpu_seconds > 0
    with pytest.raises(click.ClickException, match="failed:\nno such verb"):
        megapixels.cost_of(("-c", "import sys; sys.exit('no such verb')"), tmp_path)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs what the system counts of a process")
def test_every_verb_has_a_cost(write_part, tmp_path: Path) -> None:
    found = megapixels.costs(write_part(tmp_path / "data"), "part", "random", tmp_path)
    assert len(found) == 6 and (tmp_path / "scored/scores.csv").is_file()


@pytest.mark.slow
def test_anomalib_has_the_bank_that_its_loop_finds_and_scores_as_adtrack_does(
    write_part, tmp_path: Path, capsys
) -> None:
    data = str(write_part(tmp_path / "data"))
    bench = end_to_end.build_and_evaluate(data, "part", "random", VIEW)
    train, test = bench.opened.images("train_clean"), bench.opened.images("test_clean")
    theirs = end_to_end.Anomalib(bench, train)
    theirs.time_coreset()
    assert float(capsys.readouterr().out.split("agree in ")[1].split("%")[0]) > 99
    assert 0 <= theirs.auroc(test, 42) <= 1 and len(theirs.model.memory_bank) == int(0.1 * 16 * 16 * len(train))
    ours, its_own = theirs.aurocs_of_one_bank(test)
    assert ours == pytest.approx(its_own, abs=0.01)  # it squares and sums in float32, which may swap two images
    assert {name.partition(",")[0] for name in theirs.parts} == {"features", "coreset", "scores"}


@pytest.mark.slow
def test_every_seed_has_an_auroc(write_part, tmp_path: Path) -> None:
    found = end_to_end.aurocs(str(write_part(tmp_path / "data")), "part", "random", VIEW)
    assert len(found) == len(end_to_end.SEEDS) and all(0 <= auroc <= 1 for auroc in found)
    assert end_to_end.spread([0.5, 0.7]) == "0.600 ± 0.141"


def test_passes_are_counted_by_image_set(tiny_splits, tiny_data: Path) -> None:
    from adtrack.data.imageset import image_set

    def network_pass(images, spec) -> Iterator[tuple[int, dict]]:
        yield from ((at, {"spec": spec}) for at in range(len(images)))

    counted = study.CountedPasses(network_pass)
    val = image_set(tiny_splits, tiny_data, "val", "clean")
    assert [at for at, _ in counted(val, "view")] == [0, 1, 2, 3]
    list(counted(val, "view"))
    assert counted.passes == {"val_clean": 2} and counted.seconds > 0
    assert study.Cost(1.0, counted.passes, 0.5).words == "1 image sets through the backbone at most 2 ×, 0.5 s"


def test_the_latest_run_of_every_work_is_shown(tmp_path: Path) -> None:
    from experiments.benchmarks.log import benchmarks_table

    log = tmp_path / "benchmarks.csv"
    log.write_text(
        "benchmark,work,what,seconds,times ours,date,machine,versions\n"
        "search,10 rows; same 99 %,ours; peak 2,4,1,2026-01-01,old,v1\n"
        "search,10 rows; same 99 %,no longer timed,7,2,2026-01-01,old,v1\n"
        "search,10 rows; same 99 %,theirs,8,2,2026-01-01,old,v1\n"
        "search,20 rows,ours,5,1,2026-01-01,old,v1\n"
        "search,10 rows; same 100 %,ours; peak 1,3,1,2026-01-02,old,v2\n"
        "search,10 rows; same 100 %,theirs,9,3,2026-01-02,old,v2\n"
        "search,10 rows; same 100 %,ours,2,1,2026-01-03,new,v2\n"
        "search,10 rows; same 100 %,theirs,8,4,2026-01-03,new,v2\n"
    )
    first, second = (table.splitlines() for table in re.split(r"\n(?=\| what)", benchmarks_table(log)))
    assert first[2:] == [
        "| search | 20 rows | ours 5 s |  |",
        "| search | 10 rows; same 100 % | ours; peak 1 3 s | theirs 3 × |",
        *("", "2026-01-01: old; v1; 2026-01-02: old; v2."),
    ]
    assert second[2:] == ["| search | 10 rows; same 100 % | ours 2 s | theirs 4 × |", "", "2026-01-03: new; v2."]
    assert benchmarks_table(tmp_path / "none.csv") == ""


def test_the_memory_of_an_order_is_looked_at_on_its_way(tmp_path: Path) -> None:
    from experiments.benchmarks.memory import Stages

    rounds = [torch.tensor([3]), torch.tensor([3, 1]), torch.tensor([3, 1, 0])]
    (order,) = Stages(tmp_path).orders("order", [3], lambda prefix: iter(rounds))
    assert order.indices.equal(rounds[-1])
    assert [*Stages.peaks] == ["projected patches, their codes and the first round", "greedy order"]


def test_the_memory_of_the_latest_bank_is_told(tmp_path: Path) -> None:
    from experiments.benchmarks.log import memory_sentence

    log = tmp_path / "memory.csv"
    rows = ["work,up to,peak MB", "10 of 1000 × 384,bank,7", "2000 of 20000 × 384,a pass of its own,900"]
    log.write_text("\n".join([*rows, "2000 of 20000 × 384,libraries,1000", "2000 of 20000 × 384,bank,1849\n"]))
    told = memory_sentence(log)
    assert told.startswith(
        "A bank of 2,000 of 20,000 patches in 384 dimensions is built within 1.85 GB, 1.00 GB of that"
    )
    assert memory_sentence(tmp_path / "none.csv") == ""


def test_a_verb_is_timed_until_its_first_image(tmp_path: Path, part, tiny_data: Path) -> None:
    assert start.until_first_image(tiny_data, tmp_path, ("build-bank", *part, "--layers", "layer2")) > 0
    assert not list(tmp_path.glob("mlruns/**/*.json"))  # it ended there
    named = {verb[0] for verb in start.verbs(tiny_data, tmp_path).values()}
    assert named == {"build-bank", "evaluate", "tune", "score"}


def test_processes_side_by_side_find_the_same_order_however_their_threads_wait() -> None:
    alone = processes.found(1, 1, 600, "PASSIVE")
    assert len(alone) == 1 and processes.found(1, 2, 600, None) == alone


def test_an_item_that_is_no_work_costs_something() -> None:
    assert sharing.handing_out(Workers(2), 20) > 0


@pytest.mark.slow
def test_photos_cost_the_same_scores_whoever_takes_them(tmp_path: Path) -> None:
    each, begin = sharing.costs({"one": Workers(), "two": Workers(2)}, 4, tmp_path)
    assert list(each) == list(begin) == ["one", "two"] and min(begin.values()) > 0


@pytest.mark.slow
def test_processes_that_share_a_study_find_the_same_trials(write_part, tmp_path: Path) -> None:
    data, places = write_part(tmp_path / "data"), [tmp_path / name for name in ("one", "two")]
    for place in places:
        place.mkdir()
    asked = ("--resize=64", "--crop=0", "--space-patch-size=3", "--space-coreset-fraction=0.01", "--trials=2")
    one, two = (processes.study(data, "part", count, place, asked) for count, place in enumerate(places, start=1))
    assert one == two and len(one) == 2


def test_a_ladder_has_the_scores_of_all_patches_on_every_rung(write_part, tmp_path: Path) -> None:
    from experiments.benchmarks.common import merged, open_bench

    layers = ("layer2", "layer3")
    bench = open_bench(str(write_part(tmp_path / "data")), "part", "random", ImageSpec(64, 0), layers)
    patches = merged(bench.features("train_clean"), 4, layers)
    rungs = ladder.Ladder(ladder.some_of(bench.features("val_clean"), 3), patches, ladder.PatchCoreSpec(layers=layers))
    found = rungs.scores()
    assert [len(scores) for scores in found] == [3] * 5 and len(set(rungs.counts)) == 5
    assert all(map(np.array_equal, found, rungs.by_maps(rungs.counts)))
    assert ladder.least({"nothing": lambda: None}, 2)["nothing"] >= 0


def test_studies_in_memory_are_worth_what_their_cells_are(write_part, tmp_path: Path) -> None:
    space = pruning.Space.of(pruning.PatchCoreSpec, {**PLAIN, "layers": "layer3", "patch_size": "1,3"})
    bench = pruning.open_bench(str(write_part(tmp_path)), "part", "random", layers=("layer3",), image=ImageSpec(64, 0))
    ways = pruning.all_rungs(bench, space)
    assert len(ways) == len(space.cells()) == 8
    best = max(rung.value for rung in ways.values())
    for pruner in ("none", "auto"):
        assert pruning.study(space, ways, pruner, 8, 0).best == best
    whole = pruning.study(space, ways, "none", 8, 0)
    tops = sum(rung.rows for spec, rung in ways.items() if spec.coreset_fraction == 0.1)
    assert whole.pruned == 0 and whole.rows == tops


def test_a_plan_follows_from_what_was_measured() -> None:
    found = list(shards.plans(1e9, 4000, 8, 16))
    assert {one.centres for one in found} == {1e4, 1e5, 1e6} and {one.machines for one in found} == {16, 64, 256}
    few, many = found[0], found[2]
    assert few.gigabytes > 10 * many.gigabytes and many.exchanged == pytest.approx(16 * few.exchanged)
    assert few.hours > many.hours > 0 and few.rounds == many.rounds >= 1
