"""Ray: every fit is a task with its processors, on whichever machine has them free."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from growthlab.cluster.code_versions import code_versions
from growthlab.cluster.ray_session import connect, different_code, require_same_code
from growthlab.cluster.ray_task import Begun, Failed, Finished, OtherCode, TaskPlace, run_work
from growthlab.core.errors import ConfigError, GrowthlabError
from growthlab.search.workers import Crew, Ends, Worker
from growthlab.tasks.entry import Contender
from growthlab.tasks.executor import Job, JobEnded, JobStarted, Resources

log = logging.getLogger(__name__)

SECONDS_BETWEEN_LOOKS = 0.5
WAITING = 16  # tasks that wait beyond those that can run: Ray finds the one that fits what is free


class RemoteError(Exception):
    """The trace of an error in another process, shown with the error."""

    def __str__(self) -> str:
        return f"\n{self.args[0]}"


@dataclass
class _Task:
    """A task of Ray: its job, the process that runs it, and how often it was lost."""

    job: Job
    shared: list[Any]  # references to what the work is called with
    process: str = ""
    n_lost: int = 0


@dataclass(kw_only=True)
class RayCluster:
    """See `Cluster`. The head is at `address` (``HOST:PORT``); ``local`` starts one for this command alone.

    A fit gets `cpus` processors and `memory_mb` of memory, a network also `gpus` where the cluster has
    any, unless the ``resources`` of its model say otherwise. One whose process or machine is lost
    is run again up to `retries` times. A local cluster has `local_cpus` processors and `object_store_mb`
    of shared memory.
    """

    elsewhere: ClassVar[bool] = True
    several_at_once: ClassVar[bool] = True

    address: str = "local"
    cpus: float = 1
    gpus: float = 1
    memory_mb: float | None = None
    retries: int = 2
    local_cpus: int | None = None
    object_store_mb: float | None = None

    def __post_init__(self) -> None:
        try:
            Resources(self.cpus, self.gpus, self.memory_mb)
        except ConfigError as error:
            raise ConfigError(str(error).replace("resources.", "cluster.")) from None
        if self.retries < 0:
            raise ConfigError(f"cluster.retries must be 0 or more, got {self.retries}")
        if self.local_cpus is not None and self.local_cpus < 1:
            raise ConfigError(f"cluster.local_cpus must be 1 or more, got {self.local_cpus}")
        if self.object_store_mb is not None and self.object_store_mb < 80:
            raise ConfigError(
                f"cluster.object_store_mb={self.object_store_mb}: Ray takes 80 or more, or null"
            )

    def require(self, contenders: Sequence[Contender], device: str) -> None:
        """See `Cluster.require`."""
        ray = self._ray()
        require_same_code(ray)
        for contender in contenders:
            self._require_fits(ray, contender.name, self._options(ray, contender.resources, False))

    def require_shared(self, what: str, setting: str) -> None:
        """See `Cluster.require_shared`."""
        ray = self._ray()
        hosts = {node["NodeManagerHostname"] for node in ray.nodes() if node["Alive"]}
        if len(hosts) > 1:
            raise ConfigError(
                f"cluster=ray with {len(hosts)} machines: {what} is a file of this one: give {setting}"
            )

    def run(self, jobs: Iterable[Job]) -> Iterator[JobStarted | JobEnded]:
        """See `Executor.run`."""
        ray = self._ray()
        running: dict[Any, _Task] = {}
        left, sent = iter(jobs), _Sent()
        try:
            while True:
                while len(running) < self.n_slots(ray) + WAITING and (job := next(left, None)):
                    task = _Task(job, [sent.reference(ray, job.shared)])
                    running[self._submit(ray, task)] = task
                if not running:
                    return
                ready, _ = ray.wait(list(running), timeout=SECONDS_BETWEEN_LOOKS)
                for stream in ready:
                    yield from self._news(ray, stream, running)
        finally:
            for stream in running:
                ray.cancel(stream, force=True)

    def n_workers(self, n_jobs: int) -> int:
        """As many as are asked for, and at least as many as the cluster has room for."""
        return max(n_jobs, self.n_slots(self._ray()))

    def run_crews(self, crews: Sequence[Crew]) -> Ends:
        """See `StudyWorkers.run_crews`: those of all studies wait together for what becomes free."""
        ray = self._ray()
        running: dict[Any, _Task] = {}
        at_work: list[set[Any]] = [set() for _ in crews]
        n_without_trial = [0] * len(crews)
        begun, over = 0, set[int]()

        def start(place: int) -> None:
            crew = crews[place]
            job = Job("trials", _Trials(crew.worker), None, crew.resources, crew.on_device)
            task = _Task(job, [])
            stream = self._submit(ray, task)
            running[stream] = task
            at_work[place].add(stream)

        try:
            while True:
                while begun < len(crews) and len(running) < self.n_slots(ray) + WAITING:
                    for _ in range(crews[begun].size):
                        start(begun)
                    begun += 1
                if not running:
                    return
                ready, _ = ray.wait(list(running), timeout=SECONDS_BETWEEN_LOOKS)
                for place, crew in enumerate(crews[:begun]):
                    error = None
                    for stream in at_work[place].intersection(ready):
                        task = running[stream]
                        news = list(self._news(ray, stream, running, again=False))
                        if stream in running:
                            continue
                        at_work[place].discard(stream)
                        for died in [n.error for n in news if isinstance(n, JobEnded) and n.error]:
                            n_without_trial[place] += not crew.on_death(task.process, str(died))
                            if n_without_trial[place] <= crew.size:
                                start(place)
                            elif not at_work[place]:
                                error = GrowthlabError(
                                    f"the workers ended before they ran any trial: {died}"
                                )
                    crew.on_change()
                    if not at_work[place] and place not in over:
                        over.add(place)
                        yield place, error
        finally:
            for stream in running:
                ray.cancel(stream, force=True)

    def n_slots(self, ray: Any) -> int:
        """How many fits the machines of the cluster have processors for at once; 1 or more."""
        return max(1, sum(int(n.get("CPU", 0) // self.cpus) for n in _machines(ray)))

    def _ray(self) -> Any:
        return connect(self.address, self.local_cpus, self.object_store_mb)

    def _submit(self, ray: Any, task: _Task) -> Any:
        """Send a task; returns the stream of what it says."""
        job = task.job
        options = self._options(ray, job.resources, job.on_device, job.predicted_mb)
        self._require_fits(ray, task.job.label, options)
        remote = ray.remote(max_retries=0, num_returns="streaming")(run_work)
        place = TaskPlace(str(Path.cwd()), max(1, int(options["num_cpus"])))
        return remote.options(**options).remote(
            task.job.work, task.shared, dict(code_versions()), place
        )

    def _options(
        self, ray: Any, own: Resources, on_device: bool, predicted_mb: float | None = None
    ) -> dict[str, float]:
        """What Ray is asked for; a network gets a GPU only where there is one.

        What is predicted counts where nobody has said another memory, as far as some machine has it.
        """
        machines, gpus = _machines(ray), own.gpus
        if gpus is None:
            has_gpu = on_device and any(node.get("GPU", 0) > 0 for node in machines)
            gpus = self.gpus if has_gpu else 0
        options = {"num_cpus": own.cpus or self.cpus, "num_gpus": gpus}
        said_mb = self.memory_mb if own.memory_mb is None else own.memory_mb
        if said_mb is not None:
            return {**options, "memory": said_mb * 2**20}
        if predicted_mb is None:
            return options
        largest = max((node.get("memory", 0.0) for node in machines), default=0.0)
        return {**options, "memory": float(int(min(predicted_mb * 2**20, largest)))}

    def _require_fits(self, ray: Any, name: str, options: dict[str, float]) -> None:
        """Raise a `ConfigError` where no machine of the cluster could ever run the task."""
        asked = {
            "CPU": options["num_cpus"],
            "GPU": options["num_gpus"],
            "memory": options.get("memory", 0.0),
        }
        machines = _machines(ray)
        if any(all(node.get(k, 0.0) >= v for k, v in asked.items()) for node in machines):
            return
        largest = {k: max((node.get(k, 0.0) for node in machines), default=0.0) for k in asked}
        raise ConfigError(
            f"{name} asks for {_in_words(asked)}, which no machine of the cluster has (the most of each: "
            f"{_in_words(largest)}): set cluster.cpus, cluster.memory_mb, or model.resources"
        )

    def _news(
        self, ray: Any, stream: Any, running: dict[Any, _Task], *, again: bool = True
    ) -> Iterator[JobStarted | JobEnded]:
        """What a task says next; one that was lost is sent again, or ends with that error."""
        task = running[stream]
        try:
            said = ray.get(next(stream))
        except ray.exceptions.OutOfMemoryError:
            said = Failed(MemoryError(f"its machine ran out of memory {_at(task)}"), "")
        except (ray.exceptions.RayError, StopIteration) as error:
            del running[stream]
            yield from self._lost(ray, task, error, running, again)
            return
        if isinstance(said, Begun):
            task.process = said.process
            started = JobStarted(task.job, said.process)
            yield started
            if started.dropped:
                del running[stream]
                ray.cancel(stream, force=True)
            return
        del running[stream]
        for logger, level, line in said.lines if isinstance(said, Failed | Finished) else ():
            logging.getLogger(logger).log(level, "%s", line)
        if isinstance(said, OtherCode):
            raise ConfigError(different_code("that joined", said.difference))
        if isinstance(said, Failed):
            said.error.__cause__ = RemoteError(said.trace) if said.trace else None
            yield JobEnded(task.job, error=said.error)
        if isinstance(said, Finished):
            yield JobEnded(task.job, said.result)

    def _lost(
        self, ray: Any, task: _Task, error: Exception, running: dict[Any, _Task], again: bool
    ) -> Iterator[JobEnded]:
        """Send a lost task again, up to `retries` times."""
        if isinstance(error, ray.exceptions.RayTaskError):
            cause = error.cause if isinstance(error.cause, Exception) else error
            yield JobEnded(task.job, error=cause)
            return
        task.n_lost += 1
        what = f"its process {_at(task)} was lost ({type(error).__name__})"
        if again and task.n_lost <= self.retries:
            log.warning("%s: %s, it runs again", task.job.label, what)
            running[self._submit(ray, task)] = task
            return
        times = f", {task.n_lost} times" if task.n_lost > 1 else ""
        yield JobEnded(task.job, error=RuntimeError(f"{what}{times}, perhaps for lack of memory"))


class _Sent:
    """The data that was put into the shared memory of the cluster, by its reference."""

    def __init__(self) -> None:
        self._sent: dict[int, tuple[Any, Any]] = {}  # by identity: the data, which keeps its number

    def reference(self, ray: Any, shared: Any) -> Any:
        """The reference of the data; it is put there where it is new."""
        if id(shared) not in self._sent:
            self._sent[id(shared)] = (shared, ray.put(shared))
        return self._sent[id(shared)][1]


@dataclass(frozen=True)
class _Trials:
    """The work of a process on a study."""

    worker: Worker

    def __call__(self) -> None:
        """Run trials until there are no more."""
        self.worker.function(*self.worker.arguments)


def _machines(ray: Any) -> list[dict[str, float]]:
    """The resources of each machine of the cluster."""
    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def _in_words(asked: dict[str, float]) -> str:
    """``2 CPUs, 1 GPU and 4,000 MB`` of what is asked for."""
    parts = [f"{asked['CPU']:g} CPUs", f"{asked['GPU']:g} GPUs"]
    return f"{', '.join(parts)} and {asked['memory'] / 2**20:,.0f} MB"


def _at(task: _Task) -> str:
    """Where a task ran."""
    return f"in {task.process.rpartition(':')[0]}" if task.process else "before it began"
