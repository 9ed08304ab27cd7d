"""Limits in front of the service: who may ask, how large, how long, and how many at once."""

from __future__ import annotations

import asyncio
import hmac
import json
import os
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from contextlib import suppress
from typing import Any

from growthlab.serving.refusals import Overloaded
from growthlab.serving.service_metrics import ServiceMetrics
from growthlab.serving.service_options import ServiceOptions

ReportScope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[ReportScope, Receive, Send], Awaitable[None]]
Answering = Callable[[bytes, bytes], Awaitable[tuple[int, bytes]]]

TOKEN_VARIABLE = "GROWTHLAB_TOKEN"
OPEN = ("/health", "/ready")  # for probes, which have no token
RETRY_SECONDS = b"1"
BODIES_AT_ONCE = 16  # bodies of the largest size that may be read at the same time
CLOSE = (b"connection", b"close")
DRAINED_BODIES = 4  # bytes of a refused body that are still read, in bodies of the largest size
DRAIN_SECONDS = 2
GONE = 499  # counted where the client left before it had an answer


class RequestLimits:
    """ASGI app around `app`: refuses early and cheaply, so that admitted requests are answered in time.

    Refused are requests without the token (401), with a body that is too large (413) or does not
    arrive in time (408), and more than `max_in_flight` at once (503 with ``Retry-After``).

    A body that is refused for its size is still read for a moment, and then the connection is closed:
    closed at once, a client that is still sending would never see the answer.

    `answering` maps paths that take work to functions from the type and bytes of a body to the
    status and bytes of an answer; all other paths are handled by `app`. Both are replaced when the
    service's paths change.
    """

    def __init__(
        self,
        app: App,
        options: ServiceOptions,
        metrics: ServiceMetrics,
        answering: Mapping[str, Answering],
        token: str | None,
    ) -> None:
        self.in_flight = 0
        self.app = app
        self.answering = answering
        self._metrics = metrics
        self._token = token.encode() if token else None
        self._most_bytes = options.max_body_mb * 2**20
        self._most_held = BODIES_AT_ONCE * self._most_bytes
        self._most = options.max_in_flight
        self._seconds = options.request_seconds
        self._held = 0  # bytes of the bodies being read

    async def __call__(self, scope: ReportScope, receive: Receive, send: Send) -> None:
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
            is_known = path in self.answering or path in OPEN
            self._metrics.answered(
                path if is_known else "other", status, time.perf_counter() - started
            )

    async def _enter(self, scope: ReportScope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        if scope["path"] not in OPEN and not self.is_authorised(scope):
            challenge = (b"www-authenticate", b"Bearer")
            await _refuse(send, 401, "a bearer token is needed", challenge, CLOSE)
        elif _length(headers) > self._most_bytes:
            await self._refuse_size(receive, send)
        elif scope["method"] != "POST" or scope["path"] not in self.answering:
            await self.app(
                scope, receive, self._closing(receive, send) if _has_body(headers) else send
            )
        elif self.in_flight >= self._most:
            await self.shed(send)
        else:
            kind = headers.get(b"content-type", b"")
            await self._answer(scope["path"], kind, receive, send)

    def is_authorised(self, scope: ReportScope) -> bool:
        """Whether the request has the token, or none is needed."""
        if self._token is None:
            return True
        scheme, _, given = dict(scope["headers"]).get(b"authorization", b"").partition(b" ")
        return scheme.lower() == b"bearer" and hmac.compare_digest(given.strip(), self._token)

    async def _answer(self, path: str, kind: bytes, receive: Receive, send: Send) -> None:
        """Read the body, which does not count as in flight, and answer."""
        body = bytearray()  # not a list of parts: a client may send single bytes
        try:
            if not await self._read(body, receive, send):
                return
            if self.in_flight >= self._most:
                await self.shed(send)
                return
            self.in_flight += 1
            try:
                status, content = await self.answering[path](kind, bytes(body))
            except Overloaded:
                await self.shed(send)
            else:
                await _send(send, status, content)
            finally:
                self.in_flight -= 1
        finally:
            self._held -= len(body)

    async def _read(self, body: bytearray, receive: Receive, send: Send) -> bool:
        """Read all of the body, held from now on; False where the client left or was refused."""
        while True:
            message = await receive()
            if message["type"] != "http.request":
                return False
            part = message.get("body", b"")
            if len(body) + len(part) > self._most_bytes:
                await self._refuse_size(receive, send)
                return False
            body += part
            self._held += len(part)
            if self._held > self._most_held:
                await self.shed(send)
                return False
            if not message.get("more_body"):
                return True

    async def _refuse_size(self, receive: Receive, send: Send) -> None:
        most = self._most_bytes // 2**20
        await _refuse(self._closing(receive, send), 413, f"a request may have up to {most} MB")

    def _closing(self, receive: Receive, send: Send) -> Send:
        """A `send` that closes the connection after the answer, since the body is not wanted.

        Some of it is still read, for a moment: a client that is sending would else not see the answer.
        """

        async def closing(message: Message) -> None:
            if message["type"] == "http.response.start":
                await send({**message, "headers": [*message.get("headers", ()), CLOSE]})
            elif message.get("more_body"):
                await send(message)
            else:
                await send({**message, "more_body": True})
                try:
                    await _drain(receive, DRAINED_BODIES * self._most_bytes)
                finally:
                    await send({"type": "http.response.body", "body": b""})

        return closing

    async def shed(self, send: Send) -> None:
        """Ask the client to come back later."""
        self._metrics.shed += 1
        await _refuse(send, 503, "too many requests at once", (b"retry-after", RETRY_SECONDS))


def token_of_environment() -> str | None:
    """The token that requests must have; None where none is set."""
    token = os.environ.get(TOKEN_VARIABLE, "").strip()  # secrets often end in a line break
    return token or None


async def _drain(receive: Receive, most_bytes: int) -> None:
    """Read what is left of a body, up to so many bytes, for `DRAIN_SECONDS`."""
    with suppress(TimeoutError):
        async with asyncio.timeout(DRAIN_SECONDS):
            more = True
            while more and most_bytes > 0:
                message = await receive()
                most_bytes -= len(message.get("body", b""))
                more = message.get("more_body", False)


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


def _has_body(headers: Mapping[bytes, bytes]) -> bool:
    return _length(headers) > 0 or b"transfer-encoding" in headers


def _length(headers: Mapping[bytes, bytes]) -> int:
    """The length that the client announces; 0 where it does not."""
    length = headers.get(b"content-length", b"0")
    return int(length) if length.isdigit() else 0
