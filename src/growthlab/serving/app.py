"""The HTTP service of one or several bundles: typed requests, answers that say how they came."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from growthlab.core.errors import BundleError
from growthlab.export.answers import Prediction, PredictRequest, RecommendRequest
from growthlab.export.bundle import Bundle
from growthlab.export.manifest import MANIFEST
from growthlab.serving.schemas import (
    ChurnAnswer,
    Health,
    Item,
    ModelInfo,
    PredictBody,
    RecommendAnswer,
    RecommendBody,
    TaskHealth,
    ValueAnswer,
)

PATHS = {"top_n": "/recommend", "churn": "/churn", "value": "/value"}


def load_bundles(paths: str | Path | Sequence[str | Path]) -> dict[str, Bundle]:
    """The bundles in `paths` by task; each path is a bundle, or a folder that holds bundles.

    Raises
    ------
    BundleError
        No bundle is there, one is broken, or two answer the same task.
    """
    given = [paths] if isinstance(paths, (str, Path)) else paths
    bundles: dict[str, Bundle] = {}
    for folder in [f for path in given for f in _folders(Path(path))]:
        bundle = Bundle.load(folder)
        other = bundles.setdefault(bundle.manifest.task, bundle)
        if other is not bundle:
            raise BundleError(
                f"{other.folder} and {folder} both answer {bundle.manifest.task}: name one of them"
            )
    return bundles


def create_app(bundles: Mapping[str, Bundle]) -> FastAPI:
    """The service that answers with these bundles, by task."""
    app = FastAPI(title="growthlab", version=version("growthlab"))
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(BundleError, _refused)

    @app.get("/health")
    def health() -> Health:
        """Which bundles are loaded."""
        return Health(status="ok", bundles={t: _health(b) for t, b in bundles.items()})

    @app.post("/recommend")
    def recommend(body: RecommendBody) -> RecommendAnswer:
        """A list of items for a known user, a history, or nobody."""
        started = time.perf_counter()
        bundle = _bundle_for(bundles, "top_n")
        asked = RecommendRequest(
            body.user_id, body.history, exclude=body.exclude, filter_seen=body.filter_seen
        )
        (found,) = bundle.recommend([asked], body.k)
        return RecommendAnswer(
            items=[Item(item=i.item, score=i.score, rank=i.rank) for i in found.items],
            served=found.served,
            n_unknown_items=found.n_unknown_items,
            **_about(bundle, found.served == "popularity_fallback", started),
        )

    @app.post("/churn")
    def churn(body: PredictBody) -> ChurnAnswer:
        """The probability that a customer buys nothing within the horizon."""
        found, shared = _predict(bundles, "churn", body)
        return ChurnAnswer(churn_probability=found.value, served=found.served, **shared)

    @app.post("/value")
    def value(body: PredictBody) -> ValueAnswer:
        """The revenue expected of a customer within the horizon."""
        found, shared = _predict(bundles, "value", body)
        return ValueAnswer(expected_value=found.value, served=found.served, **shared)

    return app


def _folders(path: Path) -> list[Path]:
    """The bundle folders at or directly under `path`."""
    if (path / MANIFEST).is_file() or not path.is_dir():
        return [path]
    found = sorted(
        p.parent for p in path.glob(f"*/{MANIFEST}") if not p.parent.name.startswith(".")
    )
    if not found:
        raise BundleError(f"{path} is no bundle, and no folder of bundles: it has no {MANIFEST}")
    return found


def _bundle_for(bundles: Mapping[str, Bundle], task: str) -> Bundle:
    """The bundle of a task, or HTTP 404 with what there is."""
    if task not in bundles:
        loaded = ", ".join(PATHS[t] for t in bundles)
        raise HTTPException(404, f"no {task} bundle is loaded; this service answers {loaded}")
    return bundles[task]


def _predict(
    bundles: Mapping[str, Bundle], task: str, body: PredictBody
) -> tuple[Prediction, dict[str, Any]]:
    """A prediction, and the fields that stand beside it."""
    started = time.perf_counter()
    bundle = _bundle_for(bundles, task)
    (found,) = bundle.predict([PredictRequest(body.user_id, body.features)])
    shared = _about(bundle, found.served == "population_fallback", started)
    return found, shared | {"horizon_days": bundle.manifest.horizon_days}


def _about(bundle: Bundle, fallback: bool, started: float) -> dict[str, Any]:
    """The fields of every answer."""
    return {
        "model": _model_info(bundle),
        "fallback": fallback,
        "request_id": uuid.uuid4().hex,
        "latency_ms": round((time.perf_counter() - started) * 1000, 3),
    }


def _model_info(bundle: Bundle) -> ModelInfo:
    manifest = bundle.manifest
    return ModelInfo(
        name=manifest.model,
        task=manifest.task,
        data=manifest.data,
        version=manifest.version,
        run_id=manifest.run_id,
        data_cut=manifest.cutoff,
    )


def _health(bundle: Bundle) -> TaskHealth:
    n_known = len(bundle.known_users)
    return TaskHealth(model=_model_info(bundle), n_known_users=n_known, no_lookup=bundle.no_lookup)


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    """HTTP 422 that says where and what; the input, which may be personal, is not repeated."""
    assert isinstance(error, RequestValidationError)
    detail = [{"loc": list(e["loc"]), "msg": e["msg"], "type": e["type"]} for e in error.errors()]
    return JSONResponse({"detail": detail}, status_code=422)


async def _refused(request: Request, error: Exception) -> JSONResponse:
    """HTTP 422 for what only the bundle could see was wrong."""
    return JSONResponse({"detail": str(error)}, status_code=422)
