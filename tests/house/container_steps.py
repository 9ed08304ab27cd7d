"""The steps of the Containerfile in a folder, for where no container engine runs.

``python tests/house/container_steps.py FOLDER`` does all of them with what pip downloads, and tells the size
of what was installed. Absolute paths of the file are taken below FOLDER, and the base image is Python 3.11 of
this machine. No account is made and no package of the system installed: whoever runs it as root may run the
service as user 10001.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
PLACES = re.compile(r"(?<![\w.])/(src|dist|opt|bundles|var/log/growthlab|var/lib/apt)\b")
LEFT_ALONE = ("apt-get", "groupadd", "useradd")  # no packages and no accounts for this machine


@dataclass(frozen=True)
class Step:
    """An instruction, such as ``RUN``, and what stands behind it."""

    name: str
    rest: str


def steps_of(text: str) -> list[Step]:
    """The instructions, continued lines joined, comments left out."""
    joined = re.sub(r"\\\n", " ", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE))
    pairs = [line.strip().partition(" ") for line in joined.splitlines() if line.strip()]
    return [Step(name.upper(), rest.strip()) for name, _, rest in pairs]


@dataclass
class Container:
    """What the steps made: files below `root`, the user, the variables and the command."""

    root: Path
    python: str = sys.executable
    more: Mapping[str, str] = field(default_factory=dict)  # variables of the RUN steps
    folder: Path = Path("/")
    user: str = "root"
    variables: dict[str, str] = field(default_factory=dict)
    entrypoint: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)
    health: list[str] = field(default_factory=list)
    ports: list[str] = field(default_factory=list)

    def do(self, steps: list[Step]) -> None:
        """Do the steps in their order; those of a later stage see what was copied from an earlier one."""
        tools = self.root / "tools"
        tools.mkdir(parents=True)
        (tools / "python").symlink_to(self.python)
        for name in LEFT_ALONE:
            (tools / name).symlink_to("/bin/true")
        for step in steps:
            getattr(self, f"_{step.name.lower()}")(step.rest)

    def at(self, path: str) -> str:
        """A text with the file's absolute paths below `root`."""
        return PLACES.sub(lambda found: f"{self.root}/{found[1]}", path)

    def _from(self, rest: str) -> None:
        """A base image has nothing of ours, and runs as root."""
        self.folder, self.user = self.root, "root"

    def _workdir(self, rest: str) -> None:
        self.folder = Path(self.at(rest))
        self.folder.mkdir(parents=True, exist_ok=True)

    def _copy(self, rest: str) -> None:
        *sources, target = shlex.split(rest)
        if sources[0].startswith("--from"):  # the stages share the root: it is there
            assert Path(self.at(target)).exists()
            return
        where = self.folder / self.at(target)
        for source in sources:
            found = ROOT / source
            if found.is_dir():
                left_out = shutil.ignore_patterns("__pycache__", "*.egg-info", "local")
                shutil.copytree(found, where, symlinks=True, ignore=left_out)
            else:
                to = where / found.name if target.endswith("/") else where
                to.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(found, to)

    def _run(self, rest: str) -> None:
        """Through the shell, as an engine does; who is not root cannot give files to another."""
        command = self.at(rest)
        if os.geteuid():
            command = re.sub(r"--(owner|group) \d+ ", "", command)
        kept = {n: v for n, v in os.environ.items() if n.startswith("PIP_") or n == "HOME"}
        path = f"{self.root / 'tools'}:/usr/bin:/bin"
        done = subprocess.run(
            command,
            shell=True,
            cwd=self.folder,
            env={**kept, **self.variables, **self.more, "PATH": path},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"{rest}\n{done.stdout}{done.stderr}"

    def _user(self, rest: str) -> None:
        self.user = rest

    def _env(self, rest: str) -> None:
        self.variables |= dict(pair.split("=", 1) for pair in shlex.split(rest))

    def _volume(self, rest: str) -> None:
        assert Path(self.at(rest)).is_dir()

    def _expose(self, rest: str) -> None:
        self.ports.append(rest)

    def _healthcheck(self, rest: str) -> None:
        self.health = [self.at(word) for word in json.loads(rest.partition("CMD ")[2])]

    def _entrypoint(self, rest: str) -> None:
        self.entrypoint = [self.at(word) for word in json.loads(rest)]

    def _cmd(self, rest: str) -> None:
        self.command = [self.at(word) for word in json.loads(rest)]


if __name__ == "__main__":
    container = Container(Path(sys.argv[1]).resolve())
    container.do(steps_of((ROOT / "Containerfile").read_text()))
    installed = [p for p in (container.root / "opt").rglob("*") if p.is_file()]
    size = sum(p.stat().st_size for p in installed if not p.is_symlink())
    sys.stdout.write(f"{size / 2**20:.0f} MB in {container.root / 'opt'}\n")
    sys.stdout.write(f"{shlex.join([*container.entrypoint, *container.command])}\n")
