"""Setup: every class with every method behind one backbone."""

from adtrack.lab.setup import Setup


def test_cells_are_every_class_with_every_method(setup: Setup) -> None:
    found = [(bench.opened.data.class_name, spec.method) for bench, spec in setup.cells()]
    assert found == [("part", "patchcore"), ("part", "padim")]
    assert setup.methods == ("patchcore", "padim") and setup.inputs == ("layer2",)
    assert setup.only("padim").methods == ("padim",)


def test_all_benches_share_one_backbone(setup: Setup) -> None:
    assert setup.bench("part").backbone is setup.bench("part").backbone
