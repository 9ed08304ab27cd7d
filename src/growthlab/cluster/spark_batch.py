"""A batch on a Spark cluster: each block of rows is a task, answered by the bundle itself."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cache, partial
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from growthlab.bundle.answer_table import RequestRows
from growthlab.bundle.batch import BatchJob, state_of
from growthlab.bundle.bundle import Bundle
from growthlab.bundle.finished_blocks import LostEngineError
from growthlab.core.errors import (
    AnswerError,
    BundleError,
    ConfigError,
    DataError,
    GrowthlabError,
    one_line,
)
from growthlab.data.spark.spark_session import (
    master_or_default,
    require_spark,
    spark_errors,
    start_session,
)

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

ERRORS = {e.__name__: e for e in (AnswerError, BundleError, ConfigError, DataError)}


class Answered(NamedTuple):
    """A block's answers as the bytes of a file, or the mistake that it met."""

    content: bytes = b""
    n_rows: int = 0
    error: str = ""  # the class
    text: str = ""


@dataclass(frozen=True)
class SparkTask:
    """What a machine of the cluster does with a block; it must have this version and this bundle."""

    job: BatchJob
    folder: str  # the bundle's name among the files of the session
    state: str  # of the bundle, as the command sees it
    version: str

    def __call__(self, rows: RequestRows) -> Answered:
        """The answers to a block; a mistake is a value, as Spark would make pages of an exception."""
        try:
            bundle = _bundle(self.folder)
            self._check(bundle)
            with tempfile.TemporaryDirectory(prefix="growthlab-") as folder:
                path = Path(folder) / f"block.{self.job.kind}"
                n_rows = self.job.write(bundle, rows, path)
                return Answered(path.read_bytes(), n_rows)
        except GrowthlabError as error:
            known = type(error).__name__ if type(error).__name__ in ERRORS else "DataError"
            return Answered(error=known, text=one_line(error))

    def _check(self, bundle: Bundle) -> None:
        here = version("growthlab")
        if self.version != here:
            raise ConfigError(
                f"the cluster has growthlab {here}, the command has {self.version}: "
                "install the same"
            )
        if state_of(bundle) != self.state:
            raise ConfigError(
                "the cluster looks up known users otherwise than the command does: give its machines "
                "the same key (GROWTHLAB_KEY_FILE or GROWTHLAB_PSEUDONYM_KEY)"
            )


class SparkCluster:
    """Blocks are answered on a Spark cluster, as many at once as it has cores.

    The bundle travels with the session, a block with its task, and its answers come back as the bytes
    that this machine would have written. Blocks that are finished stay finished after an interruption.
    """

    def __init__(self, master: str | None = None) -> None:
        require_spark("engine=spark")
        self.master = master_or_default(master)

    def writers(
        self, job: BatchJob, bundle: Bundle, blocks: Iterable[RequestRows]
    ) -> Iterator[Callable[[Path], int]]:
        """See `BatchEngine.writers`."""
        folder = Path(bundle.folder).resolve()
        task = SparkTask(job, folder.name, state_of(bundle), version("growthlab"))
        waiting = iter(blocks)
        first = list(islice(waiting, 1))
        if not first:
            return  # everything is finished: no session is needed
        with self._errors(), self._session() as spark:
            context = spark.sparkContext
            context.addFile(str(folder), recursive=True)
            at_once = max(1, context.defaultParallelism)
            some = [*first, *islice(waiting, at_once - 1)]
            while some:
                for answered in context.parallelize(some, len(some)).map(task).collect():
                    if answered.error:
                        raise ERRORS[answered.error](answered.text)
                    yield partial(_write, answered)
                some = list(islice(waiting, at_once))

    @contextmanager
    def _session(self) -> Iterator[SparkSession]:
        """The session that is there, or one of our own, which ends with the batch."""
        from pyspark.sql import SparkSession

        running = SparkSession.getActiveSession()
        if running is not None:
            yield running
            return
        spark = start_session(self.master)
        try:
            yield spark
        finally:
            spark.stop()

    def _errors(self) -> AbstractContextManager[None]:
        said = f"engine=spark, spark_master={self.master or 'as configured'}"
        hint = "the same command goes on after the last finished block"
        return spark_errors(said, LostEngineError, hint)


@cache
def _bundle(name: str) -> Bundle:
    """The bundle on a machine of the cluster, loaded once a process."""
    from pyspark import SparkFiles

    return Bundle.load(SparkFiles.get(name))


def _write(answered: Answered, path: Path) -> int:
    path.write_bytes(answered.content)
    return answered.n_rows
