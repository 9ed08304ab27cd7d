"""The MLflow store of the runs: local sqlite by default, or a tracking server by URL."""

from __future__ import annotations

import logging
import math
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from growthlab.core.credentials import without_passwords
from growthlab.core.errors import ConfigError, one_line, quoted
from growthlab.core.file_lock import file_lock
from growthlab.core.interrupts import raise_if_interrupted
from growthlab.core.path_names import is_path_name
from growthlab.core.storage_faults import ServerGoneError, raise_if_storage_failed
from growthlab.tracking.new_sqlite_store import create_sqlite_store
from growthlab.tracking.patient_sqlite import require_database, wait_for_locked
from growthlab.tracking.quiet_mlflow import quiet_mlflow
from growthlab.tracking.server_faults import is_away, reason, refusal, without_waiting

if TYPE_CHECKING:
    from mlflow import MlflowClient

log = logging.getLogger(__name__)

SQLITE = "sqlite:///"
DATABASES = ("postgresql", "mysql", "mssql")
PROXIED = "mlflow-artifacts:"  # files that go through the server
STORAGES = ("s3", "gs", "abfss", "wasbs", "mlflow-artifacts")
NOT_MLFLOW = re.compile("failed with error code 40[45] ")
LONGEST_REASON = 200  # characters
LOCAL_UI = "http://127.0.0.1:5000"  # of `mlflow ui`


@dataclass(frozen=True)
class Store:
    """An MLflow store. `artifacts` is the folder or the storage of the files; None leaves it to the server.

    `ui` is the address of MLflow's web page where that is neither the server nor on this machine, and
    `patience` the seconds that a command waits for a server that is away and has nothing else to do.
    """

    uri: str = "sqlite:///mlflow.db"
    artifacts: str | None = "mlartifacts"
    ui: str | None = None
    patience: float = 60.0

    def __post_init__(self) -> None:
        if not 0 <= self.patience < math.inf:
            raise ConfigError(f"tracking.patience must be 0 or more seconds, got {self.patience}")
        if self.ui is not None and not is_web_address(self.ui):
            raise ConfigError(
                f"tracking.ui={quoted(str(self.ui))} is not the address of MLflow's web page, such as "
                f"{LOCAL_UI}"
            )

    @cached_property
    def client(self) -> MlflowClient:
        """A client; the schema of a new sqlite store is created once, under a file lock.

        Raises
        ------
        ConfigError
            The store cannot be reached.
        """
        return self._opened(send=True)

    @cached_property
    def plain_client(self) -> MlflowClient:
        """A client of a server that answers; what earlier processes could not send stays where it is."""
        return self._opened(send=False)

    def _opened(self, *, send: bool) -> MlflowClient:
        quiet_mlflow()
        try:
            self._check_server()
            if self.is_server:
                return self._server_client(send=send)
            from growthlab.tracking.uninterrupted_client import UninterruptedClient

            if self._file is not None:
                wait_for_locked(self._file)
            with self.locked():
                if self._file is not None and not self._file.exists():
                    create_sqlite_store(
                        self._file, str(Path(self.artifacts or "mlartifacts").resolve())
                    )
                elif self._file is not None:
                    require_database(self._file)
                client = UninterruptedClient(self.address, self.address)
                client.search_experiments(max_results=1)
        except Exception as error:
            raise_if_interrupted()
            if not isinstance(error, ServerGoneError):
                raise_if_storage_failed(error)
            raise self._cannot_be_opened(error) from error
        return client

    def _server_client(self, *, send: bool) -> MlflowClient:
        """A client of a server that answers; with `send` it gets what earlier processes could not send."""
        from growthlab.tracking.server_client import ServerClient
        from growthlab.tracking.uninterrupted_client import UninterruptedClient

        client = ServerClient(self.address, self.patience)
        with without_waiting():
            client.search_experiments(max_results=1)
        if not send:
            return UninterruptedClient(self.address, self.address)
        try:
            n_sent = client.send_what_was_left()
        except Exception as error:
            if is_away(error):
                raise
            text = "results of earlier commands cannot be sent (%s): see growthlab sync"
            log.warning(text, without_passwords(one_line(error))[:LONGEST_REASON])
        else:
            if n_sent:
                log.info("%d results that waited here for %s are sent", n_sent, self.name)
        return client

    def _cannot_be_opened(self, error: Exception) -> ConfigError:
        """What is wrong, in one line, with the setting that helps."""
        cause = error.__cause__ if isinstance(error, ServerGoneError) else error
        refused = None if cause is None else refusal(cause)
        if refused is not None:
            what, helps = refused
        elif self.is_server and NOT_MLFLOW.search(str(error)):
            what, helps = "what answers there is no MLflow server", "set tracking.uri"
        elif self.is_server and isinstance(cause, Exception) and is_away(cause):
            what, helps = (
                f"{reason(cause)}",
                "set tracking.uri, or work without it with tracking=local",
            )
        else:
            first = (str(error).splitlines() or [type(error).__name__])[0]
            what, helps = without_passwords(first)[:LONGEST_REASON], "set tracking.uri"
        return ConfigError(f"the MLflow store {self.name} cannot be opened ({what}): {helps}")

    @property
    def name(self) -> str:
        """The URI as it may be shown, without a password."""
        return without_passwords(self.uri)

    @property
    def is_server(self) -> bool:
        """Whether it is a tracking server, not a database."""
        return is_web_address(self.uri)

    def require_exists(self, purpose: str) -> None:
        """Raise a `ConfigError` that begins with `purpose` if there is no local store yet."""
        if self._file is not None and not self._file.exists():
            raise ConfigError(f"{purpose}: there is no MLflow store {self.name}: set tracking.uri")

    def _check_server(self) -> None:
        """Raise an error at once if no server answers; MLflow would retry for minutes."""
        address = urlsplit(self.uri)
        if self.is_server:
            port = address.port or (443 if address.scheme == "https" else 80)
            socket.create_connection((address.hostname or "", port), timeout=10).close()
        elif address.scheme.startswith(DATABASES):
            from sqlalchemy import create_engine

            engine = create_engine(self.uri)
            try:
                engine.connect().close()
            finally:
                engine.dispose()

    def experiment(self, name: str) -> str:
        """The id of the experiment, which is created if there is none of this name.

        Raises
        ------
        ConfigError
            Its files cannot be stored where they should be.
        """
        if name in self._experiments:  # it is asked for again when the server may be away
            return self._experiments[name]
        client = self.client
        with self.locked():
            existing = client.get_experiment_by_name(name)
            if existing is not None:
                location, number = str(existing.artifact_location), str(existing.experiment_id)
                self._require_own_folder(name, location)
            else:
                place = self._artifact_location(name)
                if place is not None and place.split(":")[0] in STORAGES:
                    self._require_storage(
                        place
                    )  # before an experiment lies where nothing can be stored
                number = str(client.create_experiment(name, artifact_location=place))
                location = place or str(client.get_experiment(number).artifact_location)
        if location.split(":")[0] in STORAGES:
            self._require_storage(location)
        if self.is_server:
            client.know_experiment(number, name)  # type: ignore[attr-defined]
        self._experiments[name] = number
        return number

    @cached_property
    def _experiments(self) -> dict[str, str]:
        """The ids of experiments by name, as far as they are known."""
        return {}

    def _require_storage(self, location: str) -> None:
        """Raise a `ConfigError` if a storage, or that of the server, does not answer as it should."""
        from mlflow.artifacts import list_artifacts

        try:  # of a folder that is not there, so that nothing is listed
            list_artifacts(artifact_uri=f"{location}/-", tracking_uri=self.address)
        except Exception as error:
            what, helps = refusal(error) or (
                reason(error),
                "see whether it runs, and MLFLOW_S3_ENDPOINT_URL",
            )
            where = location if not location.startswith(PROXIED) else f"of the server {self.name}"
            raise ConfigError(f"the storage {where} cannot be used ({what}): {helps}") from error

    def _require_own_folder(self, name: str, location: str) -> None:
        """Refuse an experiment whose artifacts something else put outside the folder of a local store.

        Raises
        ------
        ConfigError
            The artifacts of the experiment lie neither in `artifacts` nor beside the store.
        """
        if self.artifacts is None:
            return
        if is_address(self.artifacts) and location.startswith(f"{self.artifacts.rstrip('/')}/"):
            return
        if self._file is None:
            text = "the experiment %s keeps its files in %s, as when it began"
            log.info(text, name, without_passwords(location))
            return
        address = urlsplit(location)
        folder = Path(unquote(address.path)).resolve()
        own = (Path(self.artifacts).resolve(), self._file.parent)
        if address.scheme not in ("", "file") or not any(map(folder.is_relative_to, own)):
            raise ConfigError(
                f"the experiment {name} keeps its artifacts in {quoted(location, 300)}, outside "
                f"tracking.artifacts={self.artifacts}: give tracking.artifacts=FOLDER, or another "
                "tracking.uri"
            )

    def _artifact_location(self, name: str) -> str | None:
        """The artifact location of a new experiment; None leaves it to the server.

        Raises
        ------
        ConfigError
            The folder cannot be created, or the address is none of a storage.
        """
        if self.artifacts is None:
            return None
        if not all(map(is_path_name, name.split("/"))):
            raise ConfigError(f"{quoted(name)} cannot be the name of an experiment and its folder")
        if is_address(self.artifacts):
            if urlsplit(self.artifacts).scheme not in STORAGES:
                raise ConfigError(
                    f"tracking.artifacts={quoted(without_passwords(self.artifacts))}: a storage begins with "
                    f"{', '.join(f'{scheme}://' for scheme in STORAGES)}"
                )
            return f"{self.artifacts.rstrip('/')}/{name}"
        folder = Path(self.artifacts).resolve() / name
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            why = f"tracking.artifacts={self.artifacts} cannot be written ({error.strerror})"
            raise ConfigError(f"{why}: choose another folder") from error
        return folder.as_uri()

    @property
    def address(self) -> str:
        """The URI with an absolute path, as MLflow caches stores by URI and the working folder may change."""
        return self.uri if self._file is None else f"{SQLITE}{self._file}"

    @property
    def _file(self) -> Path | None:
        """The file of a sqlite store."""
        if not self.uri.startswith(SQLITE):
            return None
        return Path(self.uri.removeprefix(SQLITE)).resolve()

    @property
    def address_of_ui(self) -> str:
        """The address of MLflow's web page, by default that of the server, or of `command_of_ui`."""
        if self.ui is not None:
            return self.ui.rstrip("/")
        if not is_web_address(self.uri):
            return LOCAL_UI
        server = urlsplit(self.uri)  # it may hold a password
        return server._replace(netloc=server.netloc.rpartition("@")[2]).geturl().rstrip("/")

    @property
    def command_of_ui(self) -> str | None:
        """The command that serves MLflow's web page on this machine; None where it is served elsewhere."""
        if self.ui is not None or is_web_address(self.uri):
            return None
        return f"mlflow ui --backend-store-uri {self.name}"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """In the block, no other process creates a schema, an experiment or a comparison."""
        if self._file is None:
            yield
            return
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with file_lock(self._file.with_name(f"{self._file.name}.lock")):
            yield


def is_address(text: str) -> bool:
    """Whether it is an address of a storage, and no path."""
    return re.match(r"[a-z][a-z0-9+.-]*:/", text) is not None


def is_web_address(text: str) -> bool:
    """Whether it is an address of a server, without anything that does not belong into one."""
    return re.fullmatch(r"https?://[^\s<>\"'`]+", text) is not None
