"""HTTP with a time limit for the head of a request: slow connections are closed."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from uvicorn.protocols.http.h11_impl import H11Protocol as Protocol
else:
    try:  # several times faster
        from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol as Protocol
    except ImportError:
        from uvicorn.protocols.http.h11_impl import H11Protocol as Protocol

HEAD_END = b"\r\n\r\n"
UPGRADE = re.compile(rb"(^|\r\n)upgrade(?=[ \t]*:)", re.IGNORECASE)
LARGEST_HEAD = 64 * 1024  # bytes of a request's line and headers


class PatientProtocol(Protocol):
    """uvicorn's protocol, with at most `head_seconds` for the head of a request.

    uvicorn limits only the pause between requests: without this limit, clients that send half a head
    and then nothing would keep their connections for ever.

    An offer to switch protocols (``Upgrade: h2c``, as Java's client sends it) is ignored (RFC 9110,
    7.8). uvicorn's parser would end such a request at its head and read the body as the next one; so
    the header is renamed, and a connection on which it was split across packets is closed.
    """

    head_seconds = 10.0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._deadline: asyncio.TimerHandle | None = None
        self._head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first head."""
        super().connection_made(transport)
        self._wait_for_head(0)

    def data_received(self, data: bytes) -> None:
        """Keep the time limit running where the head is not complete yet."""
        if self.cycle is None or self.cycle.response_complete:
            head, end, rest = data.partition(HEAD_END)
            data = UPGRADE.sub(rb"\1x-offered", head) + end + rest
        super().data_received(data)
        if self.cycle is None or self.cycle.response_complete:
            self._wait_for_head(len(data))
        else:
            self._stop_waiting()

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel the time limit."""
        self._stop_waiting()
        super().connection_lost(exc)

    def _unsupported_upgrade_warning(self) -> None:
        """Close the connection of an offer that was not renamed: its body would be read as a request."""
        self.send_400_response("Upgrade is not supported here.")

    def _wait_for_head(self, n_bytes: int) -> None:
        self._head_bytes += n_bytes
        if self._head_bytes > LARGEST_HEAD:
            self.transport.abort()
        elif self._deadline is None:
            self._deadline = self.loop.call_later(self.head_seconds, self.transport.abort)

    def _stop_waiting(self) -> None:
        self._head_bytes = 0
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
