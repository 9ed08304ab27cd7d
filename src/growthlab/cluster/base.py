"""The contract of a place where fits and trials run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from growthlab.search.workers import StudyWorkers
from growthlab.tasks.entry import Contender
from growthlab.tasks.executor import Executor


@runtime_checkable
class Cluster(Executor, StudyWorkers, Protocol):
    """Runs the fits of a comparison, and the processes that work on a study."""

    def require(self, contenders: Sequence[Contender], device: str) -> None:
        """Check, before any data is read, that it can be reached and can fit these models.

        Raises
        ------
        ConfigError
            It cannot.
        """
        ...

    def require_shared(self, what: str, setting: str) -> None:
        """Raise a `ConfigError` where not all processes see the files of this machine.

        `what` is kept in a file, and `setting` is the word that keeps it elsewhere.
        """
        ...
