"""Where a batch is answered: in the command's own process, or on a Spark cluster."""

from __future__ import annotations

from growthlab.bundle.batch import BatchEngine, ThisProcess
from growthlab.core.errors import ConfigError, near_matches

ENGINES = ("local", "spark")


def batch_engine(engine: str, spark_master: str | None) -> BatchEngine:
    """The engine of that name.

    Raises
    ------
    ConfigError
        There is no such engine, its package is not installed, or its settings are another's.
    """
    if engine not in ENGINES:
        raise ConfigError(f"engine={engine}: {near_matches(str(engine), ENGINES)}")
    if engine == "spark":
        from growthlab.cluster.spark_batch import SparkCluster

        return SparkCluster(spark_master)
    if spark_master is not None:
        raise ConfigError(f"spark_master={spark_master} is a setting of engine=spark")
    return ThisProcess()
