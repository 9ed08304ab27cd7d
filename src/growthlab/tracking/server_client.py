"""A client of a tracking server that may be away: what is written meanwhile waits in an outbox.

Imports MLflow.
"""

from __future__ import annotations

import logging
import socket
import threading
import time
import uuid
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from mlflow.entities import LifecycleStage, Run, RunData, RunInfo, RunStatus

from growthlab.core.endings import at_end
from growthlab.core.interrupts import raise_if_kept
from growthlab.core.storage_faults import ServerGoneError
from growthlab.tracking.outbox import KEY, Outbox, left_outboxes, server_name
from growthlab.tracking.outbox_calls import (
    EXPERIMENT,
    KEPT,
    named_arguments,
    plain,
    send,
    with_server_ids,
)
from growthlab.tracking.server_faults import is_away, may_wait, reason
from growthlab.tracking.uninterrupted_client import UninterruptedClient

log = logging.getLogger(__name__)

READS = ("get_", "search_", "list_", "download_")
TRY_AGAIN = 5.0  # seconds between two attempts during the work
POLL_SECONDS = 0.5  # while nothing is left to do but to wait
CONNECT_SECONDS = 5.0


class ServerClient(UninterruptedClient):
    """Runs are written to the server, or while it is away to an `Outbox`, which is sent once it is back.

    A run that is begun meanwhile has an id of its own, under which this client knows it later too. What is
    read is waited for, up to `patience` seconds; so is, at the end of a command, the outbox.
    """

    def __init__(self, uri: str, patience: float) -> None:
        super().__init__(uri, uri)
        self._server, self._patience = uri, patience
        self._guard = threading.RLock()
        self._box: Outbox | None = None
        self._ids: dict[str, str] = {}
        self._names: dict[str, str] = {}  # of experiments
        self._tried = -TRY_AGAIN
        self._says_away = False

    def __getattribute__(self, name: str) -> Any:
        """The attribute of that name; calls of `KEPT` may go to the outbox, those that read wait."""
        value = super().__getattribute__(name)
        if name in KEPT:
            return partial(self._write, name, value)
        return partial(self._read, value) if name.startswith(READS) else value

    def know_experiment(self, experiment_id: str, name: str) -> None:
        """Remember the name of an experiment, which is the same on every server."""
        self._names[experiment_id] = name

    def waiting_call(self, step: Callable[[], Any]) -> Any:
        """The result of `step`, which only reads, waited for where the server is away.

        Raises
        ------
        ServerGoneError
            It stayed away.
        """
        began = time.monotonic()
        while True:
            try:
                result = step()
            except Exception as error:
                if not is_away(error):
                    raise
                self._say_away(error)
                self._wait_or_give_up(began, error)
            else:
                self._says_away = self._says_away and self._n_waiting > 0
                return result

    def send_what_was_left(self) -> int:
        """Send the outboxes that ended processes left for this server; how many calls that were."""
        n_sent = 0
        for box in left_outboxes(self._server):
            try:
                n_sent += send(UninterruptedClient(self._server, self._server), box)
            finally:
                box.release()
        return n_sent

    def _write(self, name: str, step: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        arguments = named_arguments(name, args, kwargs)
        if name == "create_run":
            arguments["tags"] = {**(arguments.get("tags") or {}), KEY: uuid.uuid4().hex}
        if self._catch_up():
            try:
                return step(**with_server_ids(arguments, self._ids))
            except Exception as error:
                if not is_away(error):
                    raise
                self._say_away(error)
        with self._guard:
            self._keep(name, arguments)
        return _begun_run(arguments) if name == "create_run" else None

    def _read(self, step: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        self._catch_up()

        def call() -> Any:
            words = with_server_ids(list(args), self._ids)
            return step(*words, **with_server_ids(kwargs, self._ids))

        return self.waiting_call(call)

    def _keep(self, name: str, arguments: dict[str, Any]) -> None:
        if self._box is None:
            self._box = Outbox.new(self._server)
            at_end(self._finish)
            for local, server in self._ids.items():
                self._box.add_id(local, server)
        kept = plain(arguments)
        if kept.get("experiment_id") in self._names:
            kept[EXPERIMENT] = self._names[kept["experiment_id"]]
        folder = kept.pop("local_dir", None)
        self._box.add(name, kept, None if folder is None else Path(folder))

    def _catch_up(self, *, now: bool = False) -> bool:
        """Whether nothing waits in the outbox any more; it is sent, but not again and again in vain."""
        if self._box is None:
            return True
        with self._guard:
            box = self._box
            if box is None:
                return True
            if not now and time.monotonic() - self._tried < TRY_AGAIN:
                return False
            try:
                self._connect()
                n_sent = send(UninterruptedClient(self._server, self._server), box)
            except Exception as error:
                if not is_away(error):
                    raise
                self._tried = time.monotonic()
                return False
            finally:
                self._ids.update(box.ids)
            log.info(
                "%s is back: %d results that waited are sent", server_name(self._server), n_sent
            )
            self._says_away = False
            box.release()
            self._box = None
            return True

    def _finish(self) -> None:
        """At the end of a command, wait for the server if anything is left.

        Raises
        ------
        ServerGoneError
            It stayed away: what is left is in the outbox, for whoever opens the server next.
        """
        began = time.monotonic()
        try:
            while not self._catch_up(now=True):
                self._wait_or_give_up(began, ConnectionError("no answer"))
            self.send_what_was_left()  # by processes that worked for this command
        finally:
            if self._box is not None:
                self._box.release()
                self._box = None

    def _wait_or_give_up(self, began: float, error: Exception) -> None:
        raise_if_kept()
        waited = time.monotonic() - began
        if waited < self._patience and may_wait():
            time.sleep(POLL_SECONDS)
            return
        name = server_name(self._server)
        if not self._n_waiting:
            raise ServerGoneError(
                f"the tracking server {name} does not answer ({reason(error)}): run the same command "
                "again once it does; tracking.patience is how many seconds a command waits"
            ) from error
        assert self._box is not None
        raise ServerGoneError(
            f"the tracking server {name} does not answer: {self._n_waiting} results are kept in "
            f"{self._box.folder}, and `growthlab sync tracking.uri={name}` sends them once it does"
        ) from error

    @property
    def _n_waiting(self) -> int:
        return 0 if self._box is None else self._box.n_waiting

    def _say_away(self, error: Exception) -> None:
        if not self._says_away:
            text = "the tracking server %s does not answer (%s): results are kept here, and sent once it does"
            log.warning(text, server_name(self._server), reason(error))
        self._says_away = True

    def _connect(self) -> None:
        """Raise an OSError soon if no server answers, where a call would take minutes to."""
        address = urlsplit(self._server)
        port = address.port or (443 if address.scheme == "https" else 80)
        socket.create_connection((address.hostname or "", port), CONNECT_SECONDS).close()


def _begun_run(arguments: dict[str, Any]) -> Run:
    """A run that the server does not know yet; its key is its id."""
    info = RunInfo(
        run_id=arguments["tags"][KEY],
        experiment_id=arguments["experiment_id"],
        user_id="",
        status=RunStatus.to_string(RunStatus.RUNNING),
        start_time=arguments.get("start_time") or 0,
        end_time=None,
        lifecycle_stage=LifecycleStage.ACTIVE,
        run_name=arguments.get("run_name"),
    )
    return Run(info, RunData())
