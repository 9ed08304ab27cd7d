"""Bytes sent to a service as no client would send them."""

from __future__ import annotations

import socket

import httpx
from tests.patience import PATIENCE

HEAD = b"POST /recommend HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


def said_to(client: httpx.Client, sent: bytes) -> bytes:
    """What the service says to bytes on a connection until it closes it, idle ones after 5 s."""
    assert client.base_url.port is not None
    with socket.create_connection(("127.0.0.1", client.base_url.port)) as connection:
        connection.settimeout(PATIENCE)
        connection.sendall(sent)
        said = b""
        try:
            while part := connection.recv(65_536):
                said += part
        except ConnectionResetError:
            pass
        return said
