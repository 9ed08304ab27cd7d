"""A wheel tried as a user would: installed in an empty environment, then asked for help and a comparison.

``python tests/house/wheel_trial.py WHEEL [PIP OPTION ...]`` makes the environment and removes it again.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

COMPARISON = "compare models=[popularity,item_knn] data.users=150 data.items=60 data.days=120"


def output_of(command: list[str], cwd: Path, **variables: str) -> str:
    """What a command prints; it must succeed. The variables of pip that a caller has are left out."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("PIP_")}
    run = subprocess.run(
        command, cwd=cwd, env={**kept, **variables}, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


def try_commands(growthlab: list[str], folder: Path, **variables: str) -> str:
    """Ask the installed command for a help and a small comparison in `folder`; the leaderboard."""
    assert "settings" in output_of([*growthlab, "--help"], folder, **variables)
    leaderboard = output_of([*growthlab, *COMPARISON.split()], folder, **variables)
    assert "item_knn" in leaderboard
    assert (folder / "mlflow.db").exists()
    return leaderboard


def try_wheel(wheel: Path, pip_options: list[str]) -> str:
    """Install the wheel with its laboratory in an environment of its own, and try its commands."""
    with tempfile.TemporaryDirectory(prefix="growthlab-wheel-") as name:
        root = Path(name)
        folder = root / "empty"
        folder.mkdir()
        venv.create(root / "venv", with_pip=True)
        programs = root / "venv" / "bin"
        install = [str(programs / "pip"), "install", "--quiet", *pip_options, f"{wheel}[lab]"]
        subprocess.run(install, check=True)
        version = output_of([str(programs / "growthlab"), "--version"], folder).strip()
        assert f"-{version}-" in wheel.name, version
        return try_commands([str(programs / "growthlab")], folder)


if __name__ == "__main__":
    built = Path(sys.argv[1]).resolve()
    sys.stdout.write(try_wheel(built, sys.argv[2:]))
    sys.stdout.write(f"{built.name} works in an empty folder\n")
