"""Ray clusters whose nodes are processes of this machine."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

PROJECT = Path(__file__).resolve().parents[1]


@contextlib.contextmanager
def cluster_of(*cores: int) -> Iterator[tuple[Any, list[Any]]]:
    """A cluster to which this process is connected, of a node for each number of ``cores``, and its nodes but the
    first. Their processes can import the tests."""
    ray = pytest.importorskip("ray", reason="the extra scale is not installed")
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("RAY_ADDRESS", raising=False)
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("PYTHONPATH", os.pathsep.join([str(PROJECT), os.environ.get("PYTHONPATH", "")]).strip(os.pathsep))
        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": cores[0], "include_dashboard": False})
        try:
            others = [cluster.add_node(num_cpus=number) for number in cores[1:]]
            ray.init(cluster.address, log_to_driver=False, logging_level="ERROR")
            yield cluster, others
        finally:
            ray.shutdown()
            cluster.shutdown()
