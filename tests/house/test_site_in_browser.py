"""The documentation site in a real browser: no error, no request elsewhere, contrast, a phone's width."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.chromium import REQUIRED, Chromium, find_chromium
from tests.patience import PATIENCE

ROOT = Path(__file__).parents[2]
CONTRAST = (ROOT / "tests" / "pages" / "contrast.js").read_text()
TOO_WIDE = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
PHONE, DESKTOP = 390, 1280
PAGES = (
    *(
        "",
        "quick_start/",
        "quick_start_zh/",
        "troubleshooting/",
        "comparisons/",
        "tags/",
        "twenty_questions/",
    ),
    *("metrics/", "reference/commands/", "reference/config/", "reference/python/"),
    *("models/", "models/recommend/item_knn/", "studies/", "studies/06-hillstrom/", "tags/"),
)


class Visit(NamedTuple):
    """What was found on a page at a width."""

    messages: list[str]
    elsewhere: list[str]  # requests
    too_wide: int  # pixels
    texts: int
    pale: list[str]


class Quiet(SimpleHTTPRequestHandler):
    """Serves files without a line for each."""

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the site is served."""
    if find_spec("mkdocs") is None:
        assert REQUIRED not in os.environ, f"{REQUIRED} is set: pip install 'growthlab[docs]'"
        pytest.skip("what builds the site is not installed: pip install 'growthlab[docs]'")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, str(ROOT / "docs" / "site" / "build.py"), str(folder)]
    quiet = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    subprocess.run(command, env=quiet, check=True, timeout=PATIENCE)
    handler = partial(Quiet, directory=str(folder / "html"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture(scope="module")
def browser(address: str) -> Iterator[Chromium]:
    """A page of Chromium."""
    with Chromium(find_chromium()) as chromium:
        yield chromium


@pytest.fixture(scope="module")
def visits(address: str, browser: Chromium) -> dict[tuple[str, int], Visit]:
    """Every page at both widths."""
    found = {}
    for width in (PHONE, DESKTOP):
        browser.resize(width, 800)
        for page in PAGES:
            browser.open(address + page)
            asked = [url for url in browser.requests if not url.startswith((address, "data:"))]
            texts, pale = browser.evaluate(CONTRAST)
            wide = browser.evaluate(TOO_WIDE)
            found[page, width] = Visit(list(browser.messages), asked, wide, texts, pale)
    return found


def test_no_page_has_an_error_on_the_console(visits: dict[tuple[str, int], Visit]) -> None:
    assert {where: v.messages for where, v in visits.items() if v.messages} == {}


def test_no_page_asks_for_anything_elsewhere(visits: dict[tuple[str, int], Visit]) -> None:
    assert {where: v.elsewhere for where, v in visits.items() if v.elsewhere} == {}


def test_no_page_scrolls_sideways(visits: dict[tuple[str, int], Visit]) -> None:
    assert {where: v.too_wide for where, v in visits.items() if v.too_wide} == {}


def test_every_text_can_be_read(visits: dict[tuple[str, int], Visit]) -> None:
    assert {where: v.pale for where, v in visits.items() if v.pale} == {}
    assert min(v.texts for v in visits.values()) > 20


def test_what_is_wrong_with_a_page_is_found(address: str, browser: Chromium) -> None:
    # the same page, with each of the mistakes made on it
    browser.resize(PHONE, 800)
    browser.open(address)
    browser.evaluate(
        """document.body.insertAdjacentHTML('beforeend', `<p style="color:#999">pale</p>
        <p style="width:900px">wide</p><img src="http://127.0.0.1:9/x.png">`)"""
    )
    browser.wait_for("[...document.images].every(image => image.complete)")
    assert browser.evaluate(CONTRAST)[1] == ["rgb(153, 153, 153) on 255,255,255: 2.85, pale"]
    assert browser.evaluate(TOO_WIDE) > 0
    assert "http://127.0.0.1:9/x.png" in browser.requests
    assert any("Failed to load" in message for message in browser.messages)


def test_the_search_of_the_site_finds_a_metric(address: str, browser: Chromium) -> None:
    browser.resize(DESKTOP, 800)
    browser.open(f"{address}?q=ndcg")
    found = browser.wait_for(
        "[...document.querySelectorAll('.md-search-result__link')].map(link => link.href)"
    )
    assert any("/metrics/" in link for link in found), found
