"""The version of the code that runs: the commit of the source tree, or that of the package."""

from __future__ import annotations

import hashlib
import os
import subprocess
from functools import cache
from importlib.metadata import version
from pathlib import Path


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
