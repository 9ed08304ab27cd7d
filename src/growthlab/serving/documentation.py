"""The page at /docs: Swagger UI from an installed package, so that it works offline."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files

from fastapi import FastAPI, Response
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import JSONResponse

PAGE = "/docs"
DOCUMENT = "/openapi.json"
ASSETS = {"swagger-ui-bundle.js": "text/javascript", "swagger-ui.css": "text/css"}
ICON = "data:,"
PARAMETERS = {"validatorUrl": None}  # else the page sends its address to a public service


def add_documentation(app: FastAPI) -> None:
    """Add the document, the page and the files it loads to an app that was created without them.

    Making the document takes 50 ms and the files are large: FastAPI calls these functions in a thread.
    """
    script, style = (f"{PAGE}/{name}" for name in ASSETS)

    @app.get(DOCUMENT, include_in_schema=False)
    def document() -> Response:
        return JSONResponse(app.openapi())

    @app.get(PAGE, include_in_schema=False)
    def page() -> Response:
        return get_swagger_ui_html(
            openapi_url=DOCUMENT,
            title=app.title,
            swagger_js_url=script,
            swagger_css_url=style,
            swagger_favicon_url=ICON,
            swagger_ui_parameters=PARAMETERS,
        )

    for name, kind in ASSETS.items():
        app.get(f"{PAGE}/{name}", include_in_schema=False)(_asset(name, kind))


def _asset(name: str, kind: str) -> Callable[[], Response]:
    def asset() -> Response:
        return Response(
            (files("fastapi_offline") / "static" / name).read_bytes(),
            media_type=kind,
            headers={"Cache-Control": "max-age=86400"},
        )

    return asset
