"""A team's tracking server: MLflow on PostgreSQL, with its files on S3-compatible storage.

``python -m deploy.tracking_server start`` starts ``compose.yaml`` with podman or docker, and where neither
runs, the same parts from packages; ``stop`` and ``status`` do what they say. Passwords are made at the
first start.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from deploy.postgresql import ServerError
from deploy.server_parts import FOR_CLIENTS, PACKAGES, TrackingServer
from deploy.server_secrets import CREDENTIALS, credentials, write_auth

COMPOSE = Path(__file__).resolve().parent / "compose.yaml"
FOLDER = Path("tracking-server")
ENGINES = ("podman", "docker")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one action; 0: done, 1: a part does not start or does not run, 2: a mistake in the words."""
    parser = argparse.ArgumentParser(
        prog="deploy.tracking_server", description=__doc__.split("\n")[0]
    )
    parser.add_argument("action", choices=["start", "stop", "status"])
    parser.add_argument(
        "--folder", type=Path, default=FOLDER, help="passwords, and the parts' data"
    )
    parser.add_argument("--engine", choices=["auto", *ENGINES, PACKAGES], default="auto")
    parser.add_argument("--port", type=int, default=5000, help="of MLflow")
    parser.add_argument("--s3-port", type=int, default=8333, help="of the storage")
    parser.add_argument("--address", default="127.0.0.1", help="0.0.0.0: other machines too")
    given = parser.parse_args(arguments)
    server = TrackingServer(given.folder, given.port, given.s3_port, given.address)
    try:
        engine = running_engine() if given.engine == "auto" else given.engine
        if engine == PACKAGES:
            return _with_packages(given.action, server)
        return _with_compose(given.action, server, engine)
    except ServerError as error:
        print(f"tracking server: {error}", file=sys.stderr)
        return 1


def running_engine() -> str:
    """The engine that runs here and has its compose command; ``packages`` where there is none."""
    for engine in ENGINES:
        if shutil.which(engine) and all(
            subprocess.run([engine, *words], capture_output=True, check=False).returncode == 0
            for words in (["info"], ["compose", "version"])
        ):
            return engine
    return PACKAGES


def _with_packages(action: str, server: TrackingServer) -> int:
    if action == "stop":
        server.stop()
    if action == "start":
        server.start()
        print(what_next(server))
    if action == "status":
        running = server.status()
        for name, runs in running.items():
            print(f"{name}: {'runs' if runs else 'does not run'}")
        return 0 if all(running.values()) else 1
    return 0


def _with_compose(action: str, server: TrackingServer, engine: str) -> int:
    """The same by compose, whose variables are the passwords and the ports."""
    folder = server.folder
    made = credentials(folder)
    write_auth(folder, f"postgresql+psycopg://mlflow:{made['POSTGRES_PASSWORD']}@database/mlflow")
    server.write_client_environment()
    words = [engine, "compose", "--file", str(COMPOSE), "--env-file", str(folder / CREDENTIALS)]
    words += {"start": ["up", "--detach", "--build", "--wait"], "stop": ["down"]}.get(
        action, ["ps"]
    )
    places = {
        "SERVER_FOLDER": str(folder),
        "SERVER_ADDRESS": server.address,
        "SERVER_PORT": str(server.ports["mlflow"]),
        "SERVER_S3_PORT": str(server.ports["s3"]),
    }
    done = subprocess.run(words, env={**os.environ, **places}, check=False)
    if done.returncode:
        raise ServerError(
            f"{engine} compose ended with status {done.returncode}: see its lines above"
        )
    if action == "start":
        print(what_next(server))
    return 0


def what_next(server: TrackingServer) -> str:
    """What a user types next."""
    path = server.folder / FOR_CLIENTS
    return "\n".join(
        [
            f"MLflow answers at {server.uri}; its user and password, and the keys of the storage, are in",
            f"{path}, which only you can read. To use it:",
            f"  set -a && . {path} && set +a",
            f"  growthlab compare task=top_n tracking=server tracking.uri={server.uri}",
            "Files through the server; straight to the storage with tracking.artifacts=s3://mlflow/direct",
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
