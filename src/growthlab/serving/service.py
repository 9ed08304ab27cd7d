"""The service without its HTTP: who answers a request, what is said, logged and counted of it."""

from __future__ import annotations

import asyncio
import logging
import random
import secrets
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from growthlab.bundle.manifest import SCHEMA_1_ANSWERS
from growthlab.core.errors import GrowthlabError
from growthlab.serving.endpoints import Endpoint, endpoints_of
from growthlab.serving.pending_request import (
    FAILED,
    REFUSED,
    PendingRequest,
    answer_of,
    entry_of,
    entry_of_failure,
)
from growthlab.serving.request_log import LogRecord, RequestLog
from growthlab.serving.schemas import AnswerBody, FeedbackBody, ModelInfo
from growthlab.serving.served_model import Model
from growthlab.serving.service_metrics import Metrics, Sample, resident_bytes
from growthlab.serving.service_options import ServiceOptions
from growthlab.serving.swap import Models, Variant

log = logging.getLogger(__name__)

LONGEST_SHADOW = 64  # requests that wait for a shadow
SHADOW_PAUSE = 0.002  # seconds between two looks whether there is time for it


class NoModel(Exception):
    """No bundle of this task is loaded."""


class Service:
    """The models in use, the request log and the counts; `start` and `stop` belong to its loop.

    Raises
    ------
    BundleError, ConfigError
        See `Models` and `RequestLog`.
    """

    def __init__(self, options: ServiceOptions) -> None:
        self.options = options
        self.models = Models(options)
        self.endpoints = endpoints_in_use(self.models)
        self.endpoints_changed: Callable[[], None] = lambda: None  # set by the app
        if options.challenger and not options.challenger_share:
            log.warning("the challenger answers nobody: give challenger_share=0.1, say")
        self.metrics = Metrics()
        self.log = (
            None
            if options.log is None
            else RequestLog(Path(options.log), options.log_mb * 2**20, options.log_files)
        )
        self.ready = False
        self._ids = random.Random(secrets.randbits(256))  # no call of the system for each request
        self.busy = lambda: False  # whether requests are under way; the gate knows
        self._shadows: deque[PendingRequest] = deque()
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Be ready, and look for newer bundles from now on."""
        self.ready = True
        self._spawn(self._watch())
        if self.options.shadow:
            self._spawn(self._work_on_shadows())

    async def stop(self) -> None:
        """Take nothing new, and write down what is still to be written."""
        self.ready = False
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.models.close()
        if self.log is not None:
            await asyncio.to_thread(self.log.close)

    async def answer(self, kind: str, body: AnswerBody) -> Any:
        """The answer to one body; see `answers`."""
        return (await self.answers({kind: [body]}))[kind][0]

    async def answers(self, bodies: Mapping[str, Sequence[AnswerBody]]) -> dict[str, list[Any]]:
        """Answers to the bodies of each kind (the name of its endpoint), in their order.

        All or none: where one of them is refused or fails, no other is counted or logged.

        Raises
        ------
        NoModel, Overloaded, GrowthlabError
            Nobody answers this kind, more waits than can be answered in time, or a body asks for
            what the bundle does not know.
        """
        started = time.perf_counter()
        asked = self._ask(bodies)
        found = await _results(asked)
        if any(_refused_by_challenger(a, f) for a, f in zip(asked, found, strict=True)):
            asked, found = await self._by_champion(asked, found)
        told: dict[str, list[Any]] = {kind: [] for kind in bodies}
        self._tell_failed(asked, found)
        for each, result in zip(asked, found, strict=True):
            answer = answer_of(each, result, started)
            told[each.kind].append(answer)
            self._after(each, result, answer.latency_ms)
        return told

    def feedback(self, body: FeedbackBody) -> bool:
        """Log what became of an answer; False where the log cannot take it now."""
        assert self.log is not None
        fields = {"kind": "feedback", **body.model_dump()}
        taken = self.log.put(LogRecord(time.time(), fields))
        if taken:
            self.metrics.feedback[body.event] += 1
        return taken

    def metrics_text(self, in_flight: int) -> str:
        """The counts and the values of the moment, as Prometheus reads them."""
        infos: list[Sample] = []
        waiting: list[Sample] = []
        for variant, task, model in self.models:
            where = (("task", task), ("variant", variant))
            manifest = model.bundle.manifest
            told = (("name", manifest.model), ("version", model.info.version))
            infos.append(((*where, *told), 1))
            waiting.append((where, model.waiting))
        dropped = self.log.dropped if self.log else 0
        written = self.log.written if self.log else 0
        return self.metrics.text(
            {
                "growthlab_model_info": ("The models in use.", infos),
                "growthlab_waiting": ("Requests that wait for a model.", waiting),
                "growthlab_in_flight": ("Requests under way.", [((), in_flight)]),
                "growthlab_swaps_total": (
                    "Bundles put in the place of others.",
                    [((), self.models.swaps)],
                ),
                "growthlab_refused_bundles": (
                    "Folders whose bundle is broken or gone, and not used.",
                    [((), len(self.models.refused))],
                ),
                "growthlab_log_lines_total": ("Lines of the request log written.", [((), written)]),
                "growthlab_log_dropped_total": ("Lines of the request log lost.", [((), dropped)]),
                "process_resident_memory_bytes": ("Memory held.", [((), resident_bytes())]),
            }
        )

    def _ask(self, bodies: Mapping[str, Sequence[AnswerBody]]) -> list[PendingRequest]:
        """Hand the requests to those who answer them; all of them, or none (`Overloaded`)."""
        allowed = self.options.personalised
        shares: dict[Model, list[tuple[Any, int]]] = {}
        places = []
        for kind, body in ((kind, body) for kind, some in bodies.items() for body in some):
            personal = body.is_personal(allowed)
            request, k = body.request(allowed), body.list_length
            request_id = f"{self._ids.getrandbits(128):032x}"
            who = (request.user_id if personal else None) or request_id
            variant, model = self._for_whom(self.endpoints[kind].task, who)
            share = shares.setdefault(model, [])
            places.append(((kind, request, k, request_id, variant, model), len(share), personal))
            share.append((request, k))
        for model, share in shares.items():
            model.require_room(len(share))
        futures = {model: model.ask(share) for model, share in shares.items()}
        return [
            PendingRequest(*about, futures[about[-1]][place], personal)
            for about, place, personal in places
        ]

    async def _by_champion(
        self, asked: Sequence[PendingRequest], found: Sequence[Any]
    ) -> tuple[list[PendingRequest], list[Any]]:
        """The same, but that the champion answers what a challenger refuses.

        The two may know other features: nobody is refused for being drawn.
        """
        both = list(zip(asked, found, strict=True))
        for place, (each, result) in enumerate(both):
            if not _refused_by_challenger(each, result):
                continue
            champion = self.models.of("champion", each.model.task)
            assert champion is not None  # there is no challenger without
            (future,) = champion.ask([(each.request, each.k)])
            again = each._replace(variant="champion", model=champion, future=future)
            both[place] = again, (await _results([again]))[0]
        return [a for a, _ in both], [f for _, f in both]

    def _for_whom(self, task: str, who: str) -> tuple[Variant, Model]:
        found = self.models.for_whom(task, who)
        if found is None:
            loaded = ", ".join(m.endpoints[0].path for v, _, m in self.models if v == "champion")
            raise NoModel(f"no {task} bundle is loaded; this service answers {loaded}")
        return found

    def _tell_failed(self, asked: Sequence[PendingRequest], found: Sequence[Any]) -> None:
        """Raise the first error there is; those that are no mistake of the client's are logged."""
        errors = [(a, f) for a, f in zip(asked, found, strict=True) if isinstance(f, BaseException)]
        for each, error in errors:
            if isinstance(error, Exception) and not isinstance(error, GrowthlabError):
                self._failed(each)
        for _, error in errors:
            raise error

    def _failed(self, asked: PendingRequest) -> None:
        """Count and log a request that its model failed to answer."""
        self.metrics.served[asked.model.task, asked.variant, FAILED] += 1
        if self.log is not None:
            self.log.put(entry_of_failure(asked))

    def _after(self, asked: PendingRequest, found: Any, latency_ms: float) -> None:
        """Count and log an answer, and let the shadow answer too, later."""
        self.metrics.served[asked.model.task, asked.variant, found.served] += 1
        if self.log is None:
            return
        self.log.put(entry_of(asked, found, latency_ms))
        if asked.variant != "shadow":
            if self.models.of("shadow", asked.model.task) is None:
                return
            if len(self._shadows) >= LONGEST_SHADOW:
                self.metrics.shadow_dropped += 1
            else:
                self._shadows.append(asked)

    async def _work_on_shadows(self) -> None:
        """Let shadows answer, one request at a time, while no other request is under way."""
        while True:
            await asyncio.sleep(SHADOW_PAUSE)
            if not self._shadows or self.busy():
                continue
            asked = self._shadows.popleft()
            shadow = self.models.of("shadow", asked.model.task)
            assert shadow is not None  # once there, it is only replaced
            mine = asked._replace(variant="shadow", model=shadow)
            started = time.perf_counter()
            try:
                (future,) = shadow.ask([(asked.request, asked.k)])
                found = await future
            except GrowthlabError:  # what only the shadow takes for the client's mistake
                self.metrics.served[shadow.task, "shadow", REFUSED] += 1
                continue
            except Exception:  # a shadow's mistakes are told, and are nobody's
                self._failed(mine)
                continue
            self._after(mine, found, round((time.perf_counter() - started) * 1000, 3))

    async def _watch(self) -> None:
        """Look for newer bundles, load them beside those in use, and put them in their places."""
        while True:
            await asyncio.sleep(self.options.reload_seconds)
            try:
                self.models.put(await asyncio.to_thread(self.models.newer))
                if (endpoints := endpoints_in_use(self.models)) != self.endpoints:
                    self.endpoints = endpoints
                    self.endpoints_changed()
            except Exception:  # such as a folder that may not be read: it is looked at again
                log.exception("newer bundles could not be looked for")

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)


def endpoints_in_use(models: Models) -> dict[str, Endpoint]:
    """The endpoints by name: those of the loaded champions, and those that every service has.

    The latter say in one line that no bundle of their task is loaded.
    """
    always = [e for task, answer in SCHEMA_1_ANSWERS.items() for e in endpoints_of(task, answer)]
    loaded = [e for variant, _, m in models if variant == "champion" for e in m.endpoints]
    return {endpoint.name: endpoint for endpoint in [*always, *loaded]}


def versions(models: Models) -> tuple[str, dict[str, dict[str, ModelInfo]]]:
    """The version of growthlab, and the models in use by variant and task."""
    found: dict[str, dict[str, ModelInfo]] = {}
    for variant, task, model in models:
        found.setdefault(variant, {})[task] = model.info
    return version("growthlab"), found


def _refused_by_challenger(asked: PendingRequest, found: Any) -> bool:
    return asked.variant == "challenger" and isinstance(found, GrowthlabError)


async def _results(asked: Sequence[PendingRequest]) -> list[Any]:
    """What came of each: an answer or an error."""
    if len(asked) == 1:  # the most frequent, for which gather would cost as much as its answer
        try:
            return [await asked[0].future]
        except Exception as error:
            return [error]
    return await asyncio.gather(*(a.future for a in asked), return_exceptions=True)
