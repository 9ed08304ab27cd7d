"""The HTTP service: its paths, their requests and answers, and its refusals."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import Enum
from importlib.metadata import version
from typing import Annotated, Any

from fastapi import FastAPI, HTTPException, Request, Response, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from growthlab.serving.direct import DirectEndpoint
from growthlab.serving.documentation import add_documentation
from growthlab.serving.endpoints import Endpoint, batch_types
from growthlab.serving.refusals import NoModel, Overloaded
from growthlab.serving.request_limits import RequestLimits, token_of_environment
from growthlab.serving.schemas import (
    FeedbackAnswer,
    FeedbackBody,
    Health,
    Ready,
    Refused,
    TaskHealth,
    VersionInfo,
)
from growthlab.serving.service import Service, versions
from growthlab.serving.service_metrics import CONTENT_TYPE

OPERATIONS: list[str | Enum] = ["operations"]
REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"model": Refused, "description": why}
    for status, why in (
        (401, "The service asks for a token."),
        (404, "No bundle of this task is loaded, or there is no log for feedback."),
        (408, "The request did not arrive in time."),
        (413, "The body is too large."),
        (422, "The request makes no sense."),
        (503, "Too many requests at once: try again later."),
    )
}


def create_app(service: Service) -> RequestLimits:
    """The ASGI app of a service, whose lifespan starts and stops it.

    With ``GROWTHLAB_TOKEN`` in the environment, requests need that bearer token.
    """
    token = token_of_environment()

    app, answering = _app_of(service, token)
    gate = RequestLimits(app, service.options, service.metrics, answering, token)
    _add_operations(app, service, gate)
    service.busy = lambda: gate.in_flight > 0

    def rebuild() -> None:
        app, answering = _app_of(service, token)
        _add_operations(app, service, gate)
        gate.app, gate.answering = app, answering

    service.endpoints_changed = rebuild
    return gate


def _app_of(service: Service, token: str | None) -> tuple[FastAPI, dict[str, DirectEndpoint]]:
    """The app with the present endpoints, and the paths that are answered without FastAPI."""

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        service.start()
        yield
        await service.stop()

    app = FastAPI(
        title="growthlab",
        version=version("growthlab"),
        lifespan=life,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        dependencies=[Security(_documented_token)] if token else [],
    )
    answering = _answers(service)
    for path, direct in answering.items():
        app.post(path, responses=REFUSALS, status_code=direct.status, tags=["answers"])(
            direct.answer
        )
    add_documentation(app)
    return app, answering


def _answers(service: Service) -> dict[str, DirectEndpoint]:
    """The paths that take work: the request of each, and the function that answers."""
    endpoints = service.endpoints.values()
    body_type, answer_type = batch_types(endpoints)

    async def batch(body: Any) -> Any:
        """Many requests at once; a mistake in one of them refuses them all."""
        bodies = {name: getattr(body, name) for name in body_type.model_fields}
        return answer_type(**await service.answers(bodies))

    async def feedback(body: FeedbackBody) -> FeedbackAnswer:
        """What happened to an answer: it was seen, clicked or ordered from."""
        if service.log is None:
            raise NoModel("there is no request log: serve with log=FILE to take feedback")
        if not service.feedback(body):
            raise Overloaded
        return FeedbackAnswer(accepted=True)

    batch.__annotations__ = {"body": body_type, "return": answer_type}
    return {
        **{endpoint.path: _direct(service, endpoint) for endpoint in endpoints},
        "/batch": DirectEndpoint(body_type, batch),
        "/feedback": DirectEndpoint(FeedbackBody, feedback, 202),
    }


def _direct(service: Service, endpoint: Endpoint) -> DirectEndpoint:
    """The function that answers at an endpoint, as the OpenAPI document shows it."""

    async def answer(body: Any) -> Any:
        return await service.answer(endpoint.name, body)

    answer.__name__, answer.__doc__ = endpoint.name, endpoint.summary
    answer.__annotations__ = {"body": endpoint.body, "return": endpoint.answer}
    return DirectEndpoint(endpoint.body, answer)


def _add_operations(app: FastAPI, service: Service, gate: RequestLimits) -> None:
    """The paths for operators of the service."""

    @app.head("/health", include_in_schema=False)
    @app.get("/health", tags=OPERATIONS)
    async def health(request: Request) -> Health:
        """Alive, and which bundles are loaded; the latter only with the token, where one is needed."""
        if not gate.is_authorised(request.scope):
            return Health(status="ok", bundles={}, refused={})
        bundles = {
            task: TaskHealth(
                model=model.info,
                n_known_users=len(model.bundle.known_users),
                no_lookup=model.bundle.no_lookup,
            )
            for variant, task, model in service.models
            if variant == "champion"
        }
        return Health(status="ok", bundles=bundles, refused=dict(service.models.refused))

    @app.head("/ready", include_in_schema=False)
    @app.get(
        "/ready",
        responses={503: {"model": Refused, "description": "Not ready."}},
        tags=OPERATIONS,
    )
    async def ready() -> Ready:
        """Whether requests are answered: models are loaded and warm, and the service is not stopping."""
        if not service.ready:
            raise HTTPException(503, "not ready")
        return Ready(ready=True)

    @app.get("/metrics", response_class=Response, tags=OPERATIONS)
    async def metrics() -> Response:
        """Counts and times for Prometheus."""
        return Response(service.metrics_text(gate.in_flight), media_type=CONTENT_TYPE)

    @app.get("/version", tags=OPERATIONS)
    async def versions_in_use() -> VersionInfo:
        """The versions of growthlab and of the models in use."""
        own, models = versions(service.models)
        return VersionInfo(growthlab=own, models=models)


def _documented_token(
    token: Annotated[HTTPAuthorizationCredentials | None, Security(HTTPBearer(auto_error=False))],
) -> None:
    """Show the token in the OpenAPI document; `RequestLimits` has checked it."""
