"""Who may come in, how large, how long and how many at once; and what clients that hang meet."""

from __future__ import annotations

import asyncio
import re
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from tests.patience import PATIENCE, wait_until
from tests.serving.raw_connection import HEAD, said_to

from growthlab.core.errors import ConfigError
from growthlab.serving.__main__ import main, settings_of
from growthlab.serving.request_limits import RequestLimits
from growthlab.serving.run import BACKLOG, address_of, copies_of, listen, serve
from growthlab.serving.service_metrics import ServiceMetrics
from growthlab.serving.service_options import ServiceOptions

JSON = {"Content-Type": "application/json"}


def test_a_body_of_100_mb_is_refused_before_it_is_sent(served: Callable[..., Any]) -> None:
    client = served(max_body_mb=1).client
    said = said_to(client, HEAD + b"Content-Length: 104857600\r\n\r\n")  # and no body behind it
    assert said.startswith(b"HTTP/1.1 413 ")
    assert b"up to 1 MB" in said


def test_a_body_that_is_too_large_is_refused_and_the_connection_closed(
    served: Callable[..., Any],
) -> None:
    client = served(max_body_mb=1).client

    def parts() -> Iterator[bytes]:
        for _ in range(20):
            yield b" " * 100_000

    for content in (b" " * 2_000_000, parts()):  # of a known length, and in chunks without one
        answer = client.post("/recommend", content=content, headers=JSON)
        assert (answer.status_code, answer.headers["connection"]) == (413, "close")
        assert answer.json() == {"detail": "a request may have up to 1 MB"}
    assert client.post("/recommend", content=b" " * 900_000 + b"{}", headers=JSON).is_success


def test_a_body_without_end_is_not_read_for_ever(served: Callable[..., Any]) -> None:
    client = served(max_body_mb=1).client
    head = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
    with pytest.raises((ConnectionResetError, BrokenPipeError)):
        said_to(client, head + b"10000\r\n%b\r\n" % (b" " * 0x10000) * 1000)  # 65 MB


def test_a_body_that_does_not_arrive_gets_408(served: Callable[..., Any]) -> None:
    client = served(request_seconds=1).client
    said = said_to(client, HEAD + b"Content-Length: 10\r\n\r\n{")
    assert said.startswith(b"HTTP/1.1 408 ")
    assert client.post("/recommend", json={}).is_success


def test_a_client_that_hangs_up_is_not_counted_as_an_error_of_the_service(
    served: Callable[..., Any],
) -> None:
    running = served()
    with socket.create_connection(("127.0.0.1", running.client.base_url.port)) as gone:
        gone.sendall(HEAD + b"Content-Length: 10\r\n\r\n{")
    wait_until(lambda: running.service.metrics.requests)
    assert dict(running.service.metrics.requests) == {("/recommend", 499): 1}


def test_a_failure_is_counted_as_an_error_of_the_service() -> None:
    async def fails(scope: Any, receive: Any, send: Any) -> None:
        raise ZeroDivisionError

    metrics = ServiceMetrics()
    gate = RequestLimits(fails, ServiceOptions(bundle="none"), metrics, {}, None)
    scope = {"type": "http", "method": "GET", "path": "/health", "headers": []}
    with pytest.raises(ZeroDivisionError):
        asyncio.run(gate(scope, None, None))  # type: ignore[arg-type]
    assert dict(metrics.requests) == {("/health", 500): 1}


def test_clients_that_hang_take_no_place_from_others(served: Callable[..., Any]) -> None:
    client = served(max_in_flight=2).client
    hanging = []
    for _ in range(8):
        one = socket.create_connection(("127.0.0.1", client.base_url.port or 0))
        one.sendall(HEAD + b"Content-Length: 10\r\n\r\n{")
        hanging.append(one)
    assert client.post("/recommend", json={}).is_success
    for one in hanging:
        one.close()


def test_a_token_is_required_where_one_is_set(
    served: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GROWTHLAB_TOKEN", "open sesame")
    client = served().client
    for headers in ({}, {"Authorization": "Bearer no"}, {"Authorization": "open sesame"}):
        for method, path in (("POST", "/recommend"), ("GET", "/metrics"), ("GET", "/docs")):
            refused = client.request(method, path, headers=headers)
            assert refused.status_code == 401, path
            assert refused.headers["www-authenticate"] == "Bearer"
    right = {"Authorization": "Bearer open sesame"}
    for scheme in ("Bearer", "bearer", "BEARER"):  # its case says nothing (RFC 7235)
        headers = {"Authorization": f"{scheme} open sesame"}
        assert client.post("/recommend", json={}, headers=headers).is_success
    assert client.get("/ready").is_success
    assert client.get("/health").json()["bundles"] == {}  # alive, and no more is told
    assert len(client.get("/health", headers=right).json()["bundles"]) == 3
    document = client.get("/openapi.json", headers=right).json()
    assert document["components"]["securitySchemes"]["HTTPBearer"]["scheme"] == "bearer"


def test_connections_that_come_together_are_taken_together() -> None:
    uvloop = pytest.importorskip("uvloop")
    made: list[Any] = []

    class Counted(asyncio.Protocol):
        def connection_made(self, transport: Any) -> None:
            made.append(transport)

    async def rounds() -> int:
        with listen("127.0.0.1", 0) as listener:
            loop, address = asyncio.get_running_loop(), listener.getsockname()
            listener.listen(BACKLOG)
            clients = [socket.create_connection(address) for _ in range(16)]
            shared = [listener, *copies_of(listener)]
            servers = [await loop.create_server(Counted, sock=each) for each in shared]
            n = 0
            while len(made) < len(clients):
                await asyncio.sleep(0)
                n += 1
            for each in [*servers, *made, *clients]:
                each.close()
            await asyncio.sleep(0)
            return n

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(rounds()) < 8  # of one socket alone it takes 16


def test_a_token_from_a_file_ends_where_its_line_does(
    served: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GROWTHLAB_TOKEN", "open sesame\n")
    headers = {"Authorization": "Bearer open sesame"}
    assert served().client.post("/recommend", json={}, headers=headers).is_success


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch, bundles_folder: Path) -> Callable[..., int]:
    """Starts a service that ends at once; the number of services that were started so far."""
    runs: list[Any] = []

    def run(server: uvicorn.Server, sockets: list[socket.socket]) -> None:
        runs.append(server)
        for each in sockets:
            each.close()

    monkeypatch.delenv("GROWTHLAB_TOKEN", raising=False)
    monkeypatch.setattr(uvicorn.Server, "run", run)
    monkeypatch.setattr(sys, "setswitchinterval", lambda seconds: None)

    def start(**options: Any) -> int:
        serve(ServiceOptions(bundle=str(bundles_folder), port=0, **options))
        return len(runs)

    return start


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1.2.3"])
def test_on_this_machine_alone_no_token_is_needed(started: Callable[..., int], host: str) -> None:
    assert started(host=host) == 1


@pytest.mark.parametrize("host", ["0.0.0.0", "0"])  # "0" is every address too
def test_on_any_other_address_a_token_is_needed(started: Callable[..., int], host: str) -> None:
    line = f"host={host} can be reached from other machines: set GROWTHLAB_TOKEN .* insecure=true"
    with pytest.raises(ConfigError, match=line):
        started(host=host)


def test_with_a_token_or_where_anyone_may_ask_any_address_is_served(
    started: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert started(host="0.0.0.0", insecure=True) == 1
    monkeypatch.setenv("GROWTHLAB_TOKEN", "open sesame")
    assert started(host="0.0.0.0") == 2


def test_an_open_address_ends_the_command_with_one_line(
    bundles_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("GROWTHLAB_TOKEN", raising=False)
    assert main([f"bundle={bundles_folder}", "port=0", "host=0.0.0.0"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("growthlab: host=0.0.0.0 can be reached from other machines")
    assert said.count("\n") == 1


def test_a_printed_address_can_be_opened() -> None:
    assert address_of("127.0.0.1", 80) == "http://127.0.0.1:80"
    assert address_of("::1", 80) == "http://[::1]:80"


def test_too_many_requests_at_once_get_503() -> None:
    entered, leave = asyncio.Event(), asyncio.Event()

    async def slow(kind: bytes, content: bytes) -> tuple[int, bytes]:
        entered.set()
        await leave.wait()
        return 200, b"{}"

    async def nothing(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError

    options = ServiceOptions(bundle="none", max_in_flight=1)
    gate = RequestLimits(nothing, options, ServiceMetrics(), {"/recommend": slow}, None)
    scope = {"type": "http", "method": "POST", "path": "/recommend", "headers": []}

    async def ask() -> dict[str, Any]:
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"{}", "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        await gate(scope, receive, send)
        return sent[0]

    async def both() -> tuple[dict[str, Any], dict[str, Any]]:
        first = asyncio.create_task(ask())
        await entered.wait()
        second = await ask()
        leave.set()
        return await first, second

    first, second = asyncio.run(both())
    assert (first["status"], second["status"]) == (200, 503)
    assert (b"retry-after", b"1") in second["headers"]
    assert gate.in_flight == 0


def test_a_path_in_a_request_is_only_a_name(client: httpx.Client) -> None:
    for name in ("../../../etc/passwd", "/etc/passwd", "file:///etc/passwd", "\0"):
        answer = client.post("/recommend", json={"user_id": name, "history": [name]}).json()
        assert (answer["served"], answer["n_unknown_items"]) == ("popularity_fallback", 1)
        assert client.get(f"/docs/{name.strip(chr(0))}").status_code in (307, 404)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "bundle is required"),
        ({"bundle": "b", "prot": 1}, "unknown setting prot: did you mean port"),
        ({"bundle": "b", "max_in_flight": 0}, "max_in_flight must be at least 1, got 0"),
        ({"bundle": "b", "log_files": 2.5}, "log_files must be a whole number, got 2.5"),
        ({"bundle": "b", "port": True}, "port must be a whole number, got True"),
        ({"bundle": "b", "log": ["a"]}, r"log must be a text or null, got \['a'\]"),
        ({"bundle": "b", "challenger_share": "x"}, "must be a number, got 'x'"),
        ({"bundle": "b", "rules": 5}, r"rules must be a mapping \{name: value\}, got 5"),
        ({"bundle": "b", "rules": {"max_per_category": "x"}}, "is a whole number, got 'x'"),
        ({"bundle": "b", "rules": {"allow": 5}}, "rules.allow is a list, got 5"),
        ({"bundle": "b", "rules": {"in_stock": 3}}, "rules.in_stock is true or false, got 3"),
        ({"bundle": "b", "rules": {"price_min": True}}, "rules.price_min is a number, got True"),
        ({"bundle": "b", "reload_seconds": "soon"}, "reload_seconds must be a number, got"),
        ({"bundle": "b", "personalised": "no"}, "personalised must be true or false, got 'no'"),
        ({"bundle": "b", "challenger_share": 1.5}, r"must lie in 0 \.\.\. 1, got 1.5"),
        ({"bundle": "b", "challenger_share": 0.5}, "needs a challenger"),
        ({"bundle": "b", "shadow": "s"}, "go to the request log only: add log=FILE"),
        ({"bundle": "b", "rules": {"colour": "red"}}, "rules.colour is no rule"),
    ],
)
def test_options_that_make_no_sense_are_one_clear_line(given: dict[str, Any], message: str) -> None:
    with pytest.raises((ConfigError, ValueError), match=message):
        ServiceOptions.of(given)


def test_the_options_are_those_of_the_config_file() -> None:
    from omegaconf import OmegaConf

    from growthlab.config.conf_tree import CONF

    config = OmegaConf.to_container(OmegaConf.load(CONF / "serve.yaml"))
    assert isinstance(config, dict)
    assert config.pop("bundle") == "???"
    made = ServiceOptions(bundle="b")
    assert made.host == "127.0.0.1"  # no other machine reaches the service unless that is asked for
    assert config == {name: getattr(made, name) for name in config}
    assert set(config) | {"bundle"} == set(ServiceOptions.__dataclass_fields__)


def test_words_become_settings_without_hydra() -> None:
    words = ["bundle=b", "port=0", "rules.in_stock=true", "personalised=false", "log=a=b"]
    rules = {"in_stock": True}
    assert settings_of(words) == {
        "bundle": "b",
        "port": 0,
        "rules": rules,
        "personalised": False,
        "log": "a=b",
    }
    with pytest.raises(ConfigError, match="cannot read 'port'"):
        settings_of(["port"])
    for words in (["rules=1", "rules.in_stock=true"], ["a.b=1", "a.b.c=1"]):
        with pytest.raises(ConfigError, match="has a value already"):
            settings_of(words)
    assert main(["bundle=nowhere-at-all", "port=0"]) == 2


def test_metrics_can_be_read_by_prometheus(client: httpx.Client) -> None:
    client.post("/recommend", json={})
    answer = client.get("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    sample = r'[a-z_]+(\{([a-z]+="[^"]*",?)+\})? [0-9.e+-]+'
    for line in answer.text.splitlines():
        assert re.fullmatch(rf"# (HELP|TYPE) [a-z_]+ .+|{sample}", line), line
    groups = dict(line.rsplit(" ", 1) for line in answer.text.splitlines() if line[0] != "#")
    asked = int(groups['growthlab_requests_total{path="/recommend",status="200"}'])
    assert asked >= 1
    assert int(groups['growthlab_request_seconds_count{path="/recommend"}']) >= asked
    assert int(groups['growthlab_request_seconds_bucket{path="/recommend",le="+Inf"}']) >= asked
    assert float(groups["process_resident_memory_bytes"]) > 1e6


def test_times_are_counted_in_their_buckets() -> None:
    metrics = ServiceMetrics()
    for seconds in (0.001, 0.002, 0.3, 60.0):
        metrics.answered("/recommend", 200, seconds)
    text = metrics.text({"growthlab_told": ('A "name"\n', [((("name", 'a"b\n'),), 2)])})
    bucket = 'growthlab_request_seconds_bucket{path="/recommend",le='
    assert f'{bucket}"0.001"}} 1\n' in text
    assert f'{bucket}"0.0025"}} 2\n' in text
    assert f'{bucket}"0.5"}} 3\n' in text
    assert f'{bucket}"10.0"}} 3\n' in text
    assert f'{bucket}"+Inf"}} 4\n' in text
    assert 'growthlab_request_seconds_sum{path="/recommend"} 60.303\n' in text
    assert 'growthlab_told{name="a\\"b\\n"} 2\n' in text


def test_a_refusal_under_load_is_quick(served: Callable[..., Any], bundles_folder: Path) -> None:
    running = served(max_in_flight=1)
    running.service.metrics.shed = 0
    with socket.create_connection(("127.0.0.1", running.client.base_url.port)) as connection:
        whole = HEAD + b"Content-Length: 2\r\n\r\n{}"
        connection.sendall(whole * 20)  # one after the other on one connection: none is shed
        connection.settimeout(PATIENCE)
        said = b""
        while said.count(b"HTTP/1.1 ") < 20:
            said += connection.recv(65_536)
    assert said.count(b"HTTP/1.1 200 ") == 20
    assert running.service.metrics.shed == 0
