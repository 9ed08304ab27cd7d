"""Who began a run, where, with which code and by which command: tags of every run."""

from __future__ import annotations

import getpass
import shlex
import socket
import sys
from pathlib import Path

from growthlab.core.credentials import without_passwords
from growthlab.core.running_command import running_command
from growthlab.tracking.code_version import code_version

LONGEST_COMMAND = 4000  # characters; a tag may have 8,000


def current_user() -> str:
    """``user@host`` of this process."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # no entry in the user database, as in some containers
        user = "unknown"
    return f"{user}@{socket.gethostname()}"


def current_command() -> str:
    """The command that runs, without passwords: that of `growthlab`, else the script that calls it."""
    command = running_command() or shlex.join([Path(sys.argv[0]).name or "python", *sys.argv[1:]])
    return without_passwords(command)[:LONGEST_COMMAND]


def who_runs() -> dict[str, str]:
    """The tags of every run that say who began it, where and how."""
    return {
        "mlflow.user": current_user(),
        "host": socket.gethostname(),
        "command": current_command(),
        "code_version": code_version(),
    }
