"""What the service does with bytes on a connection: long heads, odd chunks, offers of other protocols."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from tests.patience import PATIENCE, wait_until
from tests.serving.raw_connection import HEAD, said_to

from growthlab.serving.patience import PatientProtocol

JSON = {"Content-Type": "application/json"}


OFFER = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"


def test_an_offer_of_another_protocol_is_not_taken_and_the_request_is_answered(
    client: httpx.Client,
) -> None:
    offered = HEAD + OFFER.replace(b"Upgrade:", b"uPGRADE:") + b"Content-Length: 7\r\n\r\n"
    said = said_to(client, offered + b'{"k":1}')
    assert said.count(b"HTTP/1.1 ") == 1
    assert said.startswith(b"HTTP/1.1 200 ")
    assert b'"rank":1' in said


def test_a_body_behind_an_offer_is_no_request_of_its_own(client: httpx.Client) -> None:
    inner = b"GET /version HTTP/1.1\r\nHost: x\r\n\r\n"
    length = b"Content-Length: %d\r\n\r\n" % len(inner)
    pieces = {
        "head and body apart": (HEAD + OFFER + length, inner),
        "the offer in two pieces": (HEAD + OFFER[:40], OFFER[40:] + length, inner),
        "behind another request": (
            HEAD + b"Content-Length: 2\r\n\r\n{}" + HEAD + OFFER + length,
            inner,
        ),
    }
    assert client.base_url.port is not None
    for how, sent in pieces.items():
        with socket.create_connection(("127.0.0.1", client.base_url.port)) as connection:
            connection.settimeout(PATIENCE)
            said = b""
            try:
                for piece in sent:
                    connection.sendall(piece)
                    time.sleep(0.1)
                while part := connection.recv(65_536):
                    said += part
            except (ConnectionResetError, BrokenPipeError):
                pass
        assert b'"growthlab"' not in said, how  # what /version says
        assert b"HTTP/1.1 4" in said, how


def test_half_a_head_is_not_waited_for(served: Callable[..., Any]) -> None:
    client = served(request_seconds=1).client
    assert said_to(client, b"") == b""
    assert said_to(client, HEAD) == b""
    whole = HEAD + b"Content-Length: 2\r\n\r\n{}"
    said = said_to(client, whole + HEAD)  # the second one on the same connection
    assert said.count(b"HTTP/1.1 200 ") == 1


@pytest.mark.parametrize(
    "head",
    [
        HEAD + b"X-Long: " + b"x" * 3_000_000,
        HEAD + b"x:\r\n" * 500_000,
        b"GET /" + b"a" * 2_000_000,
        b"GET /ready HTTP/1.1\r\nHost: x\r\nCookie: " + b"c" * 40_000 + b"\r\n\r\n",
    ],
    ids=["one header", "many headers", "a path", "a whole head"],
)
def test_a_long_head_is_refused_and_the_connection_closed(
    client: httpx.Client, head: bytes
) -> None:
    said = said_to(client, head)
    assert said.startswith(b"HTTP/1.1 431 ")
    assert b"connection: close" in said
    assert b"up to 16 kB" in said
    assert said.count(b"HTTP/1.1") == 1


def test_a_head_of_16_kb_is_read(client: httpx.Client) -> None:
    head = HEAD + b"Content-Length: 2\r\nConnection: close\r\nCookie: "
    said = said_to(client, head + b"c" * (16 * 1024 - len(head) - 4) + b"\r\n\r\n{}")
    assert said.startswith(b"HTTP/1.1 200 ")


def test_many_short_requests_on_one_connection_are_no_long_head(client: httpx.Client) -> None:
    whole = HEAD + b"Content-Length: 2\r\n\r\n{}"
    last = HEAD + b"Connection: close\r\nContent-Length: 2\r\n\r\n{}"
    said = said_to(client, whole * 499 + last)  # 50 kB
    assert said.count(b"HTTP/1.1 200 ") == 500


def test_a_client_that_does_not_read_its_answers_is_cut_off(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PatientProtocol, "answer_seconds", 0.5)
    script = b"GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: x\r\n\r\n"  # 1.4 MB each
    with socket.create_connection(("127.0.0.1", client.base_url.port or 0)) as connection:
        connection.sendall(script * 50)
        connection.setblocking(False)

        def is_closed() -> bool:
            try:
                connection.send(b" ")
            except BlockingIOError:
                return False
            except (ConnectionResetError, BrokenPipeError):
                return True
            return False

        wait_until(is_closed)
    assert client.get("/ready").is_success


def test_a_long_head_behind_another_request_is_cut_off(client: httpx.Client) -> None:
    first = HEAD + b"Content-Length: 2\r\n\r\n{}"
    try:
        said = said_to(client, first + HEAD + b"X-Long: " + b"x" * 3_000_000)
    except (ConnectionResetError, BrokenPipeError):
        said = b""
    assert said.count(b"HTTP/1.1 200 ") <= 1


@pytest.mark.parametrize(
    "body",
    [
        b"1\r\n \r\n" * 500_000,
        b"0\r\n" + b"a: b\r\n" * 500_000,
        b"0\r\na: " + b"b" * 3_000_000,
        b"1;" + b"x" * 3_000_000,
    ],
    ids=["single bytes", "trailers", "a long trailer", "a long extension"],
)
def test_a_body_with_more_around_its_chunks_than_in_them_is_cut_off(
    client: httpx.Client, body: bytes
) -> None:
    try:
        said = said_to(client, HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + body)
    except (ConnectionResetError, BrokenPipeError):
        said = b""
    assert said == b""
    assert client.post("/recommend", json={}).is_success


def test_a_body_in_chunks_is_read(client: httpx.Client) -> None:
    def parts() -> Iterator[bytes]:
        yield from (b" " * 500 for _ in range(4_000))
        yield b'{"k": 1}'

    assert len(client.post("/recommend", content=parts(), headers=JSON).json()["items"]) == 1


@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
@pytest.mark.parametrize("path", ["/ready", "/health", "/metrics", "/docs", "/nowhere"])
def test_a_body_that_nobody_reads_closes_the_connection(
    client: httpx.Client, method: str, path: str
) -> None:
    answer = client.request(method, path, content=b"{}" * 1000)
    assert answer.headers["connection"] == "close"
    assert answer.status_code in (200, 404, 405)
    answer = client.request(method, path, content=b" " * 5_000_000)
    assert (answer.status_code, answer.headers["connection"]) == (413, "close")
