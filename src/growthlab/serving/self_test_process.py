"""The self-test of a bundle in a process of its own, with limits of time, memory and output."""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from growthlab.bundle.signing import KEY_FILE_VARIABLE, KEY_VARIABLE
from growthlab.core import pseudonyms
from growthlab.core.errors import BundleError
from growthlab.serving.request_limits import TOKEN_VARIABLE

SELF_TEST = ("-P", "-m", "growthlab.bundle.self_test")
LARGEST_VERDICT = 64 * 1024  # bytes
WAITING = 10  # seconds of the clock for one of processor time: other processes may be in the way
SECRETS = (
    KEY_VARIABLE,
    KEY_FILE_VARIABLE,
    TOKEN_VARIABLE,
    pseudonyms.KEY_VARIABLE,
    pseudonyms.KEY_FILE_VARIABLE,
)
THREADS = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # requests are answered meanwhile


class SelfTestProcess:
    """A process that loads the bundle in a folder and asks it for every kind of answer.

    Parameters
    ----------
    seconds : of processor time after which it is killed, or after ten times as many of the clock
    megabytes : of memory that it can have
    nice : how far it steps back behind other processes
    verify : whether it verifies the checksums; else whoever started it does
    """

    def __init__(
        self,
        folder: Path,
        *,
        seconds: float,
        megabytes: int,
        nice: int = 0,
        verify: bool = True,
    ) -> None:
        self._folder, self._seconds, self._megabytes = folder, max(1, round(seconds)), megabytes
        words = [
            str(folder),
            str(self._seconds),
            str(megabytes),
            str(nice),
            str(os.getpid()),
            str(int(verify)),
        ]
        self._process = subprocess.Popen(
            [sys.executable, *SELF_TEST, *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=_environment(),
            start_new_session=True,  # Ctrl-C is the service's
        )
        self._deadline = time.monotonic() + WAITING * self._seconds

    def passed(self) -> str:
        """The digest of the manifest of the bundle that passed; waits for the end of the test.

        Raises
        ------
        BundleError
            The bundle is refused, or the process died, took too long or said too much.
        """
        output = self._output()
        status = self._process.wait()
        verdict = _verdict(output)
        if status or verdict is None:
            raise BundleError(f"{self._folder} is not believed: {self._cause_of_death(status)}")
        if "refused" in verdict:
            raise BundleError(str(verdict["refused"]))
        return str(verdict["passed"])

    def kill(self) -> None:
        """End the process if it still runs; whoever waits for it gets a `BundleError`."""
        self._process.kill()

    def close(self) -> None:
        """End the process, and wait for its end."""
        self.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _output(self) -> bytes:
        """What the process writes until it ends; BundleError where that is too late or too much."""
        assert self._process.stdout is not None
        file, output = self._process.stdout.fileno(), b""
        with selectors.DefaultSelector() as selector:
            selector.register(file, selectors.EVENT_READ)
            while True:
                left = self._deadline - time.monotonic()
                if left <= 0:
                    raise BundleError(f"{self._folder} is not believed: {self._too_long()}")
                if not selector.select(min(left, 1.0)):
                    continue
                part = os.read(file, LARGEST_VERDICT)
                output += part
                if not part:
                    return output
                if len(output) > LARGEST_VERDICT:
                    raise BundleError(
                        f"{self._folder} is not believed: its self-test says too much"
                    )

    def _cause_of_death(self, status: int) -> str:
        if status == -signal.SIGXCPU:
            return self._too_long()
        if status >= 0:
            return f"its self-test ended with status {status}"
        name = signal.Signals(-status).name if -status in set(signal.Signals) else "unknown"
        return (
            f"its self-test ended with signal {-status} ({name}), or needed more than "
            f"self_test_mb={self._megabytes}"
        )

    def _too_long(self) -> str:
        return f"its self-test took longer than self_test_seconds={self._seconds}"


def _environment() -> Mapping[str, str]:
    """That of this process without its keys and token, and with the place of this package."""
    own = {name: value for name, value in os.environ.items() if name not in SECRETS}
    package = str(Path(__file__).parents[2])
    path = [package, *filter(None, [own.get("PYTHONPATH")])]
    return own | THREADS | {"PYTHONPATH": os.pathsep.join(path)}


def _verdict(output: bytes) -> dict[str, Any] | None:
    """The verdict in the output; None where there is none."""
    try:
        verdict = json.loads(output)
    except ValueError:
        return None
    is_one = (
        isinstance(verdict, dict) and len(verdict) == 1 and set(verdict) < {"passed", "refused"}
    )
    return verdict if is_one else None
