"""Published data sets by name: a checksum for every file, and one line where no network is."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from tests.cli.conftest import Workspace

from growthlab.config.conf_tree import choices
from growthlab.workbench.published import published_data

EVENTS = "user_id,item_id,event_type,timestamp\nann,tea,purchase,2025-01-01\n"


@pytest.fixture
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server with the file events.csv."""
    folder = tmp_path_factory.mktemp("server")
    (folder / "events.csv").write_text(EVENTS)
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/events.csv"
    server.shutdown()
    server.server_close()


def publish(folder: Path, url: str, content: str = EVENTS) -> None:
    """A data set of one's own with one file."""
    path = folder / "conf" / "published" / "mine.yaml"
    path.parent.mkdir(parents=True)
    sha256 = hashlib.sha256(content.encode()).hexdigest()
    path.write_text(
        f"title: mine\npage: http://nowhere\nlicence: CC0\n"
        f"files: {{events.csv: {{url: '{url}', sha256: '{sha256}'}}}}\n"
    )


def test_every_published_data_set_can_be_read_by_its_name_and_has_a_licence() -> None:
    found = published_data()
    assert {data.name for data in found} <= set(choices("data"))
    for data in found:
        assert data.licence, data.name
        assert data.page.startswith("http"), data.name
        assert all(len(file.sha256) == 64 for file in data.files), data.name


def test_a_data_set_is_fetched_once_and_listed_as_there(fresh: Workspace, address: str) -> None:
    publish(fresh.folder, address)
    assert "licence: CC0; growthlab data fetch mine" in fresh.growthlab("data", "list").out
    done = fresh.growthlab("data", "fetch", "mine")
    assert done.status == 0, done.err
    path = fresh.folder / "datasets/mine/events.csv"
    assert path.read_text() == EVENTS
    assert "next: growthlab prepare data=mine data.path=datasets/mine/events.csv" in done.out
    written = path.stat().st_mtime_ns
    fresh.growthlab("data", "fetch", "mine")
    assert path.stat().st_mtime_ns == written
    assert "in datasets/mine" in fresh.growthlab("data", "list").out


def test_another_file_than_the_published_one_is_not_kept(fresh: Workspace, address: str) -> None:
    publish(fresh.folder, address, content="something else")
    line = fresh.growthlab("data", "fetch", "mine").mistake
    assert "is not the file that was published (SHA-256)" in line
    assert not list((fresh.folder / "datasets/mine").iterdir())


def test_without_a_network_one_line_says_where_to_put_the_file(fresh: Workspace) -> None:
    publish(fresh.folder, "http://127.0.0.1:9/events.csv")
    line = fresh.growthlab("data", "fetch", "mine").mistake
    assert line.endswith(
        "put the file of http://127.0.0.1:9/events.csv at datasets/mine/events.csv yourself"
    )
    (fresh.folder / "datasets/mine/events.csv").write_text(EVENTS)
    assert fresh.growthlab("data", "fetch", "mine").status == 0


def test_an_address_of_this_machine_is_refused(fresh: Workspace) -> None:
    publish(fresh.folder, "file:///etc/hostname")
    assert "must begin with https:// or http://" in fresh.growthlab("data", "fetch", "mine").mistake


def test_what_cannot_be_fetched_says_what_to_do(fresh: Workspace) -> None:
    assert (
        "take it from https://grouplens.org"
        in fresh.growthlab("data", "fetch", "movielens_100k").mistake
    )
    assert "did you mean cdnow" in fresh.growthlab("data", "fetch", "cdnw").mistake
    assert fresh.growthlab("data", "fetch").mistake.startswith("data fetch needs a name")
