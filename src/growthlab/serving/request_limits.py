"""The gate before the service: who may come in, how large, how long, and how many at once."""

from __future__ import annotations

import asyncio
import hmac
import json
import os
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from growthlab.serving.batcher import Overloaded
from growthlab.serving.service_metrics import Metrics
from growthlab.serving.service_options import ServiceOptions

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Answering = Callable[[bytes, bytes], Awaitable[tuple[int, bytes]]]

TOKEN_VARIABLE = "GROWTHLAB_TOKEN"
OPEN = ("/health", "/ready")  # asked by what watches over the service, which has no token
RETRY_SECONDS = b"1"
BODIES_AT_ONCE = 16  # so many of the largest size may be read at the same time
CLOSE = (b"connection", b"close")
GONE = 499  # counted where the client went before it had an answer, which is no mistake of ours


class RequestLimits:
    """ASGI app around `app`: refuses early and cheaply, so that those let in are answered in time.

    `app` and `answering` are set by who builds them, and again where the service's paths change.

    Without the token 401; a body that is too large 413, as soon as that is seen; one that does not
    come in time 408; more than `max_in_flight` requests at once 503 with ``Retry-After``.
    `answering` are the paths that are work, and what turns type and bytes of a body into status and
    bytes of an answer; all other paths are `app`'s.
    """

    def __init__(
        self,
        options: ServiceOptions,
        metrics: Metrics,
        token: str | None,
    ) -> None:
        self.in_flight = 0
        self.app: App = _nothing
        self.answering: Mapping[str, Answering] = {}
        self._metrics = metrics
        self._token = token.encode() if token else None
        self._most_bytes = options.max_body_mb * 2**20
        self._most_held = BODIES_AT_ONCE * self._most_bytes
        self._most = options.max_in_flight
        self._seconds = options.request_seconds
        self._held = 0  # bytes of bodies that are being read

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer or refuse a request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        path, status = scope["path"], GONE

        async def sent(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            async with asyncio.timeout(self._seconds):
                await self._enter(scope, receive, sent)
        except TimeoutError:
            if status == GONE:  # nothing was sent yet
                await _refuse(sent, 408, "the request took too long", CLOSE)
        except Exception:
            status = 500
            raise
        finally:
            known = path in self.answering or path in OPEN
            self._metrics.answered(
                path if known else "other", status, time.perf_counter() - started
            )

    async def _enter(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        if scope["path"] not in OPEN and not self.knows(scope):
            challenge = (b"www-authenticate", b"Bearer")
            await _refuse(send, 401, "a bearer token is needed", challenge, CLOSE)
        elif scope["method"] != "POST" or scope["path"] not in self.answering:
            await self.app(scope, receive, send)
        elif _length(headers) > self._most_bytes:
            await self._refuse_size(send)
        elif self.in_flight >= self._most:
            await self.shed(send)
        else:
            kind = headers.get(b"content-type", b"")
            await self._answer(scope["path"], kind, receive, send)

    def knows(self, scope: Scope) -> bool:
        """Whether a request brings the token, or needs none."""
        if self._token is None:
            return True
        scheme, _, given = dict(scope["headers"]).get(b"authorization", b"").partition(b" ")
        return scheme.lower() == b"bearer" and hmac.compare_digest(given.strip(), self._token)

    async def _answer(self, path: str, kind: bytes, receive: Receive, send: Send) -> None:
        """Read the body, which does not count as work, and answer."""
        body = await self._body(receive, send)
        if body is None:
            return
        if self.in_flight >= self._most:
            await self.shed(send)
            return
        self.in_flight += 1
        try:
            status, content = await self.answering[path](kind, body)
        except Overloaded:
            await self.shed(send)
        else:
            await _send(send, status, content)
        finally:
            self.in_flight -= 1

    async def _body(self, receive: Receive, send: Send) -> bytes | None:
        """The whole body; None where the client has gone or was refused."""
        message = await receive()
        if message["type"] == "http.request" and not message.get("more_body"):
            if len(message["body"]) <= self._most_bytes:
                return bytes(message["body"])
            await self._refuse_size(send)
            return None
        parts, size = [], 0
        try:
            while message["type"] == "http.request":
                part = message.get("body", b"")
                size += len(part)
                self._held += len(part)
                parts.append(part)
                if size > self._most_bytes:
                    await self._refuse_size(send)
                    return None
                if self._held > self._most_held:
                    await self.shed(send)
                    return None
                if not message.get("more_body"):
                    return b"".join(parts)
                message = await receive()
            return None
        finally:
            self._held -= size

    async def _refuse_size(self, send: Send) -> None:
        most = self._most_bytes // 2**20
        await _refuse(send, 413, f"a request may have up to {most} MB", CLOSE)

    async def shed(self, send: Send) -> None:
        """Tell the client to come again."""
        self._metrics.shed += 1
        await _refuse(send, 503, "too many requests at once", (b"retry-after", RETRY_SECONDS))


def token_of_environment() -> str | None:
    """The token that requests must bring; None where none is set."""
    return (
        os.environ.get(TOKEN_VARIABLE, "").strip() or None
    )  # a secret's file ends in a line's end


async def _nothing(scope: Scope, receive: Receive, send: Send) -> None:
    """Until there is an app."""
    await _refuse(send, 503, "not ready")


async def _refuse(send: Send, status: int, detail: str, *more: tuple[bytes, bytes]) -> None:
    await _send(send, status, json.dumps({"detail": detail}).encode(), *more)


async def _send(send: Send, status: int, content: bytes, *more: tuple[bytes, bytes]) -> None:
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(content)).encode()),
        *more,
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})


def _length(headers: dict[bytes, bytes]) -> int:
    """The length that the client announces; 0 where it does not."""
    told = headers.get(b"content-length", b"0")
    return int(told) if told.isdigit() else 0
