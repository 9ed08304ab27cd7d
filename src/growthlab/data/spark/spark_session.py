"""The Spark session of this process: how it is started, and what its errors are in one line."""

from __future__ import annotations

import os
import shutil
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING

from growthlab.core.errors import ConfigError, one_line, quoted

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

LONGEST_REASON = 300  # characters
SECONDS_TO_ANSWER = 10
ON_THIS_MACHINE = {
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.ui.enabled": "false",
}
SPARK_VARIABLES = (
    "SPARK_CONF_DIR",
    "SPARK_HOME",
    "PYSPARK_SUBMIT_ARGS",
)  # of an installation with settings


def require_spark(setting: str, *packages: str) -> None:
    """Raise a `ConfigError` where Spark, a package beside it or Java is missing; `setting` asks for it."""
    for package in ("pyspark", *packages):
        if find_spec(package) is None:
            raise ConfigError(f"{setting} needs {package}: pip install 'growthlab[spark]'")
    if shutil.which("java") is None and "JAVA_HOME" not in os.environ:
        raise ConfigError(f"{setting} needs Java 17 or newer, and there is no java here")


def master_or_default(master: str | None) -> str:
    """The address of a cluster; where none is given this machine, or empty if an installation names one."""
    configured = any(name in os.environ for name in SPARK_VARIABLES)
    return master or ("" if configured else "local[*]")


def start_session(master: str, settings: Mapping[str, str] | None = None) -> SparkSession:
    """A new session, or the one that this process has already."""
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.appName("growthlab")
    builder = builder.config("spark.ui.showConsoleProgress", "false")
    builder = builder.config("spark.log.level", "ERROR")
    if master:
        builder = builder.master(master)
    if master.startswith("local"):
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
        os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
        settings = {**ON_THIS_MACHINE, **(settings or {})}
    for name, value in (settings or {}).items():
        builder = builder.config(name, value)
    return builder.getOrCreate()


@contextmanager
def spark_errors(
    said: str, error_class: type[Exception], hint: str = "", other: tuple[type[Exception], ...] = ()
) -> Iterator[None]:
    """What Spark raises in the block is one line: a wrong address, a cluster that is gone.

    `said` are the settings that ask for Spark, and `hint` is the way out.
    """
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException

    try:
        yield
    except (PySparkException, Py4JError, *other) as error:
        cause = getattr(error, "java_exception", None)
        reason = one_line(RuntimeError(cause.getMessage() if cause is not None else str(error)))
        if "on a stopped SparkContext" in reason:  # after a minute; what follows are its own lines
            reason = "no master of Spark that takes this command answers there, or it is gone"
        raise error_class(
            f"{said}: {reason[:LONGEST_REASON].rstrip('. :')}{hint and f': {hint}'}"
        ) from error


def require_answer(master: str, setting: str) -> None:
    """Raise a `ConfigError` where nobody answers at a cluster's address: Spark would try for a minute."""
    if not master.startswith("spark://"):
        return
    for address in master.removeprefix("spark://").split(","):
        host, _, port = address.rpartition(":")
        if not (host and port.isdecimal() and int(port) < 65536 and "/" not in host):
            raise ConfigError(f"{setting}={quoted(master)}: give spark://HOST:PORT of the master")
        try:
            socket.create_connection((host, int(port)), timeout=SECONDS_TO_ANSWER).close()
            return
        except OSError as error:
            reason = one_line(error)
    raise ConfigError(f"{setting}={master}: nobody answers there ({reason})")
