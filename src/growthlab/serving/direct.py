"""From the bytes of a request to the bytes of its answer, with no framework between.

FastAPI shows these functions in the OpenAPI document; asking them through it would cost three times
what they themselves cost.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from growthlab.core.errors import GrowthlabError
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
            return 422, _detail(_problems(error.errors(include_input=False, include_url=False)))
        try:
            found = await self.answer(body)
        except NoModel as error:
            return 404, _detail(str(error))
        except GrowthlabError as error:  # what only the bundle could see was wrong
            return 422, _detail(str(error))
        return self.status, found.__pydantic_serializer__.to_json(found)


def _problems(errors: Any) -> list[dict[str, Any]]:
    """Where and what is wrong, without the input."""
    return [{"loc": ["body", *e["loc"]], "msg": e["msg"], "type": e["type"]} for e in errors]


def _detail(told: Any) -> bytes:
    return json.dumps({"detail": told}).encode()
