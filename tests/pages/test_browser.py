"""Every page in a real browser: no console message, no request, no sideways scroll, and it prints."""

from __future__ import annotations

import json
import re
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml
from tests.chromium import Chromium, find_chromium
from tests.pages.test_hostile_texts import monitoring_page, review_page
from tests.patience import PATIENCE
from tests.ports import free_port

from growthlab.core.build import build
from growthlab.data.event_log import EventLog
from growthlab.insight.findings import Section
from growthlab.insight.goals import read_goals
from growthlab.insight.report.growth_report import build_report
from growthlab.insight.report_scope import ReportScope

CONF = Path(__file__).parents[2] / "conf" / "section"
PHONE, DESKTOP = 375, 1280
# a page that measures another one in a frame of a phone's width
FRAME = """<body><iframe src="page.html" style="width:{width}px;height:800px;border:0"></iframe>
<script>onmessage = event => document.body.dataset.measured = event.data</script></body>"""
# the widest of all tabs, if the page has any
MEASURE = """<script>const root = document.documentElement
let wide = root.scrollWidth - root.clientWidth
for (const link of document.querySelectorAll('nav a')) {
  location.hash = link.hash
  wide = Math.max(wide, root.scrollWidth - root.clientWidth)
}
parent.postMessage(`${wide} too wide of ${innerWidth}`, '*')</script>"""
# goes through the tabs by focus and activation, which is what Tab and Enter do
TABS = """<script>(async () => {
const links = [...document.querySelectorAll('nav a')], wrong = []
const shown = () => [...document.querySelectorAll('body > section')]
  .filter(section => section.offsetHeight).map(section => '#' + section.id).join()
const height = document.body.scrollHeight
if (shown() !== links[0].hash) wrong.push('first')
for (const link of links) {
  link.focus()
  if (document.activeElement !== link || link.tabIndex) wrong.push('no focus on ' + link.hash)
  link.click()
  await new Promise(done => setTimeout(done, 20))
  if (shown() !== link.hash) wrong.push(link.hash + ' shows ' + shown())
  if (scrollY) wrong.push(link.hash + ' hides the tabs')
}
parent.postMessage(`${links.length} tabs, ${height} high, wrong: ${wrong.join('; ')}`, '*')
})()</script>"""
TWO_SCREENS = 1600  # pixels
POLICY = re.compile('<meta http-equiv="Content-Security-Policy"[^>]*>')
# a page as MLflow shows it: a blob in a frame that may run scripts and nothing else
BLOB = """<link rel="icon" href="data:,"><body><script>
const frame = document.createElement('iframe')
frame.sandbox = 'allow-scripts'
frame.style = 'width:1280px;height:800px;border:0'
frame.src = URL.createObjectURL(new Blob([{page}], {{type: 'text/html'}}))
document.body.append(frame)
</script></body>"""


@pytest.fixture(scope="module")
def browser() -> str:
    """Headless Chromium."""
    return find_chromium()


@pytest.fixture(scope="module")
def growth_page(shop: EventLog) -> str:
    """The report of the small shop with every section, and goals."""
    nodes = {path.stem: yaml.safe_load(path.read_text()) for path in sorted(CONF.glob("*.yaml"))}
    goal = {"metric": "buyers", "target": 130, "unit": "customers", "deadline": "2026-01-01"}
    return build_report(
        "shop",
        ReportScope.of(shop),
        {name: build(node, Section) for name, node in nodes.items()},
        read_goals([goal] * 8),
    ).as_html()


@pytest.fixture(params=["report", "monitoring", "comparison"])
def page(request: pytest.FixtureRequest, growth_page: str) -> str:
    """A growth report, a monitoring report and a comparison."""
    if request.param == "comparison":
        return review_page("a_long_name_of_a_model " * 3)
    if request.param == "monitoring":
        return monitoring_page("a_long_name_of_a_feature " * 3)
    return growth_page


def with_script(page: str, script: str) -> str:
    """The page with a script of the test, which its own policy would not let run."""
    return POLICY.sub("", page).replace("</body>", f"{script}</body>")


def opened(browser: str, path: Path, *more: str) -> tuple[str, list[str]]:
    """The document after it was opened, and the messages on its console."""
    words = [
        *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
        *("--enable-logging=stderr", "--host-resolver-rules=MAP * ~NOTFOUND"),
        f"--user-data-dir={path.parent / 'profile'}",
        *("--virtual-time-budget=5000", *more, "--dump-dom", path.as_uri()),
    ]
    done = subprocess.run([browser, *words], capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    return done.stdout, [line for line in done.stderr.splitlines() if ":CONSOLE" in line]


def test_the_browser_reports_errors(browser: str, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text('<img src="http://shop.example/x.png"><script>nothing()</script>')
    _, messages = opened(browser, path)
    assert any("nothing is not defined" in line for line in messages)


def test_the_page_opens_without_console_messages(browser: str, page: str, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text(page, encoding="utf-8")
    document, messages = opened(browser, path)
    assert messages == []
    assert document.count("</section>") == page.count("</section>") > 1
    assert document.count("<svg") == page.count("<svg")


@pytest.mark.parametrize("width", [PHONE, DESKTOP])
def test_the_page_does_not_scroll_sideways(
    browser: str, page: str, tmp_path: Path, width: int
) -> None:
    (tmp_path / "page.html").write_text(with_script(page, MEASURE), "utf-8")
    frame = tmp_path / "frame.html"
    frame.write_text(FRAME.format(width=width), "utf-8")
    document, messages = opened(browser, frame, "--window-size=1400,900")
    assert messages == []
    assert f'data-measured="0 too wide of {width}"' in document


def test_the_first_view_has_two_screens_and_every_tab_opens_without_a_mouse(
    browser: str, growth_page: str, tmp_path: Path
) -> None:
    (tmp_path / "page.html").write_text(with_script(growth_page, TABS), "utf-8")
    frame = tmp_path / "frame.html"
    frame.write_text(FRAME.format(width=DESKTOP), "utf-8")
    document, messages = opened(browser, frame, "--window-size=1400,900")
    assert messages == []
    measured = re.search(r'data-measured="(\d+) tabs, (\d+) high, wrong: (.*?)"', document)
    assert measured is not None
    assert int(measured[1]) == growth_page.count("</section>") > 8
    assert 400 < int(measured[2]) <= TWO_SCREENS
    assert measured[3] == ""


def test_no_script_runs_but_the_pages_own(browser: str, page: str, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text(page.replace("</body>", "<script>document.body.id = 'x'</script></body>"))
    document, messages = opened(browser, path)
    assert "Content Security Policy" in " ".join(messages)
    assert '<body id="x"' not in document


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of a server of a folder's files, while the block runs."""
    handler = partial(QuietHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", free_port()), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


class QuietHandler(SimpleHTTPRequestHandler):
    """A server of files that does not log."""

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


def test_links_to_chapters_work_in_the_frame_of_a_blob(growth_page: str, tmp_path: Path) -> None:
    pages = {"tabs": growth_page, "links": review_page("model")}
    for name, page in pages.items():
        text = json.dumps(page).replace("</", "<\\/")
        (tmp_path / f"{name}.html").write_text(BLOB.format(page=text), encoding="utf-8")
    links = "[...document.querySelectorAll('nav a')].map(link => link.innerText)"
    there = """(section => section.innerText.startsWith(TITLE) && section.offsetHeight > 0
        && section.getBoundingClientRect().top < innerHeight)(document.activeElement)"""
    with served(tmp_path) as address, Chromium(find_chromium()) as chromium:
        chromium.resize(DESKTOP, 900)
        for name in pages:
            chromium.open(f"{address}/{name}.html")
            for title in chromium.wait_for(links, in_frame=True)[-2:]:
                chromium.click(title, in_frame=True)
                chromium.wait_for(there.replace("TITLE", json.dumps(title)), in_frame=True)
            assert chromium.messages == []
            assert all(each.startswith((address, "blob:", "data:")) for each in chromium.requests)


def test_the_page_prints(browser: str, page: str, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text(page, encoding="utf-8")
    out = tmp_path / "page.pdf"
    _, messages = opened(browser, path, f"--print-to-pdf={out}")
    assert messages == []
    assert out.read_bytes().startswith(b"%PDF")
