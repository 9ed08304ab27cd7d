"""A request on its way through the service: what is answered, and what the log keeps of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from growthlab.bundle.answers import Prediction, PredictRequest, Recommendation, RecommendRequest
from growthlab.serving.request_log import LogRecord
from growthlab.serving.schemas import Answer, RecommendAnswer
from growthlab.serving.served_model import Model
from growthlab.serving.swap import Variant

BY_THE_MODEL = ("known", "folded_in", "basket", "similar_items", "features")
FAILED = "failed"  # what the log and the counts say of a request whose answer was an error of ours
REFUSED = "refused"  # by a shadow, where the champion answered
MOST_ASKED = 50  # items of a request, the latest, that its line in the log names
NO_ANSWER: Mapping[str, Any] = {  # the keys of a line in their order
    "served": FAILED,
    "level": None,
    "items": [],
    "scores": [],
    "before_rules": [],
    "value": None,
    "n_unknown_items": 0,
    "latency_ms": None,
    "status": 500,
}


class PendingRequest(NamedTuple):
    """A request on its way: who asked what, and who answers."""

    kind: str
    request: RecommendRequest | PredictRequest
    k: int
    request_id: str
    variant: Variant
    model: Model
    future: asyncio.Future[Any]
    personalised: bool


def answer_of(asked: PendingRequest, result: Recommendation | Prediction, started: float) -> Answer:
    """The answer that the client reads; `started` is when the service had read the request."""
    shared: dict[str, Any] = {
        "model": asked.model.info,
        "variant": asked.variant,
        "served": result.served,
        "fallback": result.served not in BY_THE_MODEL,
        "request_id": asked.request_id,
        "latency_ms": round((time.perf_counter() - started) * 1000, 3),
    }
    if isinstance(result, Recommendation):
        shared["items"] = [item._asdict() for item in result.items]
        shared |= {"level": result.level, "n_unknown_items": result.n_unknown_items}
        return RecommendAnswer(**shared)
    manifest = asked.model.bundle.manifest
    shared |= {manifest.answer.field: result.value, "horizon_days": manifest.horizon_days}
    return asked.model.number_answer(**shared)


def entry_of(
    asked: PendingRequest, result: Recommendation | Prediction, latency_ms: float
) -> LogRecord:
    """The line of an answer; of a list its items, else its number."""
    answered: dict[str, Any] = dict(NO_ANSWER)
    if isinstance(result, Recommendation):
        answered |= {
            "level": result.level,
            "items": [item.item for item in result.items],
            "scores": [item.score for item in result.items],
            "before_rules": list(result.before_rules),
            "n_unknown_items": result.n_unknown_items,
        }
    else:
        answered |= {"level": int(result.served == "population_fallback"), "value": result.value}
    return _entry(
        asked, **{**answered, "served": result.served, "latency_ms": latency_ms, "status": 200}
    )


def entry_of_failure(asked: PendingRequest) -> LogRecord:
    """The line of a request that was answered with an error of ours."""
    return _entry(asked, **NO_ANSWER)


def _entry(asked: PendingRequest, **answered: Any) -> LogRecord:
    """A line: who asked whom for what, and how that was `answered`."""
    manifest, request = asked.model.bundle.manifest, asked.request
    history, named, features = None, [], None
    if isinstance(request, PredictRequest):
        features = request.features
    else:
        history = request.history or request.basket
        named = list(history or ()) if asked.personalised else []
        if request.item is not None:
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
    return LogRecord(time.time(), fields, asked.model.bundle, who, features)
