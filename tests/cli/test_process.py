"""The command as a process: its status, its last words, and what is still done at its end."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

# a command in the place of growthlab's; what Python takes apart at its end would say so
ENDING = """
import atexit, sys
from growthlab.cli import main as command
class Last:
    def __del__(self):
        print("taken apart")
last = Last()
def main():
    atexit.register(print, "handler")
    print("said")
    {ending}
command.main = main
sys.exit(command.process())
"""


def ended(ending: str) -> subprocess.CompletedProcess[str]:
    """A process whose command ends so."""
    words = [sys.executable, "-c", ENDING.format(ending=ending)]
    return subprocess.run(words, capture_output=True, text=True)


def test_a_process_ends_with_the_status_of_its_command_and_what_it_said() -> None:
    version = subprocess.run(
        [sys.executable, "-m", "growthlab.cli.main", "--version"], capture_output=True, text=True
    )
    assert (version.returncode, version.stderr) == (0, "")
    assert version.stdout.strip()[0].isdigit()
    unknown = subprocess.run(
        [sys.executable, "-m", "growthlab.cli.main", "trian"], capture_output=True, text=True
    )
    assert (unknown.returncode, unknown.stdout) == (2, "")
    assert unknown.stderr.startswith("growthlab: unknown command trian: did you mean train?")


def test_exit_handlers_run_and_nothing_is_taken_apart() -> None:
    done = ended("return 3")
    assert (done.returncode, done.stdout, done.stderr) == (3, "said\nhandler\n", "")


def test_threads_are_waited_for() -> None:
    later = "import threading, time; "
    later += "threading.Thread(target=lambda: (time.sleep(0.2), print('thread'))).start(); return 0"
    done = ended(later)
    assert (done.returncode, done.stdout) == (0, "said\nthread\nhandler\n")


def test_an_error_of_our_own_ends_as_python_ends_it() -> None:
    done = ended("raise RuntimeError('a bug')")
    assert (done.returncode, done.stdout) == (1, "said\nhandler\ntaken apart\n")
    assert done.stderr.rstrip().endswith("RuntimeError: a bug")


@pytest.mark.parametrize("command", ["--version", "trian"])
def test_nothing_is_said_where_nobody_listens(command: str) -> None:
    words = ["sh", "-c", f"exec {sys.executable} -m growthlab.cli.main {command} >&-"]
    done = subprocess.run(words, capture_output=True, text=True)
    said = (
        [] if command == "--version" else ["growthlab: unknown command trian: did you mean train?"]
    )
    assert (done.returncode, done.stderr.splitlines()) == (2 if said else 0, said)


def test_what_the_database_moved_to_the_disk_is_gone(tmp_path: Path) -> None:
    code = """
import os, sys
import pandas as pd
from growthlab.cli import main as command
def main():
    from growthlab.data.event_log import EventLog
    frame = pd.DataFrame({"user_id": ["u"], "item_id": ["a"], "event_type": "view"})
    log = EventLog.from_frames(frame.assign(timestamp="2024-01-01"))
    log.itself = log  # only the search for garbage would find it
    for setting in ("memory_limit='20MB'", "threads=1"):
        log._connection.execute("SET " + setting)
    rows = "SELECT md5(range::VARCHAR) FROM range(1000000)"  # 32 MB
    log._connection.execute("CREATE TEMP TABLE much AS " + rows)
    print(os.listdir("."))
    return 0
command.main = main
sys.exit(command.process())
"""
    words = [sys.executable, "-c", code]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("['.tmp']\n", "")
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("command", ["--help", "train --help"])
def test_a_reader_who_has_gone_ends_it_without_a_word(command: str) -> None:
    call = f"{sys.executable} -m growthlab.cli.main {command} | head -0; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", call], capture_output=True, text=True)
    assert (done.stdout.strip() in {"0", "1"}, done.stderr) == (True, "")
