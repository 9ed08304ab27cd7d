"""make test-portable: nothing stays busy after it, and what rests on a clock is in the part that CI runs."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from tests.patience import wait_until
from tests.portable import PART, ROOT, TOO_LONG_FOR_PART, busy_processes

CLOCK = re.compile(r"time\.(sleep|monotonic|perf_counter)\(|PATIENCE|wait_until\(")
TESTS = sorted((ROOT / "tests").rglob("test_*.py"))
LISTED = [ROOT / name.partition("::")[0] for name in (*PART, *TOO_LONG_FOR_PART)]


def test_the_listed_tests_exist() -> None:
    assert [path for path in LISTED if not path.exists()] == []
    named = [name.split("::") for name in (*PART, *TOO_LONG_FOR_PART) if "::" in name]
    functions = [(path, test.partition("[")[0]) for path, test in named]
    assert [t for path, t in functions if f"def {t}(" not in (ROOT / path).read_text()] == []


@pytest.mark.parametrize(
    "path",
    [p for p in TESTS if CLOCK.search(p.read_text()) and "drills" not in p.parts],
    ids=lambda path: path.stem,
)
def test_what_rests_on_a_clock_is_listed(path: Path) -> None:
    assert any(path == listed or listed in path.parents for listed in LISTED), (
        f"name {path.relative_to(ROOT)} in PART of tests/portable.py"
    )


def test_the_busy_processes_end_with_the_block() -> None:
    with busy_processes(2) as processes:
        assert [process.poll() for process in processes] == [None, None]
    assert None not in [process.poll() for process in processes]


def test_the_busy_processes_end_when_the_one_that_started_them_is_killed() -> None:
    code = (
        "from tests.portable import busy_processes\n"
        "with busy_processes(1):\n"
        "    print('started', flush=True)\n"
        "    input()\n"
    )
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdin=pipe, stdout=pipe, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
        (busy,) = psutil.Process(process.pid).children()
        process.kill()
    wait_until(lambda: not busy.is_running() or busy.status() == psutil.STATUS_ZOMBIE)
