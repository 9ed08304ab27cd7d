"""From the bytes of a request to the bytes of its answer, without the framework.

FastAPI documents these functions; calling them through it would take three times as long.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from growthlab.core.errors import AnswerError, GrowthlabError, RequestError
from growthlab.serving.refusals import NoModel
from growthlab.serving.request_reader import LARGE_BYTES, RequestReader, UnreadableRequest
from growthlab.serving.schemas import Body

JSON = b"application/json"
LARGE_LISTS = 2_000  # listed items: writing more takes longer than the event loop may wait
# one after the other, so that they never take more than their share of the processor from the loop
LARGE_WORK = ThreadPoolExecutor(1, thread_name_prefix="large requests")


@dataclass(frozen=True)
class DirectEndpoint:
    """A function from a request to an answer, as the OpenAPI document shows it."""

    body: type[Body]
    answer: Callable[[Any], Awaitable[Any]]
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
            if len(content) > LARGE_BYTES:
                loop = asyncio.get_running_loop()
                body = await loop.run_in_executor(LARGE_WORK, self._read, content)
            else:
                body = self._read(content)
        except UnreadableRequest as error:
            return 422, _detail(error.problems)
        try:
            answer = await self.answer(body)
        except NoModel as error:
            return 404, _detail(str(error))
        except RequestError as error:  # a mistake that only the bundle could find
            return 422, _detail(error.public)
        except AnswerError:  # a fault of the bundle: status 500
            raise
        except GrowthlabError as error:
            return 422, _detail(str(error))
        write = answer.__pydantic_serializer__.to_json
        if body.list_length <= LARGE_LISTS:
            return self.status, write(answer)
        loop = asyncio.get_running_loop()
        return self.status, await loop.run_in_executor(LARGE_WORK, write, answer)

    @cached_property
    def _read(self) -> RequestReader:
        return RequestReader(self.body)


def _detail(detail: Any) -> bytes:
    return json.dumps({"detail": detail}).encode()
