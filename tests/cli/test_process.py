"""The command as a process: exit status, output, and what still runs at its end."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

# a script in place of growthlab; its object prints if the interpreter is torn down
ENDING = """
import atexit, sys
from growthlab.cli import main as command
class Last:
    def __del__(self):
        print("taken apart")
last = Last()
def main():
    atexit.register(print, "handler")
    print("output")
    {ending}
command.main = main
sys.exit(command.process())
"""


def run_script(ending: str) -> subprocess.CompletedProcess[str]:
    """Run the script with this ending."""
    words = [sys.executable, "-c", ENDING.format(ending=ending)]
    return subprocess.run(words, capture_output=True, text=True)


def test_a_process_has_the_status_and_the_output_of_its_command() -> None:
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


def test_exit_handlers_run_without_an_interpreter_teardown() -> None:
    done = run_script("return 3")
    assert (done.returncode, done.stdout, done.stderr) == (3, "output\nhandler\n", "")


def test_the_process_waits_for_threads() -> None:
    later = "import threading, time; "
    later += "threading.Thread(target=lambda: (time.sleep(0.2), print('thread'))).start(); return 0"
    done = run_script(later)
    assert (done.returncode, done.stdout) == (0, "output\nthread\nhandler\n")


def test_an_uncaught_error_ends_the_process_normally() -> None:
    done = run_script("raise RuntimeError('a bug')")
    assert (done.returncode, done.stdout) == (1, "output\nhandler\ntaken apart\n")
    assert done.stderr.rstrip().endswith("RuntimeError: a bug")


@pytest.mark.parametrize("command", ["--version", "trian"])
def test_a_closed_output_is_no_error(command: str) -> None:
    words = ["sh", "-c", f"exec {sys.executable} -m growthlab.cli.main {command} >&-"]
    done = subprocess.run(words, capture_output=True, text=True)
    message = (
        [] if command == "--version" else ["growthlab: unknown command trian: did you mean train?"]
    )
    assert (done.returncode, done.stderr.splitlines()) == (2 if message else 0, message)


def test_temporary_files_of_the_database_are_removed(tmp_path: Path) -> None:
    code = """
import os, sys
import pandas as pd
from growthlab.cli import main as command
def main():
    from growthlab.data.event_log import EventLog
    frame = pd.DataFrame({"user_id": ["u"], "item_id": ["a"], "event_type": "view"})
    log = EventLog.from_frames(frame.assign(timestamp="2024-01-01"))
    log.itself = log  # only the garbage collector would find it
    for setting in ("memory_limit='20MB'", "threads=1"):
        log._connection.execute("SET " + setting)
    rows = "SELECT md5(range::VARCHAR) FROM range(1000000)"  # 32 MB
    log._connection.execute("CREATE TEMP TABLE much AS " + rows)
    print(sum(len(files) for _, _, files in os.walk(os.environ["TMPDIR"])) > 0)
    return 0
command.main = main
sys.exit(command.process())
"""
    words = [sys.executable, "-c", code]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run(words, env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("True\n", "")
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("command", ["--help", "train --help"])
def test_a_reader_that_closes_the_pipe_ends_the_command_silently(command: str) -> None:
    call = f"{sys.executable} -m growthlab.cli.main {command} | head -0; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", call], capture_output=True, text=True)
    assert (done.stdout.strip() in {"0", "1"}, done.stderr) == (True, "")
