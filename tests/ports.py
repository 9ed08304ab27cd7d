"""Ports for servers that tests start: none that another process could be given meanwhile."""

from __future__ import annotations

import random
import socket
import tempfile
from pathlib import Path

from filelock import FileLock, Timeout

RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
N_PORTS = 10_000
_reserved: list[FileLock] = []  # held until the process ends


def free_port() -> int:
    """A free port, which no other test process gets.

    It lies below those that the system gives to connections and to whoever asks for any port: of
    these, one can be taken between this call and the start of the server.
    """
    first_given = int(RANGE.read_text().split()[0]) if RANGE.exists() else 32_768
    for port in random.sample(range(first_given - N_PORTS, first_given), N_PORTS):
        lock = FileLock(Path(tempfile.gettempdir()) / f"growthlab-test-port-{port}.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            continue
        _reserved.append(lock)
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        return port
    raise AssertionError("no port is free")
