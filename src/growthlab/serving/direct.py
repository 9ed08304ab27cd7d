"""From the bytes of a request to the bytes of its answer, without the framework.

FastAPI documents these functions; calling them through it would take three times as long.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from growthlab.core.errors import GrowthlabError, near_matches
from growthlab.serving.refusals import NoModel

JSON = b"application/json"


@dataclass(frozen=True)
class DirectEndpoint:
    """A function from a request to an answer, as the OpenAPI document shows it."""

    body: type[BaseModel]
    answer: Callable[[Any], Awaitable[BaseModel]]
    status: int = 200

    async def __call__(self, content_type: bytes, content: bytes) -> tuple[int, bytes]:
        """Status and JSON; errors never repeat the input, which may be personal.

        Raises
        ------
        Overloaded
            More is waiting than can be answered in time.
        """
        if content_type.partition(b";")[0].strip().lower() != JSON:
            return 422, _detail("the body must be JSON: send Content-Type: application/json")
        try:
            body = self.body.model_validate_json(content)
        except ValidationError as error:
            errors = error.errors(include_input=False, include_url=False)
            return 422, _detail(_problems(errors, self.body))
        try:
            answer = await self.answer(body)
        except NoModel as error:
            return 404, _detail(str(error))
        except GrowthlabError as error:  # a mistake that only the bundle could find
            return 422, _detail(str(error))
        return self.status, answer.__pydantic_serializer__.to_json(answer)


def _problems(errors: Any, body: type[BaseModel]) -> list[dict[str, Any]]:
    """Where and what is wrong, without the input; near matches for an unknown field."""
    problems = []
    for error in errors:
        message = error["msg"]
        if error["type"] == "extra_forbidden":
            near = near_matches(str(error["loc"][-1]), _fields(body, error["loc"][:-1]))
            message = f"there is no such field: {near}"
        problems.append({"loc": ["body", *error["loc"]], "msg": message, "type": error["type"]})
    return problems


def _fields(body: type[BaseModel], path: Sequence[int | str]) -> list[str]:
    """The names of the fields at a place of a body, such as ``("recommend", 0, "rules")``."""
    for name in path:
        if isinstance(name, str):
            (body,) = _models_in(body.model_fields[name].annotation)
    return list(body.model_fields)


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    """The body models that an annotation such as ``RulesBody | None`` names."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models_in(part)]


def _detail(detail: Any) -> bytes:
    return json.dumps({"detail": detail}).encode()
