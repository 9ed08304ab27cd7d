"""One session with a Ray cluster a process: authenticated, silent, and of the same code on every machine."""

from __future__ import annotations

import atexit
import importlib
import logging
import os
import secrets
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from growthlab.cluster.code_versions import code_versions, difference
from growthlab.core.credentials import hide
from growthlab.core.errors import ConfigError, one_line, quoted

log = logging.getLogger(__name__)

LOCAL = "local"
PRELOADED = "growthlab.tasks.fold_evaluation"  # by processes that wait for their first fit
SECONDS_TO_ANSWER = 10.0
ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",  # nothing is reported to anybody
    "RAY_AUTH_MODE": "token",
    "RAY_DISABLE_IMPORT_WARNING": "1",
}
_joined: str | None = None  # the address of the session that this process began
TOKEN = ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")
NOT_NEEDED = ("start_monitor", "start_api_server", "start_log_monitor")


def connect(address: str, local_cpus: int | None, object_store_mb: float | None) -> Any:
    """The module ``ray``, connected to a cluster: that of an earlier call in this process, if there is one.

    A local cluster is started with so many processors and megabytes of shared memory; None: Ray's own choice.

    Raises
    ------
    ConfigError
        Ray is not installed, nothing answers at the address, or it answers with a refusal.
    """
    global _joined
    imported_before = "ray" in sys.modules and any(
        os.environ.get(name) != value for name, value in ENVIRONMENT.items()
    )
    os.environ.update(ENVIRONMENT)
    _hide_secrets(address)
    try:
        import ray
    except ModuleNotFoundError as error:
        raise ConfigError("cluster=ray needs Ray: pip install 'growthlab[ray]'") from error
    if address != LOCAL:
        _require_answer(address)
    if ray.is_initialized():
        if _joined in (None, address):  # a session of whoever called, or of an earlier call
            return ray
        ray.shutdown()
    if imported_before:
        _read_environment_again()
    settings: dict[str, Any] = {"address": address}
    if address == LOCAL:
        give_own_token()
        settings |= {"include_dashboard": False, "_node_ip_address": "127.0.0.1"}
        settings |= {"num_cpus": local_cpus}
        settings |= {"_system_config": {"preload_python_modules": [PRELOADED]}}
        if object_store_mb is not None:
            settings["object_store_memory"] = int(object_store_mb * 2**20)
    logging.getLogger("ray").setLevel(logging.CRITICAL)
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    try:
        with _own_signals(), _nameless_driver(), _bare_head():
            ray.init(
                **settings, configure_logging=False, log_to_driver=False, namespace="growthlab"
            )
    except Exception as error:
        ray.shutdown()
        raise ConfigError(f"cluster.address: {_why_refused(error, address)}") from error
    _joined = address
    return ray


def require_same_code(ray: Any) -> None:
    """Compare code and packages of every machine with those of this process.

    Raises
    ------
    ConfigError
        A machine differs; the line says in what.
    """
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    nodes = [node for node in ray.nodes() if node["Alive"]]
    if len(nodes) == 1 and _joined == LOCAL:
        return  # the machine of this process
    ask = ray.remote(max_retries=0, num_cpus=0)(code_versions_there)
    asked = [
        (
            node["NodeManagerHostname"],
            ask.options(
                scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            ).remote(),
        )
        for node in nodes
    ]
    for host, reference in asked:
        try:
            differs = difference(code_versions(), ray.get(reference))
        except ray.exceptions.RayError as error:
            raise ConfigError(
                f"machine {host} of the cluster cannot run growthlab ({_short(error)}): install the same "
                "version there"
            ) from error
        if differs:
            raise ConfigError(different_code(host, differs))


def code_versions_there() -> dict[str, str]:
    """The versions of the process that runs this."""
    return dict(code_versions())


def different_code(host: str, differs: str) -> str:
    """The line that refuses a machine."""
    return (
        f"machine {host} of the cluster has {differs}: results could not be compared, so install the same "
        "there"
    )


def _hide_secrets(address: str) -> None:
    """Neither the address nor a token is shown, whether a word, a file or the environment gives it."""
    host, colon, port = address.rpartition(":")
    if colon and host and port.isdigit():  # else it is a mistake, and shown as such
        hide(address)
    hide(os.environ.get("RAY_AUTH_TOKEN", ""))


def _require_answer(address: str) -> None:
    """Raise a `ConfigError` where nothing answers; Ray would try for a minute."""
    host, colon, port = address.rpartition(":")
    if not (colon and host and port.isdigit() and int(port) < 65536 and "/" not in host):
        raise ConfigError(
            f"cluster.address={quoted(address)}: give HOST:PORT of the cluster's head, or {LOCAL}"
        )
    try:
        socket.create_connection((host, int(port)), timeout=SECONDS_TO_ANSWER).close()
    except OSError as error:
        raise ConfigError(
            f"cluster.address: nothing answers there ({error.strerror or type(error).__name__}): give "
            f"HOST:PORT of a head that runs, or {LOCAL}"
        ) from error


def _read_environment_again() -> None:
    """Ray reads it at its import, and in a notebook that may be before ours: it would ask for no token."""
    raylet: Any = importlib.import_module("ray._raylet")
    raylet.Config.initialize("")
    raylet.AuthenticationTokenLoader.instance().reset_cache()


def give_own_token() -> None:
    """A token for a cluster of this command alone, unless the user has one."""
    if any(os.environ.get(name) for name in TOKEN):
        return
    path = Path(tempfile.mkdtemp(prefix="growthlab-ray-")) / "token"
    atexit.register(shutil.rmtree, path.parent, ignore_errors=True)
    path.touch(mode=0o600)
    path.write_text(secrets.token_hex(32))
    os.environ["RAY_AUTH_TOKEN_PATH"] = str(path)


def _why_refused(error: Exception, address: str) -> str:
    """Why Ray could not be joined, without the address and the token."""
    kind, words = type(error).__name__, one_line(error)
    refused = ("auth" in kind.lower(), "token" in words.lower(), "Failed to connect" in words)
    if any(refused):  # Ray does not say why, and something answers there
        return (
            "what answers there is no head of Ray with this token: set RAY_AUTH_TOKEN_PATH to the file "
            "that the head was started with"
        )
    if "ersion mismatch" in words:
        return f"{words[:300]}: install the same versions here and there"
    if "raylet" in words or "node" in words:
        return (
            "this machine is no part of that cluster: start the command on one of its machines, or join "
            "with ray start"
        )
    return f"the cluster cannot be joined ({words.replace(address, 'address')[:200]})"


def _short(error: Exception) -> str:
    cause = getattr(error, "cause", None)
    return one_line(cause if isinstance(cause, Exception) else error)[:200]


@contextmanager
def _own_signals() -> Iterator[None]:
    """Ray replaces what SIGTERM does: afterwards it is as before."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _nameless_driver() -> Iterator[None]:
    """Ray writes down the words of the command, which may hold a password: it gets the name alone."""
    import ray._private.utils as utils

    before = utils.get_entrypoint_name
    utils.get_entrypoint_name = lambda: "growthlab"
    try:
        yield
    finally:
        utils.get_entrypoint_name = before


@contextmanager
def _bare_head() -> Iterator[None]:
    """A head that starts in the block has no autoscaler, page and reader of logs, as nobody asks them.

    These are ``--no-monitor`` and ``--include-log-monitor=false`` of ``ray start``, which cost half of
    the start; the third is what answers ``include_dashboard=False``. Another version of Ray that names
    them otherwise starts them all.
    """
    from ray._private.node import Node

    def start_nothing(node: Any, **_settings: Any) -> None:
        node._webui_url = ""

    before = {name: vars(Node)[name] for name in NOT_NEEDED if name in vars(Node)}
    for name in before:
        setattr(Node, name, start_nothing)
    try:
        yield
    finally:
        for name, start in before.items():
            setattr(Node, name, start)
