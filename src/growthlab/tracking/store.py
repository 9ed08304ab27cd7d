"""Where runs are kept: a local sqlite store by default, or a tracking server by URL."""

from __future__ import annotations

import logging
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from growthlab.core.errors import ConfigError

if TYPE_CHECKING:
    from mlflow import MlflowClient

SQLITE = "sqlite:///"


@dataclass(frozen=True)
class Store:
    """An MLflow store. `artifacts` is the folder of a local store's artifacts; None: as the server says."""

    uri: str = "sqlite:///mlflow.db"
    artifacts: str | None = "mlartifacts"

    @cached_property
    def client(self) -> MlflowClient:
        """A client; the schema of a fresh sqlite store is made once, under a file lock.

        Raises
        ------
        ConfigError
            The store cannot be reached.
        """
        import mlflow

        logging.getLogger("alembic").setLevel(logging.WARNING)
        logging.getLogger("mlflow").setLevel(logging.ERROR)
        client = mlflow.MlflowClient(tracking_uri=self.uri, registry_uri=self.uri)
        try:
            with self._alone():
                client.search_experiments(max_results=1)
        except Exception as error:
            reason = str(error).splitlines()[0][:200]
            raise ConfigError(
                f"the MLflow store {self.uri} cannot be opened ({reason}): set tracking.uri"
            ) from error
        return client

    def experiment(self, name: str) -> str:
        """The id of the experiment, made if there is none of this name yet."""
        client = self.client
        with self._alone():
            found = client.get_experiment_by_name(name)
            if found is not None:
                return str(found.experiment_id)
            location = None
            if self.artifacts is not None:
                folder = Path(self.artifacts).resolve() / quote(name, safe="")
                location = folder.as_uri()
            return str(client.create_experiment(name, artifact_location=location))

    @property
    def how_to_look(self) -> str:
        """The command that shows the runs, or the address where they are."""
        if self.uri.startswith("http"):
            return self.uri
        return f"mlflow ui --backend-store-uri {self.uri}"

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Only one process at a time makes a sqlite schema or an experiment."""
        if not self.uri.startswith(SQLITE):
            yield
            return
        from filelock import FileLock

        path = Path(self.uri.removeprefix(SQLITE))
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{path}.lock"):
            yield


def code_version() -> str:
    """The commit of the source tree (with ``+changes`` where it differs), else the package's version."""
    folder = Path(__file__).parent

    def git(*words: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(folder), *words], capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    try:
        commit = git("rev-parse", "--short=12", "HEAD")
        changed = git("status", "--porcelain", "--untracked-files=no", "--", str(folder))
    except (OSError, subprocess.CalledProcessError):
        return version("growthlab")
    return commit + ("+changes" if changed else "")
