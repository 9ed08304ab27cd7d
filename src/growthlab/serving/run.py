"""Runs the service until it is interrupted."""

from __future__ import annotations

import logging
import socket
import sys

import uvicorn

from growthlab.core.errors import ConfigError
from growthlab.serving.app import create_app
from growthlab.serving.patience import PatientProtocol
from growthlab.serving.request_limits import TOKEN_VARIABLE, token_of_environment
from growthlab.serving.service import Service
from growthlab.serving.service_options import ServiceOptions

log = logging.getLogger(__name__)

LOOPBACK = ("127.0.0.1", "::1", "localhost")
SWITCH_SECONDS = 0.001  # the longest that a thread beside the event loop keeps it waiting
BACKLOG = 512
COPIES = 15  # of the listening socket
STOP_SECONDS = 10  # for what is under way when the service is to end


def serve(options: ServiceOptions) -> None:
    """Serve on the host and port (0: any free one); a stop signal ends it, answers still given.

    Raises
    ------
    BundleError
        A bundle is missing or broken, or two answer the same task.
    ConfigError
        The address is taken or not this machine's, or the log cannot be written.
    """
    listener = listen(options.host, options.port)
    with listener:
        service = Service(options)
        listener.listen(BACKLOG)  # whoever reads the lines below may ask at once
        token = token_of_environment()
        if options.host not in LOOPBACK and token is None:
            log.warning(
                "listening on %s: whoever reaches this machine can ask; set %s to ask for a token",
                options.host,
                TOKEN_VARIABLE,
            )
        address = address_of(options.host, listener.getsockname()[1])
        for variant, _, model in service.models:
            name, path = model.bundle.manifest.model, model.endpoints[0].path
            log.info("%s%s: %s as %s", address, path, name, variant)
        log.info("documentation at %s/docs%s", address, " (with the token)" if token else "")
        sys.setswitchinterval(SWITCH_SECONDS)
        server = uvicorn.Server(config_of(create_app(service), options))
        server.run(sockets=[listener, *copies_of(listener)])


def address_of(host: str, port: int) -> str:
    """The service's address; that of IPv6 stands in brackets."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def config_of(app: object, options: ServiceOptions) -> uvicorn.Config:
    """How uvicorn runs the app: quiet, quick and with bounded patience."""
    protocol = type("Protocol", (PatientProtocol,), {"head_seconds": options.request_seconds})
    return uvicorn.Config(
        app,  # type: ignore[arg-type]
        http=protocol,
        ws="none",
        log_level="warning",
        access_log=False,
        server_header=False,
        date_header=False,
        backlog=BACKLOG,
        limit_concurrency=options.max_connections,
        timeout_graceful_shutdown=STOP_SECONDS,
    )


def copies_of(listener: socket.socket) -> list[socket.socket]:
    """The same socket some times more: uvloop takes one connection of each in a round of its loop.

    With the socket alone, a service at its limit lets new connections queue for seconds, and clients
    that open one for each request are answered a third as often.
    """
    return [listener.dup() for _ in range(COPIES)]


def listen(host: str, port: int) -> socket.socket:
    """A socket bound to the address, port 0 being any free one; ConfigError where it cannot be."""
    listener = None
    try:
        # with its protocol named: asyncio sends answers at once (TCP_NODELAY) only where it is TCP
        listener = socket.socket(*socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][:3])
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        return listener
    except (OSError, OverflowError, UnicodeError) as error:
        if listener is not None:
            listener.close()
        why = f"cannot listen on {host}:{port} ({error})"
        raise ConfigError(f"{why}: choose another host or port") from error
