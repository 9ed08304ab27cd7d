"""Apache Spark as the engine of a log."""

from __future__ import annotations

import re
from dataclasses import dataclass

from growthlab.core.errors import ConfigError, quoted
from growthlab.data.spark.spark_session import (
    master_or_default,
    require_answer,
    require_spark,
)
from growthlab.data.sql_engine import SqlConnection

SETTING = "data.engine=spark"
MASTER = re.compile(r"local(\[(\*|[1-9]\d*)(,\d+)?\])?|spark://.*|yarn|k8s://.+")


@dataclass(frozen=True, kw_only=True)
class SparkEngine:
    """Spark, on this machine or on a cluster that sees the same files under the same paths.

    Parameters
    ----------
    master
        ``local[2]``, ``spark://HOST:7077`` or ``yarn``; null: as an installation of Spark says, or else all
        processors of this machine.
    memory_gb
        Memory of the process that plans and, on this machine, works; null: Spark's default.

    Raises
    ------
    ConfigError
        Spark or Java is not here, or nobody answers at the address.
    """

    master: str | None = None
    memory_gb: float | None = None

    def __post_init__(self) -> None:
        if self.memory_gb is not None and not self.memory_gb >= 0.5:
            raise ConfigError(f"data.engine.memory_gb must be 0.5 or more, not {self.memory_gb}")
        require_spark(SETTING, "sqlglot")
        if self.master is not None and not MASTER.fullmatch(self.master):
            raise ConfigError(
                f"data.engine.master={quoted(self.master)}: possible are local[2] (processors of this "
                "machine), local[*], spark://HOST:7077, yarn and k8s://ADDRESS"
            )
        require_answer(self.master or "", "data.engine.master")

    def connect(self) -> SqlConnection:
        """See `SqlEngine.connect`."""
        from growthlab.data.spark.spark_tables import connect_to_spark

        master = master_or_default(self.master)
        return connect_to_spark(
            master, self.memory_gb, f"{SETTING}, data.engine.master={master or 'as configured'}"
        )
