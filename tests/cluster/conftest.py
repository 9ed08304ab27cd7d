"""One small Ray cluster of this machine for all tests of the process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from growthlab.cluster.ray_cluster import RayCluster


@pytest.fixture(scope="session")
def two_processors() -> Iterator[RayCluster]:
    """Ray with two processors, which is ended with the tests."""
    cluster = RayCluster(local_cpus=2, object_store_mb=100)
    cluster.require([], "cpu")
    yield cluster
    import ray

    ray.shutdown()
