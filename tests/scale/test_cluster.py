"""A real Ray cluster on this machine: found, started, and refused where versions differ."""

import platform

import pytest

from adtrack.errors import UserError
from adtrack.scale import cluster

ray = pytest.importorskip("ray", reason="the extra scale is not installed")


def test_a_cluster_is_started_and_ended(monkeypatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    with cluster.connected() as found:
        assert found.own and found.machines == (platform.node(),)
        assert found.cores == int(ray.cluster_resources()["CPU"])
        with cluster.connected() as again:
            assert (again.own, again.cores) == (False, found.cores)
        assert ray.is_initialized()
        monkeypatch.setattr(platform, "python_version", lambda: "9.9")
        with pytest.raises(UserError, match=r"must have Python 9\.9, as this one has"), cluster.connected():
            pass
    assert not ray.is_initialized()
