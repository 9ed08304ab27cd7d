"""What the request log holds, and what it does not: raw ids of people."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.patience import wait_until

from growthlab.bundle.bundle import Bundle
from growthlab.core.errors import ConfigError
from growthlab.core.pseudonyms import find_key
from growthlab.serving import request_log
from growthlab.serving.request_log import LogRecord, RequestLog

FIELDS = {
    "time", "kind", "request_id", "model", "version", "task", "variant", "user", "served", "level",
    "items", "scores", "before_rules", "value", "arm", "features", "asked", "n_history", "n_unknown_items",
    "personalised", "n_in_request", "latency_ms", "status", "assigned", "propensities",
}  # fmt: skip


def lines(path: Path, n: int) -> list[dict[str, Any]]:
    """The lines of a log, once there are `n`."""
    wait_until(lambda: path.exists() and path.read_text().count("\n") >= n)
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture
def logged(served: Callable[..., Any], tmp_path: Path) -> tuple[httpx.Client, Path]:
    """A client of a service with a request log, and that log."""
    path = tmp_path / "logs" / "requests.jsonl"
    return served(log=str(path)).client, path


def test_a_list_is_a_line(logged: tuple[httpx.Client, Path]) -> None:
    client, path = logged
    body = {"user_id": "anna", "k": 2, "rules": {"pinned": ["coffee"]}}
    answer = client.post("/recommend", json=body).json()
    (line,) = lines(path, 1)
    assert set(line) == FIELDS
    assert line["items"] == [i["item"] for i in answer["items"]] == ["coffee", "cup"]
    assert line["before_rules"] == ["cup", "coffee"]
    assert line["request_id"] == answer["request_id"]
    assert (line["kind"], line["task"], line["variant"]) == ("recommend", "top_n", "champion")
    assert (line["served"], line["level"], line["status"]) == ("known", 0, 200)
    assert datetime.fromisoformat(line["time"]).utcoffset() is not None
    key = find_key()
    assert key is not None
    assert line["user"] == key.pseudonym("user/corner_shop", "anna")
    assert path.stat().st_mode & 0o777 == 0o600


def test_no_raw_id_of_a_person_reaches_the_log(logged: tuple[httpx.Client, Path]) -> None:
    client, path = logged
    for who in ("anna", "a stranger"):
        client.post("/recommend", json={"user_id": who})
        client.post("/recommend", json={"user_id": who, "personalised": False})
        client.post("/churn", json={"user_id": who})
    found = lines(path, 6)
    assert "anna" not in path.read_text()
    assert "stranger" not in path.read_text()
    assert [line["user"] is None for line in found] == [False, True, False] * 2


def test_a_prediction_is_logged_with_what_the_model_read(
    logged: tuple[httpx.Client, Path],
) -> None:
    client, path = logged
    client.post("/churn", json={"user_id": "anna"})
    client.post("/churn", json={"features": {"days_since_last": None}})
    client.post("/value", json={"user_id": "stranger"})
    known, given, nobody = lines(path, 3)
    assert known["features"] == {"days_since_last": 10.0}
    assert known["value"] == pytest.approx(0.18)
    assert given["features"] == {"days_since_last": None}
    assert (nobody["features"], nobody["served"]) == (None, "population_fallback")


def test_the_items_of_who_wants_no_personal_list_are_not_logged(
    logged: tuple[httpx.Client, Path],
) -> None:
    client, path = logged
    client.post("/recommend", json={"history": ["tea"], "personalised": False})
    client.post("/similar", json={"item": "tea"})
    opted_out, page = lines(path, 2)
    assert (opted_out["asked"], page["asked"]) == ([], ["tea"])


def test_who_wants_no_personal_answer_is_logged_as_such(
    logged: tuple[httpx.Client, Path],
) -> None:
    client, path = logged
    for asked, body in (("/recommend", {}), ("/churn", {"user_id": "anna"}), ("/value", {})):
        client.post(asked, json=body | {"personalised": False})
    client.post("/similar", json={"item": "tea"})
    client.post("/churn", json={"user_id": "anna"})
    assert [line["personalised"] for line in lines(path, 5)] == [False] * 3 + [True] * 2


def test_feedback_is_logged_with_its_answer(logged: tuple[httpx.Client, Path]) -> None:
    client, path = logged
    asked = client.post("/recommend", json={"history": ["tea", "?"]}).json()["request_id"]
    for event in ("impression", "click", "order"):
        body = {"request_id": asked, "event": event, "items": ["lemon"]}
        assert client.post("/feedback", json=body).status_code == 202
    answer, *feedback = lines(path, 4)
    assert (answer["n_history"], answer["n_unknown_items"]) == (2, 1)
    assert answer["asked"] == ["tea", "?"]
    assert [f["event"] for f in feedback] == ["impression", "click", "order"]
    assert set(feedback[0]) == {"time", "kind", "request_id", "event", "items"}
    assert {f["request_id"] for f in feedback} == {asked}
    assert 'growthlab_feedback_total{event="click"} 1' in client.get("/metrics").text


def test_without_a_log_feedback_has_nowhere_to_go(client: httpx.Client) -> None:
    body = {"request_id": "0" * 32, "event": "click"}
    refused = client.post("/feedback", json=body)
    assert (refused.status_code, refused.json()["detail"]) == (
        404,
        "there is no request log: serve with log=FILE to take feedback",
    )


def test_full_files_are_set_aside_and_the_oldest_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    log = RequestLog(path, most_bytes=1000, n_files=3)
    for number in range(200):
        log.put(LogRecord(0.0, {"number": number}))
        if number % 20 == 19:
            wait_until(lambda number=number: log.written > number)  # type: ignore[misc]
    log.close()
    kept = sorted(p for p in tmp_path.iterdir() if p.suffix != ".lock")
    assert [p.name for p in kept] == ["log.jsonl", "log.jsonl.1", "log.jsonl.2"]
    numbers = [json.loads(x)["number"] for p in reversed(kept) for x in p.read_text().splitlines()]
    assert numbers == list(range(numbers[0], 200))  # in order and without a gap
    assert (log.written, log.dropped) == (200, 0)


def test_a_log_goes_on_after_a_file_could_not_be_set_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "log.jsonl"

    def refuse(self: Path, target: Path) -> Path:
        raise OSError("no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", refuse)
        log = RequestLog(path, most_bytes=1, n_files=2)
        log.put(LogRecord(0.0, {"number": 0}))
        wait_until(lambda: log.dropped)
    log.put(LogRecord(0.0, {"number": 1}))
    log.close()
    kept = "".join(p.read_text() for p in sorted(tmp_path.iterdir(), reverse=True))
    assert [json.loads(line)["number"] for line in kept.splitlines()] == [0, 1]


def test_what_the_queue_cannot_hold_is_dropped_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request_log, "LONGEST_QUEUE", 2)
    held = threading.Event()
    log = RequestLog(tmp_path / "log.jsonl", 10**6, 1)
    monkeypatch.setattr(log, "_write_some", lambda: held.wait(0.01))
    assert [log.put(LogRecord(0.0, {})) for _ in range(4)] == [True, True, False, False]
    assert log.dropped == 2
    monkeypatch.undo()
    log.close()
    assert (tmp_path / "log.jsonl").read_text().count("\n") == 2


def test_a_line_that_cannot_be_made_is_lost_alone(tmp_path: Path) -> None:
    log = RequestLog(tmp_path / "log.jsonl", 10**6, 1)
    for value in (0, object(), 2):
        log.put(LogRecord(0.0, {"value": value}))
    log.close()
    kept = [json.loads(x)["value"] for x in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert kept == [0, 2]
    assert (log.written, log.dropped) == (2, 1)


def test_two_services_do_not_share_a_log(tmp_path: Path) -> None:
    first = RequestLog(tmp_path / "log.jsonl", 10**6, 1)
    with pytest.raises(ConfigError, match="by another service that runs: each needs its own"):
        RequestLog(tmp_path / "log.jsonl", 10**6, 1)
    first.close()
    RequestLog(tmp_path / "log.jsonl", 10**6, 1).close()


def test_a_batch_that_is_refused_leaves_no_line_of_its_other_answers(
    logged: tuple[httpx.Client, Path],
) -> None:
    client, path = logged
    wrong = {"user_id": "anna", "rules": {"price_max": 1.0}}  # no price is known of any item
    body = {"recommend": [{"user_id": "anna"}, wrong], "churn": [{"user_id": "anna"}]}
    assert client.post("/batch", json=body).status_code == 422
    client.post("/recommend", json={"history": ["tea"]})
    (line,) = lines(path, 1)
    assert line["served"] == "folded_in"
    assert 'served="known"' not in client.get("/metrics").text


def test_each_line_says_how_many_entries_shared_its_request(
    logged: tuple[httpx.Client, Path],
) -> None:
    client, path = logged
    client.post("/recommend", json={"user_id": "anna"})
    client.post("/batch", json={"recommend": [{"user_id": "anna"}] * 3, "churn": [{}]})
    assert [line["n_in_request"] for line in lines(path, 5)] == [1, 4, 4, 4, 4]


def test_an_answer_that_fails_is_a_line_too(
    served: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "requests.jsonl"
    client = served(log=str(path)).client

    def fails(bundle: Bundle, requests: Any) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr(Bundle, "predict", fails)
    assert client.post("/churn", json={"user_id": "anna"}).status_code == 500
    (line,) = lines(path, 1)
    assert set(line) == FIELDS
    assert (line["status"], line["served"], line["kind"]) == (500, "failed", "churn")
    assert (line["items"], line["value"], line["latency_ms"]) == ([], None, None)


def test_a_log_that_cannot_be_written_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"choose another file with log=\.\.\."):
        RequestLog(tmp_path / "file" / "log.jsonl", 10**6, 1)
