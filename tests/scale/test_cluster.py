"""A real Ray cluster on this machine: found, started, and refused where versions differ."""

import functools
import os
import platform
import tempfile
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError

import pytest

from adtrack.errors import UserError
from adtrack.scale import cluster

ray = pytest.importorskip("ray", reason="the extra scale is not installed")


@pytest.fixture
def without_others() -> Iterator[None]:
    """Ray looks for clusters among this machine's processes, where other tests may have theirs, and in a folder."""
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as short:  # Ray takes no long paths
        patch.delenv("RAY_ADDRESS", raising=False)
        patch.setenv("RAY_TMPDIR", short)
        patch.setattr("ray._private.services.find_gcs_addresses", functools.cache(set))
        yield


def test_a_cluster_is_started_and_ended(monkeypatch, without_others) -> None:
    with cluster.connected() as found:
        assert found.own and found.machines == (platform.node(),)
        assert found.cores == int(ray.cluster_resources()["CPU"])
        with cluster.connected() as again:
            assert (again.own, again.cores) == (False, found.cores)
        assert ray.is_initialized()
        monkeypatch.setattr(platform, "python_version", lambda: "9.9")
        with pytest.raises(UserError, match=r"must have Python 9\.9, as this one has"), cluster.connected():
            pass
        monkeypatch.undo()
        here = os.getpid()

        def without_adtrack() -> dict[str, str]:
            if os.getpid() != here:
                raise PackageNotFoundError("adtrack")
            return {}

        monkeypatch.setattr(cluster, "versions", without_adtrack)
        with pytest.raises(UserError, match=r"tells no versions .*adtrack"), cluster.connected():
            pass
    assert not ray.is_initialized()


def test_an_address_that_is_none_is_named(monkeypatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "no-port")
    with pytest.raises(UserError, match="that of RAY_ADDRESS, no-port, is not"), cluster.connected():
        pass


def test_a_cluster_of_another_ray_is_refused(monkeypatch) -> None:
    def init(address: str, **options: object) -> None:
        raise RuntimeError("Version mismatch: The cluster was started with:\n    Ray: 1.0")

    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(ray, "init", init)
    with pytest.raises(UserError, match=r"that of this machine is not \(Version .* Ray: 1\.0\)"), cluster.connected():
        pass
