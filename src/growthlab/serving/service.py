"""The service without its HTTP: who answers a request, what is said, logged and counted of it."""

from __future__ import annotations

import asyncio
import logging
import random
import secrets
import time
from collections import deque
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from growthlab.serving.metrics import Metrics, Sample, resident_bytes
from growthlab.serving.models import Model
from growthlab.serving.options import ServiceOptions
from growthlab.serving.request_log import Entry, RequestLog
from growthlab.serving.schemas import (
    ChurnAnswer,
    FeedbackBody,
    ModelInfo,
    PredictBody,
    RecommendAnswer,
    RecommendBody,
    SimilarBody,
    ValueAnswer,
)
from growthlab.serving.swap import Models, Variant

log = logging.getLogger(__name__)

PATHS = {"top_n": "/recommend", "churn": "/churn", "value": "/value"}
BY_THE_MODEL = ("known", "folded_in", "basket", "similar_items", "features")
LONGEST_SHADOW = 64  # requests that wait for a shadow
MOST_ASKED = 50  # items of a request, the latest, that its line in the log names
SHADOW_PAUSE = 0.002  # seconds between two looks whether there is time for it

ListAsk = RecommendBody | SimilarBody


class NoModel(Exception):
    """No bundle of this task is loaded."""


class Asked(NamedTuple):
    """A request on its way: who asked what, and who answers."""

    kind: str
    request: Any
    k: int
    request_id: str
    variant: Variant
    model: Model
    future: asyncio.Future[Any]
    personalised: bool


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
        self.metrics = Metrics()
        self.log = (
            None
            if options.log is None
            else RequestLog(Path(options.log), options.log_mb * 2**20, options.log_files)
        )
        self.ready = False
        self._ids = random.Random(secrets.randbits(256))  # no call of the system for each request
        self.busy = lambda: False  # whether requests are under way; the gate knows
        self._shadows: deque[Asked] = deque()
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

    async def lists(self, kind: str, bodies: Sequence[ListAsk]) -> list[RecommendAnswer]:
        """A list for each body, `kind` being recommend or similar."""
        started = time.perf_counter()
        asked = self._ask(kind, "top_n", bodies)
        answers = []
        for each, found in zip(asked, await _results(asked), strict=True):
            shared = self._about(each, found.served, started)
            answer = RecommendAnswer(
                items=[i._asdict() for i in found.items],
                served=found.served,
                level=found.level,
                n_unknown_items=found.n_unknown_items,
                **shared,
            )
            self._after(each, found, answer.latency_ms)
            answers.append(answer)
        return answers

    async def predictions(self, task: str, bodies: Sequence[PredictBody]) -> list[Any]:
        """A `ChurnAnswer` or `ValueAnswer` for each body."""
        started = time.perf_counter()
        asked = self._ask(task, task, bodies)
        answers: list[Any] = []
        for each, found in zip(asked, await _results(asked), strict=True):
            shared = self._about(each, found.served, started)
            shared |= {"horizon_days": each.model.bundle.manifest.horizon_days}
            shared |= {"served": found.served}
            if task == "churn":
                answers.append(ChurnAnswer(churn_probability=found.value, **shared))
            else:
                answers.append(ValueAnswer(expected_value=found.value, **shared))
            self._after(each, found, shared["latency_ms"])
        return answers

    def feedback(self, body: FeedbackBody) -> bool:
        """Log what became of an answer; False where the log cannot take it now."""
        assert self.log is not None
        fields = {"kind": "feedback", **body.model_dump()}
        taken = self.log.put(Entry(time.time(), fields))
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

    def _ask(self, kind: str, task: str, bodies: Sequence[Any]) -> list[Asked]:
        """Hand the requests to those who answer them; all of them, or none (`Overloaded`)."""
        allowed = self.options.personalised
        requests = [(body.request(allowed), getattr(body, "k", 0)) for body in bodies]
        # the page of an item does not say: there it matters to nobody
        personal = [
            (said := getattr(b, "personalised", None)) is None or (allowed and said) for b in bodies
        ]
        asked: list[Any] = [None] * len(requests)
        shares: dict[tuple[Variant, Model], list[tuple[int, str]]] = {}
        for place, (request, _) in enumerate(requests):
            request_id = f"{self._ids.getrandbits(128):032x}"
            who = (request.user_id if personal[place] else None) or request_id
            found = self.models.for_whom(task, who)
            if found is None:
                loaded = ", ".join(PATHS[t] for t in self.models.tasks)
                raise NoModel(f"no {task} bundle is loaded; this service answers {loaded}")
            shares.setdefault(found, []).append((place, request_id))
        for (variant, model), share in shares.items():
            futures = model.ask([requests[place] for place, _ in share])
            for (place, request_id), future in zip(share, futures, strict=True):
                request, k = requests[place]
                asked[place] = Asked(
                    kind, request, k, request_id, variant, model, future, personal[place]
                )
        return asked

    def _about(self, asked: Asked, served: str, started: float) -> dict[str, Any]:
        """The fields of every answer."""
        return {
            "model": asked.model.info,
            "variant": asked.variant,
            "fallback": served not in BY_THE_MODEL,
            "request_id": asked.request_id,
            "latency_ms": round((time.perf_counter() - started) * 1000, 3),
        }

    def _after(self, asked: Asked, found: Any, latency_ms: float) -> None:
        """Count and log an answer, and let the shadow answer too, later."""
        self.metrics.served[asked.model.task, asked.variant, found.served] += 1
        if self.log is None:
            return
        self.log.put(_entry(asked, found, latency_ms))
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
            started = time.perf_counter()
            try:
                (future,) = shadow.ask([(asked.request, asked.k)])
                found = await future
            except Exception:  # a shadow's mistakes are told, and are nobody's
                self.metrics.served[shadow.task, "shadow", "failed"] += 1
                continue
            mine = asked._replace(variant="shadow", model=shadow)
            self._after(mine, found, round((time.perf_counter() - started) * 1000, 3))

    async def _watch(self) -> None:
        """Look for newer bundles, load them beside those in use, and put them in their places."""
        while True:
            await asyncio.sleep(self.options.reload_seconds)
            try:
                self.models.put(await asyncio.to_thread(self.models.newer))
            except Exception:  # such as a folder that may not be read: it is looked at again
                log.exception("newer bundles could not be looked for")

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)


def versions(models: Models) -> tuple[str, dict[str, dict[str, ModelInfo]]]:
    """The version of growthlab, and the models in use by variant and task."""
    found: dict[str, dict[str, ModelInfo]] = {}
    for variant, task, model in models:
        found.setdefault(variant, {})[task] = model.info
    return version("growthlab"), found


async def _results(asked: Sequence[Asked]) -> list[Any]:
    """The answers; raises the first error among them."""
    if len(asked) == 1:
        return [await asked[0].future]
    found = await asyncio.gather(*(a.future for a in asked), return_exceptions=True)
    for each in found:
        if isinstance(each, BaseException):
            raise each
    return found


def _entry(asked: Asked, found: Any, latency_ms: float) -> Entry:
    """The line of an answer; of a list its items, else its number."""
    manifest = asked.model.bundle.manifest
    request = asked.request
    lists = hasattr(found, "items")
    history = getattr(request, "history", None) or getattr(request, "basket", None)
    named = list(history or ()) if asked.personalised else []
    if getattr(request, "item", None) is not None:
        named = [request.item]
    fields = {
        "kind": asked.kind,
        "request_id": asked.request_id,
        "model": manifest.model,
        "version": asked.model.info.version,
        "task": manifest.task,
        "variant": asked.variant,
        "served": found.served,
        "level": found.level if lists else int(found.served == "population_fallback"),
        "items": [i.item for i in found.items] if lists else [],
        "scores": [i.score for i in found.items] if lists else [],
        "before_rules": list(found.before_rules) if lists else [],
        "value": None if lists else found.value,
        "asked": named[-MOST_ASKED:],
        "n_history": None if history is None else len(history),
        "n_unknown_items": found.n_unknown_items if lists else 0,
        "personalised": asked.personalised,
        "latency_ms": latency_ms,
        "status": 200,
    }
    who = request.user_id if asked.personalised else None
    features = None if lists else request.features
    return Entry(time.time(), fields, asked.model.bundle, who, features)
