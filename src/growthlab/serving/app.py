"""The HTTP service: paths, what they take and give, and how mistakes are told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import Enum
from importlib.metadata import version
from typing import Annotated, Any

from fastapi import FastAPI, HTTPException, Request, Response, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from growthlab.serving.batcher import Overloaded
from growthlab.serving.direct import Direct
from growthlab.serving.documentation import add_documentation
from growthlab.serving.endpoints import Endpoint, batch_types
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
from growthlab.serving.service import NoModel, Service, versions
from growthlab.serving.service_metrics import CONTENT_TYPE

OPERATIONS: list[str | Enum] = ["operations"]
REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"model": Refused, "description": why}
    for status, why in (
        (401, "The service asks for a token."),
        (404, "No bundle of this task is loaded, or there is no log for feedback."),
        (408, "The request did not come in time."),
        (413, "The body is too large."),
        (422, "The request makes no sense."),
        (503, "Too many requests at once: come again."),
    )
}


def create_app(service: Service) -> RequestLimits:
    """The ASGI app of a service, which its lifespan starts and stops.

    With ``GROWTHLAB_TOKEN`` in the environment requests need that bearer token.
    """
    token = token_of_environment()

    gate = RequestLimits(service.options, service.metrics, token)
    service.busy = lambda: gate.in_flight > 0

    def build() -> None:
        gate.app, gate.answering = _app_of(service, gate, token)

    build()
    service.endpoints_changed = build
    return gate


def _app_of(
    service: Service, gate: RequestLimits, token: str | None
) -> tuple[FastAPI, dict[str, Direct]]:
    """The app with the endpoints of now, and those of its paths that the gate answers itself."""

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        service.start()
        yield
        await service.stop()

    app = FastAPI(
        title="growthlab",
        version=version("growthlab"),
        lifespan=life,
        docs_url=None,
        redoc_url=None,
        dependencies=[Security(_shown)] if token else [],
    )
    answering = _answers(service)
    for path, direct in answering.items():
        app.post(path, responses=REFUSALS, status_code=direct.status, tags=["answers"])(
            direct.answer
        )
    _operations(app, service, gate)
    add_documentation(app)
    return app, answering


def _answers(service: Service) -> dict[str, Direct]:
    """The paths that answer for customers: what each takes, and the function that answers."""
    endpoints = service.endpoints.values()
    body_type, answer_type = batch_types(endpoints)

    async def batch(body: Any) -> Any:
        """Many requests at once; a mistake in one of them refuses them all."""
        bodies = {name: getattr(body, name) for name in body_type.model_fields}
        return answer_type(**await service.answers(bodies))

    async def feedback(body: FeedbackBody) -> FeedbackAnswer:
        """What became of an answer: it was seen, clicked or ordered from."""
        if service.log is None:
            raise NoModel("there is no request log: serve with log=FILE to take feedback")
        if not service.feedback(body):
            raise Overloaded
        return FeedbackAnswer(accepted=True)

    batch.__annotations__ = {"body": body_type, "return": answer_type}
    return {
        **{endpoint.path: _direct(service, endpoint) for endpoint in endpoints},
        "/batch": Direct(body_type, batch),
        "/feedback": Direct(FeedbackBody, feedback, 202),
    }


def _direct(service: Service, endpoint: Endpoint) -> Direct:
    """The function that answers at an endpoint, as the OpenAPI document shows it."""

    async def answer(body: Any) -> Any:
        return await service.answer(endpoint.name, body)

    answer.__name__, answer.__doc__ = endpoint.name, endpoint.summary
    answer.__annotations__ = {"body": endpoint.body, "return": endpoint.answer}
    return Direct(endpoint.body, answer)


def _operations(app: FastAPI, service: Service, gate: RequestLimits) -> None:
    """The paths for those who run the service."""

    @app.head("/health", include_in_schema=False)
    @app.get("/health", tags=OPERATIONS)
    async def health(request: Request) -> Health:
        """Alive, and which bundles are loaded; without a token that is needed only the former."""
        if not gate.knows(request.scope):
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
        """Whether requests are answered: models are loaded and warm, and the service goes on."""
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


def _shown(
    token: Annotated[HTTPAuthorizationCredentials | None, Security(HTTPBearer(auto_error=False))],
) -> None:
    """Nothing: the gate has checked the token, this shows it in the OpenAPI document."""
