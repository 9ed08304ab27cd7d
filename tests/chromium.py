"""Headless Chromium, driven over its pipe: no library, no port."""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self

import pytest
from tests.patience import PATIENCE

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
REQUIRED = "GROWTHLAB_BROWSER"  # set where no test of pages may be skipped


class BrowserError(Exception):
    """What the browser was asked for and did not give."""


def find_chromium() -> str:
    """The path of the browser; without one the test is skipped, unless it is required."""
    path = next((found for name in NAMES if (found := shutil.which(name))), None)
    if path is None:
        assert REQUIRED not in os.environ, f"{REQUIRED} is set, and there is no {NAMES[0]}"
        pytest.skip("there is no Chromium on this machine")
    return path


class Chromium:
    """One page of a browser of its own; what it logs and asks for is kept.

    Parameters
    ----------
    path : of the program
    patience : seconds to wait for an answer or for a page to show what is looked for

    Attributes
    ----------
    messages : errors and warnings of the console
    requests : addresses that the page asked for
    """

    def __init__(self, path: str, patience: float = PATIENCE) -> None:
        self.path, self.patience = path, patience
        self.messages: list[str] = []
        self.requests: list[str] = []
        self._profile = tempfile.mkdtemp(prefix="chromium-")
        self._number, self._buffer, self._session = 0, b"", ""
        self._answers: dict[int, Mapping[str, Any]] = {}

    def __enter__(self) -> Self:
        read_end, self._write = os.pipe()
        self._read, write_end = os.pipe()
        words = [
            *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
            *("--hide-scrollbars", "--remote-debugging-pipe", "--no-first-run"),
            *("--disable-background-networking", "--disable-component-update"),
            "--disable-features=IsolateSandboxedIframes",  # so that frames answer as the page does
            *(f"--user-data-dir={self._profile}", "about:blank"),
        ]
        # the program reads from 3 and writes to 4
        script = 'exec "$0" "$@" 3<"/dev/fd/$IN" 4>"/dev/fd/$OUT"'
        self._process = subprocess.Popen(
            ["bash", "-c", script, self.path, *words],
            pass_fds=(read_end, write_end),
            env={**os.environ, "IN": str(read_end), "OUT": str(write_end)},
            stderr=subprocess.DEVNULL,
        )
        os.close(read_end)
        os.close(write_end)
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        attached = self._call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self._call(f"{domain}.enable")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.terminate()
        self._process.wait()
        os.close(self._read)
        os.close(self._write)
        shutil.rmtree(self._profile, ignore_errors=True)

    def resize(self, width: int, height: int) -> None:
        """The size of the window in pixels; below 500 that of a phone."""
        phone = width < 500
        self._call(
            "Emulation.setDeviceMetricsOverride",
            **{"width": width, "height": height, "deviceScaleFactor": 1, "mobile": phone},
        )

    def open(self, address: str) -> None:
        """Load a page, and wait until it is loaded; errors of the page before are forgotten."""
        self.messages, self.requests = [], []
        if self.evaluate("location.href").partition("#")[0] == address.partition("#")[0]:
            self._call("Page.navigate", url="about:blank")  # an anchor alone would not load again
        self._call("Page.navigate", url=address)
        self.wait_for("document.readyState === 'complete' && location.href !== 'about:blank'")

    def evaluate(self, script: str, in_frame: bool = False) -> Any:
        """The value of an expression on the page, or in its last frame; promises are awaited.

        Raises
        ------
        BrowserError
            The expression raised an error, or there is no frame.
        """
        settings: dict[str, Any] = {"expression": script, "returnByValue": True}
        if in_frame:
            frames = self._call("Page.getFrameTree")["frameTree"].get("childFrames", [])
            if not frames:
                raise BrowserError(f"the page has no frame: {script}")
            world = self._call("Page.createIsolatedWorld", frameId=frames[-1]["frame"]["id"])
            settings["contextId"] = world["executionContextId"]
        found = self._call("Runtime.evaluate", awaitPromise=True, **settings)
        if "exceptionDetails" in found:
            raise BrowserError(f"{script}: {found['exceptionDetails']}")
        return found["result"].get("value")

    def wait_for(self, script: str, in_frame: bool = False) -> Any:
        """The value of an expression once it is neither false nor empty.

        Raises
        ------
        BrowserError
            It was not within the patience.
        """
        end = time.monotonic() + self.patience
        while not (value := self._now(script, in_frame)):
            if time.monotonic() > end:
                raise BrowserError(f"{self.evaluate('location.href')} never had {script}")
            self._take(lambda: False, 0.1)
        return value

    def _now(self, script: str, in_frame: bool) -> Any:
        """The value of an expression; None while its frame is not there, or is just being replaced."""
        try:
            return self.evaluate(script, in_frame)
        except BrowserError:
            if not in_frame:
                raise
            return None

    def click(self, text: str, in_frame: bool = False) -> None:
        """Click on the first link, button or tab with this text, once there is one that is seen.

        The mouse is pressed in its middle: what lies over it gets the click.
        """
        found = f"""[...document.querySelectorAll('a, button, [role=tab], [role=treeitem]')]
            .find(each => each.innerText.trim() === {json.dumps(text)} && each.checkVisibility())"""
        place = f"""(() => {{
          const found = {found}
          if (!found) return null
          found.scrollIntoView({{block: 'center', behavior: 'instant'}})
          const box = found.getBoundingClientRect()
          return [box.x + box.width / 2, box.y + box.height / 2]
        }})()"""
        x, y = self.wait_for(place, in_frame)
        if in_frame:
            corner = """(frames => {
              const box = frames[frames.length - 1].getBoundingClientRect()
              return [box.x, box.y]
            })(document.querySelectorAll('iframe'))"""
            left, top = self.evaluate(corner)
            x, y = x + left, y + top
        for kind in ("mousePressed", "mouseReleased"):
            self._call(
                "Input.dispatchMouseEvent",
                **{"type": kind, "x": x, "y": y, "button": "left", "clickCount": 1},
            )

    def screenshot(self) -> bytes:
        """The window as PNG."""
        return base64.b64decode(self._call("Page.captureScreenshot", format="png")["data"])

    def _call(self, method: str, **settings: Any) -> Mapping[str, Any]:
        """What the browser answers to a command."""
        self._number += 1
        number = self._number
        message: dict[str, Any] = {"id": number, "method": method, "params": settings}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        self._take(lambda: number in self._answers, self.patience)
        if number not in self._answers:
            raise BrowserError(f"no answer to {method} within {self.patience:g} s")
        answer = self._answers.pop(number)
        if "error" in answer:
            raise BrowserError(f"{method}: {answer['error']['message']}")
        return answer["result"]

    def _take(self, done: Callable[[], bool], seconds: float) -> None:
        """Read messages until `done`, for at most so long."""
        end = time.monotonic() + seconds
        while not done() and (left := end - time.monotonic()) > 0:
            if not select.select([self._read], [], [], left)[0]:
                return
            part = os.read(self._read, 2**16)
            if not part:
                raise BrowserError("the browser has ended")
            *whole, self._buffer = (self._buffer + part).split(b"\0")
            for text in whole:
                self._keep(json.loads(text))

    def _keep(self, message: Mapping[str, Any]) -> None:
        if "id" in message:
            self._answers[message["id"]] = message
            return
        method, found = message["method"], message["params"]
        if method == "Network.requestWillBeSent":
            self.requests.append(found["request"]["url"])
        elif method == "Runtime.consoleAPICalled" and found["type"] in ("error", "warning"):
            texts = (str(each.get("value", each.get("description"))) for each in found["args"])
            self.messages.append(" ".join(texts))
        elif method == "Runtime.exceptionThrown":
            thrown = found["exceptionDetails"]
            self.messages.append(str(thrown.get("exception", {}).get("description", thrown)))
        elif method == "Log.entryAdded" and found["entry"]["level"] in ("error", "warning"):
            entry = found["entry"]
            self.messages.append(f"{entry['text']} {entry.get('url', '')}")
