"""Where fits run: a contract for one after another in this process, and for many at once elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from growthlab.core.errors import ConfigError


@dataclass(frozen=True)
class Resources:
    """What a fit is given where several run at once; None leaves a part to whoever runs it.

    `cpus` are processors, `gpus` may be a share of one, `memory_mb` is reserved and not enforced.
    """

    cpus: float | None = None
    gpus: float | None = None
    memory_mb: float | None = None

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value is not None and not (value > 0 or (name == "gpus" and value == 0)):
                raise ConfigError(f"resources.{name} must be positive, got {value}")


ANY_RESOURCES = Resources()


@dataclass(frozen=True, eq=False)
class Job:
    """One fit: `work` called with `shared`, the data that it has in common with many others.

    `shared` is sent to each machine once. `on_device` says whether the fit can use a GPU. `predicted_mb` is
    the memory that it is expected to add, if that is known.
    """

    label: str
    work: Callable[..., Any]
    shared: Any
    resources: Resources = ANY_RESOURCES
    on_device: bool = False
    predicted_mb: float | None = None


@dataclass
class JobStarted:
    """A job begins, in the process ``host:number:start``; it may begin again if that is lost.

    Whoever gets this may set `dropped`: then the job is not run, and does not end.
    """

    job: Job
    process: str
    dropped: bool = False


@dataclass(frozen=True)
class JobEnded:
    """A job gave a result or an error."""

    job: Job
    result: Any = None
    error: Exception | None = None


class Executor(Protocol):
    """Runs jobs, and says when each starts and ends."""

    @property
    def several_at_once(self) -> bool:
        """Whether jobs run beside each other, so that the longest should begin first."""
        ...

    def run(self, jobs: Iterable[Job]) -> Iterator[JobStarted | JobEnded]:
        """Take the jobs in their order, each as late as possible; a job ends once, unless it is dropped."""
        ...


class PlainLoop:
    """One job after the other, in this process."""

    several_at_once: ClassVar[bool] = False

    def run(self, jobs: Iterable[Job]) -> Iterator[JobStarted | JobEnded]:
        """See `Executor.run`: a job is taken after the one before it has ended."""
        for job in jobs:
            started = JobStarted(job, "")
            yield started
            if started.dropped:
                continue
            try:
                result = job.work(job.shared)
            except Exception as error:
                yield JobEnded(job, error=error)
            else:
                yield JobEnded(job, result)
