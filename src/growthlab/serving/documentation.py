"""The page at /docs: Swagger UI from an installed package, so that it works offline."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from importlib.resources import files

from fastapi import FastAPI, Response
from fastapi.openapi.docs import get_swagger_ui_html

PAGE = "/docs"
ASSETS = {"swagger-ui-bundle.js": "text/javascript", "swagger-ui.css": "text/css"}
ICON = "data:,"
PARAMETERS = {"validatorUrl": None}  # else the page sends its address to a public service


def add_documentation(app: FastAPI) -> None:
    """Add the page and the files it loads to an app that was created with ``docs_url=None``."""
    script, style = (f"{PAGE}/{name}" for name in ASSETS)

    @app.get(PAGE, include_in_schema=False)
    async def page() -> Response:
        return get_swagger_ui_html(
            openapi_url=str(app.openapi_url),
            title=app.title,
            swagger_js_url=script,
            swagger_css_url=style,
            swagger_favicon_url=ICON,
            swagger_ui_parameters=PARAMETERS,
        )

    for name, kind in ASSETS.items():
        app.get(f"{PAGE}/{name}", include_in_schema=False)(_asset(name, kind))


def _asset(name: str, kind: str) -> Callable[[], Awaitable[Response]]:
    async def asset() -> Response:
        return Response(
            (files("fastapi_offline") / "static" / name).read_bytes(),
            media_type=kind,
            headers={"Cache-Control": "max-age=86400"},
        )

    return asset
