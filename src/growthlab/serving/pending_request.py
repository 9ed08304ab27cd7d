"""A request on its way through the service, its answer, and its line in the request log."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from growthlab.bundle.answers import Prediction, PredictRequest, Recommendation, RecommendRequest
from growthlab.serving.request_log import LogRecord
from growthlab.serving.schemas import Answer, RecommendAnswer
from growthlab.serving.served_model import ServedModel, Variant

BY_THE_MODEL = ("known", "folded_in", "basket", "similar_items", "features")
FAILED = "failed"  # how a request was served that failed inside the service
REFUSED = "refused"  # how a shadow served a request that it refused and the champion answered
DROPPED = "dropped"  # how a shadow served a request for which it had no time
NO_SHADOW_ANSWER = {REFUSED: 422, DROPPED: 429}  # the status of the line that says so
MOST_ITEMS = 50  # the latest items of a request that its line in the log names
NO_ANSWER: Mapping[str, Any] = {  # the keys of a line in their order
    "served": FAILED,
    "level": None,
    "items": [],
    "scores": [],
    "before_rules": [],
    "value": None,
    "arm": None,
    "n_unknown_items": 0,
    "latency_ms": None,
    "status": 500,
}


class PendingRequest(NamedTuple):
    """A request that waits for its answer, and the model that gives it.

    `n_in_request` counts the entries of the client's request, more than one in a batch, which are
    answered in the same time.
    """

    kind: str
    request: RecommendRequest | PredictRequest
    k: int
    request_id: str
    variant: Variant
    model: ServedModel
    future: asyncio.Future[Any]
    personalised: bool
    n_in_request: int = 1
    assigned: Variant | None = None  # whose answer the customer should have had, if another gave it
    propensities: tuple[float, ...] | None = None  # of the items shown, where the service explores


def answer_of(
    pending: PendingRequest, result: Recommendation | Prediction, started: float
) -> Answer:
    """The answer that the client gets; `started` is when the service had read the request."""
    shared: dict[str, Any] = {
        "model": pending.model.info,
        "variant": pending.variant,
        "served": result.served,
        "fallback": result.served not in BY_THE_MODEL,
        "request_id": pending.request_id,
        "latency_ms": round((time.perf_counter() - started) * 1000, 3),
    }
    if isinstance(result, Recommendation):
        shared["items"] = [item._asdict() for item in result.items]
        shared |= {"level": result.level, "n_unknown_items": result.n_unknown_items}
        return RecommendAnswer(**shared)
    manifest = pending.model.bundle.manifest
    shared |= {manifest.answer.field: result.value, "horizon_days": manifest.horizon_days}
    if result.choice is not None:
        shared |= {"arm": result.choice.arm, "effects": result.choice.effects}
    return pending.model.number_answer(**shared)


def log_record(
    pending: PendingRequest, result: Recommendation | Prediction, latency_ms: float
) -> LogRecord:
    """The log line of an answer, with the items of a list or the number."""
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
        answered["arm"] = result.choice.arm if result.choice is not None else None
    return _record(
        pending, **{**answered, "served": result.served, "latency_ms": latency_ms, "status": 200}
    )


def log_record_of_failure(pending: PendingRequest) -> LogRecord:
    """The log line of a request that failed inside the service."""
    return _record(pending, **NO_ANSWER)


def log_record_of_no_shadow_answer(pending: PendingRequest, served: str) -> LogRecord:
    """The log line of a request that a shadow `REFUSED` or that was `DROPPED` for it."""
    return _record(pending, **{**NO_ANSWER, "served": served, "status": NO_SHADOW_ANSWER[served]})


def _record(pending: PendingRequest, **answered: Any) -> LogRecord:
    """A log line: the request, the model, and how it was `answered`."""
    manifest, request = pending.model.bundle.manifest, pending.request
    history, item_ids, features = None, [], None
    if isinstance(request, PredictRequest):
        features = request.features
    else:
        history = request.history or request.basket
        item_ids = list(history or ()) if pending.personalised else []
        if request.item is not None:
            item_ids = [request.item]
    fields = {
        "kind": pending.kind,
        "request_id": pending.request_id,
        "model": manifest.model,
        "version": pending.model.info.version,
        "task": manifest.task,
        "variant": pending.variant,
        "assigned": pending.assigned or pending.variant,
        "propensities": pending.propensities,
        "asked": item_ids[-MOST_ITEMS:],
        "n_history": len(history) if history is not None and pending.personalised else None,
        "personalised": pending.personalised,
        "n_in_request": pending.n_in_request,
        **answered,
    }
    user_id = request.user_id if pending.personalised else None
    return LogRecord(time.time(), fields, pending.model.bundle, user_id, features)
