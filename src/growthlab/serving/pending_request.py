"""A request on its way through the service: what is answered, and what the log keeps of it."""

from __future__ import annotations

import asyncio
import time
from typing import Any, NamedTuple

from growthlab.serving.request_log import LogRecord
from growthlab.serving.schemas import ChurnAnswer, RecommendAnswer, ValueAnswer
from growthlab.serving.served_model import Model
from growthlab.serving.swap import Variant

BY_THE_MODEL = ("known", "folded_in", "basket", "similar_items", "features")
FAILED = "failed"  # what the log and the counts say of a request whose answer was an error of ours
REFUSED = "refused"  # by a shadow, where the champion answered
MOST_ASKED = 50  # items of a request, the latest, that its line in the log names


class PendingRequest(NamedTuple):
    """A request on its way: who asked what, and who answers."""

    kind: str
    request: Any
    k: int
    request_id: str
    variant: Variant
    model: Model
    future: asyncio.Future[Any]
    personalised: bool


def answer_of(asked: PendingRequest, found: Any, started: float) -> Any:
    """The answer that the client reads; `started` is when the service had read the request."""
    shared = {
        "model": asked.model.info,
        "variant": asked.variant,
        "served": found.served,
        "fallback": found.served not in BY_THE_MODEL,
        "request_id": asked.request_id,
        "latency_ms": round((time.perf_counter() - started) * 1000, 3),
    }
    if asked.model.task == "top_n":
        return RecommendAnswer(
            items=[i._asdict() for i in found.items],
            level=found.level,
            n_unknown_items=found.n_unknown_items,
            **shared,
        )
    shared |= {"horizon_days": asked.model.bundle.manifest.horizon_days}
    if asked.model.task == "churn":
        return ChurnAnswer(churn_probability=found.value, **shared)
    return ValueAnswer(expected_value=found.value, **shared)


def entry_of(asked: PendingRequest, found: Any, latency_ms: float) -> LogRecord:
    """The line of an answer; of a list its items, else its number."""
    lists = hasattr(found, "items")
    return _entry(
        asked,
        served=found.served,
        level=found.level if lists else int(found.served == "population_fallback"),
        items=[i.item for i in found.items] if lists else [],
        scores=[i.score for i in found.items] if lists else [],
        before_rules=list(found.before_rules) if lists else [],
        value=None if lists else found.value,
        n_unknown_items=found.n_unknown_items if lists else 0,
        latency_ms=latency_ms,
        status=200,
    )


def entry_of_failure(asked: PendingRequest) -> LogRecord:
    """The line of a request that was answered with an error of ours."""
    return _entry(
        asked,
        served=FAILED,
        level=None,
        items=[],
        scores=[],
        before_rules=[],
        value=None,
        n_unknown_items=0,
        latency_ms=None,
        status=500,
    )


def _entry(asked: PendingRequest, **answered: Any) -> LogRecord:
    """A line: who asked whom for what, and how that was `answered`."""
    manifest, request = asked.model.bundle.manifest, asked.request
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
        "asked": named[-MOST_ASKED:],
        "n_history": len(history) if history is not None and asked.personalised else None,
        "personalised": asked.personalised,
        **answered,
    }
    who = request.user_id if asked.personalised else None
    features = getattr(request, "features", None)
    return LogRecord(time.time(), fields, asked.model.bundle, who, features)
