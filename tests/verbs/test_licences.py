"""What is said of the licence of a network's weights."""

import pytest

from adtrack.features.weights import Trunk
from adtrack.verbs.bench_setup import licence_remarks


@pytest.mark.parametrize(
    ("licence", "said"),
    [
        ("", ""),
        ("apache-2.0", ""),
        ("bsd-3-clause", ""),
        ("mit", ""),
        ("cc-by-nc-4.0", "the licence cc-by-nc-4.0, which forbids commercial use"),
        ("fair-noncommercial-research-license", "fair-noncommercial-research-license, which forbids commercial use"),
        ("dinov3-license", "the licence dinov3-license, which has terms of its own"),
        ("unknown", "a licence that timm does not name"),
    ],
)
def test_a_licence_that_asks_more_than_a_name_is_told(licence: str, said: str) -> None:
    remarks = licence_remarks(Trunk("timm/resnet10t", {}, "timm resnet10t.c3_in1k", licence=licence))
    assert len(remarks) == bool(said) and all(said in remark for remark in remarks)
