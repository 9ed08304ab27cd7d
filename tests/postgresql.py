"""A PostgreSQL server for tests."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.postgresql import UNPRIVILEGED_USER, run_unprivileged
from tests.ports import free_port

__all__ = ["postgresql_server", "run_unprivileged"]


@contextmanager
def postgresql_server() -> Iterator[int]:
    """The port of a new server, whose folder must not be below root's; its user is called tester."""
    folder = Path(tempfile.mkdtemp(prefix="growthlab-postgresql-"))
    if os.geteuid() == 0:
        os.chown(folder, UNPRIVILEGED_USER, UNPRIVILEGED_USER)
    port = free_port()
    try:
        run_unprivileged(
            "initdb",
            "-D",
            folder / "data",
            "-U",
            "tester",
            "--auth=trust",
            "--no-sync",
            "-E",
            "UTF8",
        )
        options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        run_unprivileged(
            "pg_ctl", "-D", folder / "data", "-w", "-o", options, "-l", folder / "log", "start"
        )
        yield port
        run_unprivileged("pg_ctl", "-D", folder / "data", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
