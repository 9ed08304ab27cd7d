"""What compiled code prints is discarded, and what Python prints before and after is not."""

from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest

from growthlab.core.quiet_libraries import without_library_output

SCRIPT = """
import ctypes
from growthlab.core.quiet_libraries import without_library_output
library = ctypes.CDLL(None)
print("before")
with without_library_output():
    library.puts(b"remark")
library.puts(b"after")
library.fflush(None)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="asks the C library of the process")
def test_a_remark_of_a_library_is_not_printed() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], text=True, capture_output=True, check=True
    )
    assert done.stdout.split() == ["before", "after"]


def test_an_error_in_the_block_gives_the_output_back(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="wrong"), without_library_output():
        raise ValueError("wrong")
    ctypes.CDLL(None).puts(b"seen")
    ctypes.CDLL(None).fflush(None)
    assert capfd.readouterr().out == "seen\n"
