"""Runs the service until it is interrupted."""

from __future__ import annotations

import logging
import socket
from collections.abc import Sequence
from pathlib import Path

import uvicorn

from growthlab.core.errors import ConfigError
from growthlab.serving.app import PATHS, create_app, load_bundles

log = logging.getLogger(__name__)

LOOPBACK = ("127.0.0.1", "::1", "localhost")


def serve(
    bundle_paths: str | Path | Sequence[str | Path], host: str = "127.0.0.1", port: int = 8000
) -> None:
    """Serve the bundles on `host` and `port` (0: any free one); a stop signal ends it.

    Raises
    ------
    BundleError
        A bundle is missing or broken, or two answer the same task.
    ConfigError
        The address is taken or not this machine's.
    """
    bundles = load_bundles(bundle_paths)
    listener = listen(host, port)
    if host not in LOOPBACK:
        log.warning(
            "listening on %s: whoever reaches this machine can ask; nobody is checked", host
        )
    address = f"http://{host}:{listener.getsockname()[1]}"
    for task, bundle in bundles.items():
        log.info("%s%s answers with %s", address, PATHS[task], bundle.manifest.model)
    log.info("documentation at %s/docs", address)
    config = uvicorn.Config(create_app(bundles), log_level="warning", access_log=False)
    with listener:
        uvicorn.Server(config).run(sockets=[listener])


def listen(host: str, port: int) -> socket.socket:
    """A socket bound to the address, port 0 being any free one; ConfigError where it cannot be."""
    listener = None
    try:
        # with its protocol named: asyncio sends answers at once (TCP_NODELAY) only where it is TCP
        listener = socket.socket(*socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][:3])
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        return listener
    except (OSError, OverflowError) as error:
        if listener is not None:
            listener.close()
        why = f"cannot listen on {host}:{port} ({error})"
        raise ConfigError(f"{why}: choose another host or port") from error
