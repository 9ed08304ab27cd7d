"""The page in a real browser: no word on its console, nothing asked of the network, no sideways scroll."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from tests.patience import PATIENCE

from growthlab.core.build import build
from growthlab.data.event_log import EventLog
from growthlab.insight.report.growth_report import build_report
from growthlab.insight.scope import Scope

CONF = Path(__file__).parents[2] / "conf" / "section"
NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
REQUIRED = "GROWTHLAB_BROWSER"  # set where a skip would hide that nobody looked
PHONE, DESKTOP = 375, 1280
# a page that measures another one in a frame of a phone's width
FRAME = """<body><iframe src="page.html" style="width:{width}px;height:800px;border:0"></iframe>
<script>onmessage = event => document.body.dataset.found = event.data</script></body>"""
MEASURE = """<script>const root = document.documentElement
parent.postMessage(`${root.scrollWidth - root.clientWidth} too wide of ${innerWidth}`, '*')</script>"""


@pytest.fixture(scope="module")
def browser() -> str:
    """Headless Chromium; the test is skipped without one, unless it is required."""
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None:
        assert REQUIRED not in os.environ, f"{REQUIRED} is set, and there is no {NAMES[0]}"
        pytest.skip("there is no Chromium on this machine")
    return found


@pytest.fixture(scope="module")
def page(shop: EventLog) -> str:
    """The report of the small shop with every section."""
    nodes = {path.stem: yaml.safe_load(path.read_text()) for path in sorted(CONF.glob("*.yaml"))}
    made = build_report("shop", Scope.of(shop), {name: build(node) for name, node in nodes.items()})
    return made.as_html()


def opened(browser: str, path: Path, *more: str) -> tuple[str, list[str]]:
    """The document after it was opened, and what it said on the console."""
    words = [
        *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
        *("--enable-logging=stderr", "--host-resolver-rules=MAP * ~NOTFOUND"),
        f"--user-data-dir={path.parent / 'profile'}",
        *("--virtual-time-budget=5000", *more, "--dump-dom", path.as_uri()),
    ]
    done = subprocess.run([browser, *words], capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    return done.stdout, [line for line in done.stderr.splitlines() if ":CONSOLE" in line]


def test_the_browser_would_say_what_is_wrong(browser: str, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text('<img src="http://shop.example/x.png"><script>nothing()</script>')
    _, said = opened(browser, path)
    assert any("nothing is not defined" in line for line in said)


def test_the_page_opens_without_a_word_on_the_console(
    browser: str, page: str, tmp_path: Path
) -> None:
    path = tmp_path / "page.html"
    path.write_text(page, encoding="utf-8")
    document, said = opened(browser, path)
    assert said == []
    assert "New, active and buying customers" in document
    assert document.count("<svg") == page.count("<svg")


@pytest.mark.parametrize("width", [PHONE, DESKTOP])
def test_the_page_does_not_scroll_sideways(
    browser: str, page: str, tmp_path: Path, width: int
) -> None:
    (tmp_path / "page.html").write_text(page.replace("</body>", f"{MEASURE}</body>"), "utf-8")
    frame = tmp_path / "frame.html"
    frame.write_text(FRAME.format(width=width), "utf-8")
    document, said = opened(browser, frame, "--window-size=1400,900")
    assert said == []
    assert f'data-found="0 too wide of {width}"' in document


def test_the_page_prints(browser: str, page: str, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text(page, encoding="utf-8")
    out = tmp_path / "page.pdf"
    _, said = opened(browser, path, f"--print-to-pdf={out}")
    assert said == []
    assert out.read_bytes().startswith(b"%PDF")
