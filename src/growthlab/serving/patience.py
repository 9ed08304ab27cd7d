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
PIECE = 8 * 1024  # bytes that are parsed at once: a long head is seen before most of it is parsed
LARGEST_HEAD = 16 * 1024  # bytes of a request's line and headers
MOST_PIECES = 8 * 1024  # chunks or packets of a body: 4 MB in pieces of 512 bytes
MOST_FRAMING = 128 * 1024  # bytes between and behind the chunks of a body
MOST_UNREAD = 4 * 2**20  # bytes that are still taken, and dropped, after a refusal
DRAIN_SECONDS = 2.0
TOO_LONG = b'{"detail": "the head of a request may have up to %d kB"}' % (LARGEST_HEAD // 1024)
REFUSED_HEAD = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: application/json\r\n"
    b"content-length: %d\r\nconnection: close\r\n\r\n" % len(TOO_LONG)
) + TOO_LONG


class PatientProtocol(Protocol):
    """uvicorn's protocol, with limits for the head of a request: its bytes, and the time it takes.

    uvicorn limits only the pause between requests: without a time limit, clients that send half a head
    and then nothing would keep their connections for ever, and heads of any length would be collected.
    One that is too long gets 431 and a closed connection, or is cut off where it comes while an earlier
    request is answered. Cut off is also a body in far too many pieces, each of which costs as much as a
    packet, or with far more around its chunks than in them.

    An offer to switch protocols (``Upgrade: h2c``, as Java's client sends it) is ignored (RFC 9110,
    7.8). uvicorn's parser would end such a request at its head and read the body as the next one; so
    the header is renamed, and a connection on which it was split across packets is closed.
    """

    head_seconds = 10.0
    answer_seconds = 60.0  # for a client to take what it asked for

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._deadline: asyncio.TimerHandle | None = None
        self._unread_bytes = 0  # of a head that is not complete, or of a body after its answer
        self._in_head: bool | None = None  # None: between two requests
        self._unsent: asyncio.TimerHandle | None = None
        self._refused = False
        self._bytes_before = (
            0  # at most, in the piece that is parsed, before a head that begins in it
        )
        self._n_pieces = self._framing = 0  # of the body that is read

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first head."""
        super().connection_made(transport)
        self._wait()

    def on_message_begin(self) -> None:
        """A head begins."""
        self._in_head = True
        self._unread_bytes = -self._bytes_before
        self._bytes_before = PIECE  # of another head that begins in the same piece
        super().on_message_begin()  # type: ignore[misc]

    def on_headers_complete(self) -> None:
        """A head ends."""
        self._in_head = False
        self._n_pieces = self._framing = 0
        super().on_headers_complete()  # type: ignore[misc]

    def on_message_complete(self) -> None:
        """A request ends."""
        self._in_head = None
        super().on_message_complete()  # type: ignore[misc]

    def on_chunk_complete(self) -> None:
        """A chunk of a body ends."""
        self._n_pieces += 1

    def data_received(self, data: bytes) -> None:
        """Parse a piece after the other, as long as the limits are kept."""
        if len(data) <= PIECE:
            self._parse(data)
            return
        for start in range(0, len(data), PIECE):
            if self.transport.is_closing():
                return
            self._parse(data[start : start + PIECE])

    def _parse(self, data: bytes) -> None:
        """Keep the time limit running where the head is not complete yet."""
        if self._refused:
            self._drop(len(data))
            return
        if self._is_waiting():
            head, end, rest = data.partition(HEAD_END)
            data = UPGRADE.sub(rb"\1x-offered", head) + end + rest
        self._bytes_before = 0 if self._in_head is None and self._is_waiting() else PIECE
        cycle, n_read = self.cycle, len(self.cycle.body) if self._in_head is False else 0
        super().data_received(data)
        if self._in_head is False:
            self._n_pieces += 1
            n_read = len(self.cycle.body) - (n_read if self.cycle is cycle else 0)
            self._framing += len(data) - n_read
            if self._n_pieces > MOST_PIECES or self._framing > MOST_FRAMING:
                self.transport.abort()
                return
        waiting = self._is_waiting()
        if waiting if self._in_head is None else self._in_head:
            self._unread_bytes += len(data)
            if self._unread_bytes > LARGEST_HEAD:
                self._refuse_head(waiting)
            elif waiting:
                self._wait()
        elif waiting:  # the body of a request that is answered already
            self._drop(len(data))
            self._wait()
        else:
            self._stop_waiting()

    def _is_waiting(self) -> bool:
        """Whether no request is being answered."""
        return self.cycle is None or self.cycle.response_complete

    def pause_writing(self) -> None:
        """More answers wait than the connection takes: the client has a time limit to read them."""
        super().pause_writing()
        self._unsent = self.loop.call_later(self.answer_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """The answers were read."""
        super().resume_writing()
        self._sent()

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel the time limits."""
        self._stop_waiting()
        self._sent()
        super().connection_lost(exc)

    def _unsupported_upgrade_warning(self) -> None:
        """Close the connection of an offer that was not renamed: its body would be read as a request."""
        self.send_400_response("Upgrade is not supported here.")

    def _refuse_head(self, waiting: bool) -> None:
        """Answer 431 and close, but take what is on its way: else the answer would be lost."""
        if not waiting or self.transport.is_closing():
            self.transport.abort()
            return
        self._stop_waiting()
        self._refused = True
        self.transport.write(REFUSED_HEAD)
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._deadline = self.loop.call_later(DRAIN_SECONDS, self.transport.abort)

    def _drop(self, n_bytes: int) -> None:
        """Take bytes that nobody reads, but not without end."""
        self._unread_bytes += n_bytes
        if self._unread_bytes > MOST_UNREAD:
            self.transport.abort()

    def _wait(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(self.head_seconds, self.transport.abort)

    def _sent(self) -> None:
        if self._unsent is not None:
            self._unsent.cancel()
            self._unsent = None

    def _stop_waiting(self) -> None:
        self._unread_bytes = 0
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
