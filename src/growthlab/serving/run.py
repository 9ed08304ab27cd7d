"""Runs the service until it is interrupted.

Imports of the HTTP libraries wait until the bundles' self-tests, in processes of their own, have begun.
"""

from __future__ import annotations

import logging
import socket
import sys
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

from growthlab.bundle.manifest import bundle_folders
from growthlab.core.errors import ConfigError
from growthlab.serving.bundle_loader import BundleLoader
from growthlab.serving.request_limits import TOKEN_VARIABLE, token_of_environment
from growthlab.serving.service_options import ServiceOptions

if TYPE_CHECKING:
    import uvicorn

log = logging.getLogger(__name__)

SWITCH_SECONDS = 0.001  # the longest that another thread keeps the event loop waiting
BACKLOG = 512
COPIES = 15  # of the listening socket
STOP_SECONDS = 10  # for requests in flight when the service stops


def serve(options: ServiceOptions) -> None:
    """Serve on the host and port (0: any free one) until a stop signal; requests in flight are answered.

    Raises
    ------
    BundleError
        A bundle is missing or broken, or two answer the same task.
    ConfigError
        The address is taken or not of this machine, or can be reached from others without a token, or
        the log cannot be written.
    """
    listener = listen(options.host, options.port)
    with listener:
        token = token_of_environment()
        own, port = listener.getsockname()[:2]
        if token is None and not options.insecure and not ip_address(own).is_loopback:
            raise ConfigError(
                f"host={options.host} can be reached from other machines: set {TOKEN_VARIABLE} to a "
                "token that requests must carry, or say insecure=true if anyone may ask"
            )
        loader = BundleLoader(options)
        with loader.begun(bundle_folders(Path(options.bundle))):
            import uvicorn

            from growthlab.serving.app import create_app
            from growthlab.serving.service import Service

            service = Service(options, loader)
        listener.listen(BACKLOG)  # clients may connect as soon as they read the lines below
        address = address_of(options.host, port)
        for variant, _, model in service.models:
            name, path = model.bundle.manifest.model, model.endpoints[0].path
            log.info("%s%s: %s as %s", address, path, name, variant)
        log.info("documentation at %s/docs%s", address, " (with the token)" if token else "")
        sys.setswitchinterval(SWITCH_SECONDS)
        server = uvicorn.Server(config_of(create_app(service), options))
        server.run(sockets=[listener, *copies_of(listener)])


def address_of(host: str, port: int) -> str:
    """The service's address; an IPv6 host is put in brackets."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def config_of(app: object, options: ServiceOptions) -> uvicorn.Config:
    """How uvicorn runs the app: quiet, fast and with time limits."""
    import uvicorn

    from growthlab.serving.patience import PatientProtocol

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
    """Copies of the listening socket: uvloop accepts one connection of each per round of its loop.

    With one socket only, a service at its limit lets new connections queue for seconds, and clients
    that open a connection for each request get a third as many answers.
    """
    return [listener.dup() for _ in range(COPIES)]


def listen(host: str, port: int) -> socket.socket:
    """A socket bound to the address (port 0: any free one); ConfigError where that is impossible."""
    listener = None
    try:
        # with an explicit protocol: asyncio sets TCP_NODELAY only where it is TCP
        listener = socket.socket(*socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][:3])
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        return listener
    except (OSError, OverflowError, UnicodeError) as error:
        if listener is not None:
            listener.close()
        why = f"cannot listen on {host}:{port} ({error})"
        raise ConfigError(f"{why}: choose another host or port") from error
