"""The machine of the command: fits one after the other, trials in as many processes as ``n_jobs`` says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from growthlab.search.workers import LocalProcesses
from growthlab.tasks.entry import Contender
from growthlab.tasks.executor import PlainLoop


@dataclass(frozen=True)
class ThisMachine(PlainLoop, LocalProcesses):
    """See `Cluster`."""

    def require(self, contenders: Sequence[Contender], device: str) -> None:
        """Nothing is to be checked: each fit has the whole machine."""

    def require_shared(self, what: str, setting: str) -> None:
        """All processes see the same files."""
