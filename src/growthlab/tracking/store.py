"""The MLflow store of the runs: local sqlite by default, or a tracking server by URL."""

from __future__ import annotations

import hashlib
import os
import re
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from growthlab.core.errors import ConfigError, quoted
from growthlab.core.file_lock import file_lock
from growthlab.core.interrupts import raise_if_interrupted
from growthlab.core.path_names import is_path_name
from growthlab.core.storage_faults import raise_if_storage_failed
from growthlab.tracking.new_sqlite_store import create_sqlite_store
from growthlab.tracking.patient_sqlite import wait_for_locked
from growthlab.tracking.quiet_mlflow import quiet_mlflow

if TYPE_CHECKING:
    from mlflow import MlflowClient

SQLITE = "sqlite:///"
LOCAL_UI = "http://127.0.0.1:5000"  # of `mlflow ui`


@dataclass(frozen=True)
class Store:
    """An MLflow store. `artifacts` is the artifact folder of a local store; None leaves it to the server.

    `ui` is the address of MLflow's web page where that is neither the server nor on this machine.
    """

    uri: str = "sqlite:///mlflow.db"
    artifacts: str | None = "mlartifacts"
    ui: str | None = None

    def __post_init__(self) -> None:
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
        quiet_mlflow()
        from growthlab.tracking.uninterrupted_client import UninterruptedClient

        try:
            self._check_server()
            if self._file is not None:
                wait_for_locked(self._file)
            with self.locked():
                if self._file is not None and not self._file.exists():
                    create_sqlite_store(
                        self._file, str(Path(self.artifacts or "mlartifacts").resolve())
                    )
                client = UninterruptedClient(self.address, self.address)
                client.search_experiments(max_results=1)
        except Exception as error:
            raise_if_interrupted()
            raise_if_storage_failed(error)
            reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
            raise ConfigError(
                f"the MLflow store {self.uri} cannot be opened ({reason}): set tracking.uri"
            ) from error
        return client

    def require_exists(self, purpose: str) -> None:
        """Raise a `ConfigError` that begins with `purpose` if there is no local store yet."""
        if self._file is not None and not self._file.exists():
            raise ConfigError(f"{purpose}: there is no MLflow store {self.uri}: set tracking.uri")

    def _check_server(self) -> None:
        """Raise an OSError at once if no server answers; MLflow would retry for minutes."""
        address = urlsplit(self.uri)
        if address.scheme in ("http", "https"):
            port = address.port or (443 if address.scheme == "https" else 80)
            socket.create_connection((address.hostname or "", port), timeout=10).close()

    def experiment(self, name: str) -> str:
        """The id of the experiment, which is created if there is none of this name."""
        client = self.client
        with self.locked():
            existing = client.get_experiment_by_name(name)
            if existing is not None:
                self._require_own_folder(name, str(existing.artifact_location))
                return str(existing.experiment_id)
            location = self._artifact_location(name)
            return str(client.create_experiment(name, artifact_location=location))

    def _require_own_folder(self, name: str, location: str) -> None:
        """Refuse an experiment of a local store whose artifacts something else put outside its folder.

        Raises
        ------
        ConfigError
            The artifacts of the experiment lie neither in `artifacts` nor beside the store.
        """
        if self.artifacts is None or self._file is None:
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
            The folder cannot be created.
        """
        if self.artifacts is None:
            return None
        if not all(map(is_path_name, name.split("/"))):
            raise ConfigError(f"{quoted(name)} cannot be the name of an experiment and its folder")
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
        return f"mlflow ui --backend-store-uri {self.uri}"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """In the block, no other process creates a schema, an experiment or a comparison."""
        if self._file is None:
            yield
            return
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with file_lock(self._file.with_name(f"{self._file.name}.lock")):
            yield


def is_web_address(text: str) -> bool:
    """Whether it is an address of a server, without anything that does not belong into one."""
    return re.fullmatch(r"https?://[^\s<>\"'`]+", text) is not None


@cache
def code_version() -> str:
    """The commit of the source tree, or the package's version; constant within a process.

    A hash of the Python files is appended if the tree differs from the commit. The environment
    variable ``GROWTHLAB_CODE_VERSION`` overrides both, for example in an image without git.
    """
    if version_of_image := os.environ.get("GROWTHLAB_CODE_VERSION"):
        return version_of_image
    folder = Path(__file__).parents[1]

    def git(*words: str) -> str:
        command = ["git", "-C", str(folder), *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        commit = git("rev-parse", "--short=12", "HEAD")
        changed = git("status", "--porcelain", "--", str(folder))
    except (OSError, subprocess.CalledProcessError):
        return version("growthlab")
    return f"{commit}+{_digest(folder)}" if changed else commit


def _digest(folder: Path) -> str:
    """A short hash of the folder's Python files."""
    content = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        content.update(f"{path.relative_to(folder)}\0".encode() + path.read_bytes())
    return content.hexdigest()[:8]
