"""The service without HTTP: which model answers a request, and what is logged and counted."""

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

from growthlab.bundle.answers import Recommendation
from growthlab.bundle.manifest import SCHEMA_1_ANSWERS
from growthlab.core.errors import AnswerError, GrowthlabError
from growthlab.ranking.rules import Rules
from growthlab.serving.bundle_loader import BundleLoader
from growthlab.serving.endpoints import Endpoint, endpoints_of
from growthlab.serving.list_exploration import ListExploration
from growthlab.serving.pending_request import (
    DROPPED,
    FAILED,
    REFUSED,
    PendingRequest,
    answer_of,
    log_record,
    log_record_of_failure,
    log_record_of_no_shadow_answer,
)
from growthlab.serving.refusals import NoModel, Overloaded
from growthlab.serving.request_log import LogRecord, RequestLog
from growthlab.serving.schemas import AnswerBody, FeedbackBody, ModelInfo
from growthlab.serving.served_model import ServedModel, Variant
from growthlab.serving.service_metrics import Sample, ServiceMetrics, resident_bytes
from growthlab.serving.service_options import ServiceOptions
from growthlab.serving.swap import ServedModels

log = logging.getLogger(__name__)

LONGEST_SHADOW_QUEUE = 64  # requests that wait for a shadow
ITEMS_AT_ONCE = 1_000  # of a batch's answers: writing more would keep the event loop for over 5 ms
A_REQUEST = 10  # what an answer and its line in the log cost beside their items, in items
SHADOW_PAUSE = 0.002  # seconds between two checks whether a shadow may answer


class Service:
    """The models in use, the request log and the counters; `start` and `stop` run in its event loop.

    A `loader` that has begun to test the bundles is given where time counts.

    Raises
    ------
    BundleError, ConfigError
        See `ServedModels` and `RequestLog`.
    """

    def __init__(self, options: ServiceOptions, loader: BundleLoader | None = None) -> None:
        self.options = options
        self.models = ServedModels(options, loader or BundleLoader(options))
        self.endpoints = endpoints_in_use(self.models)
        self.endpoints_changed: Callable[[], None] = lambda: None  # set by the app
        if options.challenger and not options.challenger_share:
            log.warning(
                "the challenger answers no requests: set challenger_share, such as challenger_share=0.1"
            )
        salt = options.challenger_salt.encode()[:64]
        self.exploration = ListExploration(options.explore, salt, Rules.of(options.rules))
        self.metrics = ServiceMetrics()
        self.log = (
            None
            if options.log is None
            else RequestLog(Path(options.log), options.log_mb * 2**20, options.log_files)
        )
        self.ready = False
        self._ids = random.Random(secrets.randbits(256))  # no system call for each request
        self.busy = lambda: False  # whether requests are in flight; set by the app
        self._shadows: deque[PendingRequest] = deque()
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Be ready, and check for newer bundles from now on."""
        self.ready = True
        self._spawn(self._watch())
        if self.options.shadow:
            self._spawn(self._work_on_shadows())

    async def stop(self) -> None:
        """Take no more requests, and write what is left of the log."""
        self.ready = False
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for waiting in self._shadows:
            self._record_no_shadow_answer(waiting, DROPPED)
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
            No bundle answers this kind, more requests wait than can be answered in time, or a
            request is one that the bundle refuses.
        """
        started = time.perf_counter()
        requests = self._ask(bodies)
        results = await _results(requests)
        if any(_refused_by_challenger(a, r) for a, r in zip(requests, results, strict=True)):
            requests, results = await self._by_champion(requests, results)
        answers: dict[str, list[Any]] = {kind: [] for kind in bodies}
        self._raise_first_error(requests, results)
        n_items = 0  # since the event loop last had its turn
        for pending, given in zip(requests, results, strict=True):
            each, result = self._explored(pending, given)
            answer = answer_of(each, result, started)
            answers[each.kind].append(answer)
            self._record(each, result, answer.latency_ms)
            n_items += each.k + A_REQUEST
            if n_items > ITEMS_AT_ONCE:
                await asyncio.sleep(0)
                n_items = 0
        return answers

    def feedback(self, body: FeedbackBody) -> bool:
        """Log what happened to an answer; False where the log cannot take it now."""
        assert self.log is not None
        fields = {"kind": "feedback", **body.model_dump()}
        is_queued = self.log.put(LogRecord(time.time(), fields))
        if is_queued:
            self.metrics.feedback[body.event] += 1
        return is_queued

    def metrics_text(self, in_flight: int) -> str:
        """Counters and present values in the text format of Prometheus."""
        infos: list[Sample] = []
        waiting: list[Sample] = []
        for variant, task, model in self.models:
            labels = (("task", task), ("variant", variant))
            names = (("name", model.info.name), ("version", model.info.version))
            infos.append(((*labels, *names), 1))
            waiting.append((labels, model.waiting))
        dropped = self.log.dropped if self.log else 0
        written = self.log.written if self.log else 0
        return self.metrics.text(
            {
                "growthlab_model_info": ("The models in use.", infos),
                "growthlab_waiting": ("Requests that wait for a model.", waiting),
                "growthlab_in_flight": ("Requests in flight.", [((), in_flight)]),
                "growthlab_swaps_total": (
                    "Bundles swapped in for others.",
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
        """Hand the requests to their models; all of them, or none (`Overloaded`)."""
        allowed = self.options.personalised
        shares: dict[ServedModel, list[tuple[Any, int]]] = {}
        places = []
        for kind, body in ((kind, body) for kind, some in bodies.items() for body in some):
            personal = body.is_personal(allowed)
            request, k = body.request(allowed), body.list_length
            request_id = f"{self._ids.getrandbits(128):032x}"
            customer = (request.user_id if personal else None) or request_id
            variant, model = self._model_for(self.endpoints[kind].task, customer)
            share = shares.setdefault(model, [])
            places.append(((kind, request, k, request_id, variant, model), len(share), personal))
            share.append((request, self.exploration.asked_length(request, k)))
        if len(shares) > 1:
            for model, share in shares.items():
                model.require_room(share)
        futures = {model: model.ask(share) for model, share in shares.items()}
        return [
            PendingRequest(*about, futures[about[-1]][place], personal, len(places))
            for about, place, personal in places
        ]

    async def _by_champion(
        self, requests: Sequence[PendingRequest], results: Sequence[Any]
    ) -> tuple[list[PendingRequest], list[Any]]:
        """The same, with the champion's answers where a challenger refused.

        The two may know different features: no request fails because it was given to the challenger.
        """
        both = list(zip(requests, results, strict=True))
        for place, (each, result) in enumerate(both):
            if not _refused_by_challenger(each, result):
                continue
            champion = self.models.of("champion", each.model.task)
            assert champion is not None  # there is no challenger without one
            length = self.exploration.asked_length(each.request, each.k)
            (future,) = champion.ask([(each.request, length)])
            again = each._replace(
                variant="champion", model=champion, future=future, assigned=each.variant
            )
            both[place] = again, (await _results([again]))[0]
        return [a for a, _ in both], [f for _, f in both]

    def _explored(self, pending: PendingRequest, result: Any) -> tuple[PendingRequest, Any]:
        """The request and its answer, with some positions swapped where the service explores."""
        if not self.options.explore or not isinstance(result, Recommendation):
            return pending, result
        about = pending.request, pending.k, pending.request_id
        shown, propensities = self.exploration.explored(result, *about)
        return pending._replace(propensities=propensities), shown

    def _model_for(self, task: str, customer: str) -> tuple[Variant, ServedModel]:
        model = self.models.model_for(task, customer)
        if model is None:
            loaded = ", ".join(m.endpoints[0].path for v, _, m in self.models if v == "champion")
            raise NoModel(f"no {task} bundle is loaded; this service answers {loaded}")
        return model

    def _raise_first_error(
        self, requests: Sequence[PendingRequest], results: Sequence[Any]
    ) -> None:
        """Raise the first error; log those that are no mistake of the client."""
        errors = [
            (request, result)
            for request, result in zip(requests, results, strict=True)
            if isinstance(result, BaseException)
        ]
        for each, error in errors:
            is_mistake = isinstance(error, GrowthlabError) and not isinstance(error, AnswerError)
            if isinstance(error, Exception) and not is_mistake:
                self._record_failure(each)
        errors.sort(key=lambda pair: isinstance(pair[1], asyncio.CancelledError))
        for _, error in errors:
            raise error

    def _record_failure(self, pending: PendingRequest) -> None:
        """Count and log a request that its model failed to answer."""
        self.metrics.served[pending.model.task, pending.variant, FAILED] += 1
        if self.log is not None:
            self.log.put(log_record_of_failure(pending))

    def _record(self, pending: PendingRequest, result: Any, latency_ms: float) -> None:
        """Count and log an answer, and queue the request for the shadow."""
        self.metrics.served[pending.model.task, pending.variant, result.served] += 1
        if self.log is None:
            return
        self.log.put(log_record(pending, result, latency_ms))
        if pending.variant != "shadow":
            shadow = self.models.of("shadow", pending.model.task)
            if shadow is None:
                return
            by_shadow = pending._replace(variant="shadow", model=shadow, n_in_request=1)
            if len(self._shadows) >= LONGEST_SHADOW_QUEUE:
                self._record_no_shadow_answer(by_shadow, DROPPED)
            else:
                self._shadows.append(by_shadow)

    def _record_no_shadow_answer(self, pending: PendingRequest, served: str) -> None:
        """Count and log a request that the shadow refused, or that was dropped for it."""
        if served == DROPPED:
            self.metrics.shadow_dropped += 1
        else:
            self.metrics.served[pending.model.task, "shadow", served] += 1
        if self.log is not None:
            self.log.put(log_record_of_no_shadow_answer(pending, served))

    async def _work_on_shadows(self) -> None:
        """Let shadows answer, one request at a time, while no request is in flight."""
        while True:
            await asyncio.sleep(SHADOW_PAUSE)
            if not self._shadows or self.busy():
                continue
            by_shadow = self._shadows.popleft()
            shadow = self.models.of("shadow", by_shadow.model.task)
            assert shadow is not None  # a shadow is never removed, only replaced
            by_shadow = by_shadow._replace(model=shadow)
            started = time.perf_counter()
            try:
                (future,) = shadow.ask([(by_shadow.request, by_shadow.k)])
                result = await future
            except AnswerError:  # a fault of the shadow
                self._record_failure(by_shadow)
                continue
            except GrowthlabError:  # a mistake of the client for the shadow only
                self._record_no_shadow_answer(by_shadow, REFUSED)
                continue
            except Overloaded:
                self._record_no_shadow_answer(by_shadow, DROPPED)
                continue
            except Exception:  # a shadow's failure is logged and harms no request
                self._record_failure(by_shadow)
                continue
            self._record(by_shadow, result, round((time.perf_counter() - started) * 1000, 3))

    async def _watch(self) -> None:
        """Check for newer bundles, load them, and swap them in."""
        while True:
            await asyncio.sleep(self.options.reload_seconds)
            try:
                self.models.put(await asyncio.to_thread(self.models.newer))
                if (endpoints := endpoints_in_use(self.models)) != self.endpoints:
                    self.endpoints = endpoints
                    self.endpoints_changed()
            except Exception:  # such as an unreadable folder: it is checked again
                log.exception("the check for newer bundles failed")

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)


def endpoints_in_use(models: ServedModels) -> dict[str, Endpoint]:
    """The endpoints by name: those of loaded champions, and those that every service has had.

    Without a bundle of their task the latter answer 404 and say so in one line.
    """
    always = [e for task, answer in SCHEMA_1_ANSWERS.items() for e in endpoints_of(task, answer)]
    loaded = [e for variant, _, m in models if variant == "champion" for e in m.endpoints]
    return {endpoint.name: endpoint for endpoint in [*always, *loaded]}


def versions(models: ServedModels) -> tuple[str, dict[str, dict[str, ModelInfo]]]:
    """The version of growthlab, and the models in use by variant and task."""
    infos: dict[str, dict[str, ModelInfo]] = {}
    for variant, task, model in models:
        infos.setdefault(variant, {})[task] = model.info
    return version("growthlab"), infos


def _refused_by_challenger(pending: PendingRequest, result: Any) -> bool:
    return pending.variant == "challenger" and isinstance(result, GrowthlabError)


async def _results(requests: Sequence[PendingRequest]) -> list[Any]:
    """The result of each: an answer or an error.

    All are refused where one is, so the first that is refused ends the work for the others.
    """
    if len(requests) == 1:  # the usual case, for which more would take as long as the answer
        try:
            return [await requests[0].future]
        except Exception as error:
            return [error]
    left = {request.future: request for request in requests}
    try:
        while left:
            done, _ = await asyncio.wait(left, return_when=asyncio.FIRST_EXCEPTION)
            of_done = [left.pop(future) for future in done]
            if any(each.variant == "champion" and each.future.exception() for each in of_done):
                break
    finally:
        for future in left:
            future.cancel()
    futures = (request.future for request in requests)
    return [f.result() if not (e := _error_of(f)) else e for f in futures]


def _error_of(future: asyncio.Future[Any]) -> BaseException | None:
    return asyncio.CancelledError() if future.cancelled() else future.exception()
