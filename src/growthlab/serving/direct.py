"""From the bytes of a request to the bytes of its answer, with no framework between.

FastAPI shows these functions in the OpenAPI document; asking them through it would cost three times
what they themselves cost.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from growthlab.core.errors import GrowthlabError, near_matches
from growthlab.serving.service import NoModel

JSON = b"application/json"


@dataclass(frozen=True)
class Direct:
    """A function from a request to an answer, as the OpenAPI document shows it."""

    body: type[BaseModel]
    answer: Callable[[Any], Awaitable[BaseModel]]
    status: int = 200

    async def __call__(self, content_type: bytes, content: bytes) -> tuple[int, bytes]:
        """Status and JSON; what is wrong is told, and the input, which may be personal, is not.

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
            found = await self.answer(body)
        except NoModel as error:
            return 404, _detail(str(error))
        except GrowthlabError as error:  # what only the bundle could see was wrong
            return 422, _detail(str(error))
        return self.status, found.__pydantic_serializer__.to_json(found)


def _problems(errors: Any, body: type[BaseModel]) -> list[dict[str, Any]]:
    """Where and what is wrong, without the input; of a name that is none, which it may have been."""
    found = []
    for error in errors:
        told = error["msg"]
        if error["type"] == "extra_forbidden":
            told = near_matches(str(error["loc"][-1]), _fields(body, error["loc"][:-1]))
            told = f"there is no such field: {told}"
        found.append({"loc": ["body", *error["loc"]], "msg": told, "type": error["type"]})
    return found


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


def _detail(told: Any) -> bytes:
    return json.dumps({"detail": told}).encode()
