"""What a request may cost: bounds on values, errors, hints, pairs and answers, whatever it says."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import httpx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from growthlab.bundle import list_maker
from growthlab.bundle.manifest import SCHEMA_1_ANSWERS
from growthlab.core import errors
from growthlab.core.histories import UNKNOWN, Catalogue, Histories, codes_of
from growthlab.serving import request_reader
from growthlab.serving.endpoints import batch_types, endpoints_of
from growthlab.serving.request_reader import (
    LARGE_BYTES,
    MOST_HINTED,
    MOST_PROBLEMS,
    MOST_VALUES,
    RequestReader,
    UnreadableRequest,
    too_much_in,
)
from growthlab.serving.schemas import FeedbackBody, PredictBody, RecommendBody, SimilarBody

JSON = {"Content-Type": "application/json"}
PATHS = ("/recommend", "/similar", "/churn", "/value", "/batch", "/feedback")
SECRET = "zq-secret"
ENDPOINTS = [e for task, answer in SCHEMA_1_ANSWERS.items() for e in endpoints_of(task, answer)]
BATCH, _ = batch_types(ENDPOINTS)
BODIES: Sequence[type[BaseModel]] = (RecommendBody, SimilarBody, PredictBody, BATCH, FeedbackBody)


def problems_of(body: type[BaseModel], value: Any) -> list[dict[str, Any]]:
    """Why such a request cannot be read."""
    with pytest.raises(UnreadableRequest) as caught:
        RequestReader(body)(value if isinstance(value, bytes) else json.dumps(value).encode())
    return caught.value.problems


def many_wrong(n: int) -> Iterator[Any]:
    """Bodies with `n` mistakes of one kind."""
    unknown = {f"field{j}": 0 for j in range(n)}
    yield unknown
    yield {"rules": unknown, "recommend": [{"rules": unknown}] * 20, "features": unknown}
    for name in ("history", "exclude", "basket", "items", "recommend", "churn"):
        for wrong in (1, None, [], {}, {"a": {}}, "x" * 300, [[]]):
            yield {name: [wrong] * n}
    yield {"rules": {name: [1] * n for name in ("allow", "deny", "categories", "pinned")}}
    yield {"recommend": [{"history": [1] * (n // 20)}] * 20, "churn": [{"k": 1}] * 256}
    yield {"features": {f"f{j}": [] for j in range(n)}}
    yield {"features": {f"f{j}": {} for j in range(900)}}
    yield dict.fromkeys((*RecommendBody.model_fields, *FeedbackBody.model_fields), 1)


@pytest.mark.parametrize("body", BODIES)
def test_at_most_ten_problems_are_reported(body: type[BaseModel]) -> None:
    for value in many_wrong(20_000):
        problems = problems_of(body, value)
        assert 1 <= len(problems) <= MOST_PROBLEMS
        assert len(json.dumps(problems)) < 5_000


def test_no_more_problems_are_looked_for_than_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at: list[str] = []

    def counted(name: str, possible: Any) -> str:
        looked_at.append(name)
        return errors.near_matches(name, possible)

    monkeypatch.setattr(request_reader, "near_matches", counted)
    value = {"x" * 65: 0, **{f"user_{j}": 0 for j in range(20_000)}}
    hints = [p["msg"] for p in problems_of(RecommendBody, value)]
    assert looked_at == ["user_0", "user_1", "user_2"]  # not the long one, and three at most
    assert sum("did you mean user_id" in hint for hint in hints) == MOST_HINTED
    assert hints[0] == hints[-1] == "there is no such field"


def test_a_list_is_checked_up_to_its_first_wrong_element() -> None:
    problems = problems_of(RecommendBody, {"history": [1] * 9_000, "exclude": ["a", 2, 3]})
    assert [p["loc"] for p in problems] == [["body", "exclude", 1], ["body", "history", 0]]
    problems = problems_of(BATCH, {"recommend": [{}, {"k": 0}, {"k": 0}]})
    assert [p["loc"] for p in problems] == [["body", "recommend", 1, "k"]]
    problems = problems_of(PredictBody, {"features": {"a": [], "b": [], "c": "x" * 300}})
    assert [p["loc"] for p in problems] == [["body", "features"]]


def test_all_problems_of_an_ordinary_mistake_are_reported_together() -> None:
    value = {"usr": 1, "k": 0, "rules": {"pined": 1, "in_stock": "x"}}
    problems = [(p["loc"], p["type"]) for p in problems_of(RecommendBody, value)]
    assert problems == [
        (["body"], "extra_forbidden"),
        (["body", "rules"], "extra_forbidden"),
        (["body", "k"], "greater_than_equal"),
        (["body", "rules", "in_stock"], "bool_type"),
    ]


@pytest.mark.parametrize("body", [RecommendBody, BATCH, PredictBody])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[" + b"[]," * 70_000 + b"[]]", "at most 60,000 values"),
        (b'{"history":[' + b"{}," * 70_000 + b"{}]}", "at most 60,000 values"),
        (b'{"user_id":"a\\"[,","history":[' + b"1," * 70_000 + b"1]}", "at most 60,000 values"),
        (b'{"a":"' + b"\\\\" * 9_999 + b'","h":[' + b"1," * 70_000 + b"1]}", "at most 60,000"),
        (b'{"k":' + b"9" * 20_000 + b"}", "at most 400 digits"),
        (b'{"k":0.' + b"3" * 20_000 + b"}", "at most 400 digits"),
        (b'{"k":' + b"9" * 5_000 + b"}", "number out of range"),  # not large: 5 kB
        (b'{"history":' + b"[" * 300 + b"]" * 300 + b"}", "recursion limit"),
        (b"[" * 100_000, "at most 60,000 values"),
        (b"[" * 20_000, "recursion limit"),
        (b"", "EOF"),
        (b"\xff" * 20_000, "Invalid JSON"),
    ],
)
def test_json_that_costs_too_much_is_refused_unread(
    body: type[BaseModel], content: bytes, message: str
) -> None:
    (problem,) = problems_of(body, content)
    assert message in problem["msg"]
    assert problem["loc"] == ["body"]


def test_brackets_and_commas_in_a_text_are_no_values() -> None:
    ids = ["[,{" * 80] * 400  # 96,000 of them
    content = json.dumps({"history": ids}).encode()
    assert len(content) > LARGE_BYTES
    assert RequestReader(RecommendBody)(content).history == ids
    escaped = ["\\" * 100 + '"[' * 50] * 2_000
    assert (
        RequestReader(RecommendBody)(json.dumps({"exclude": escaped}).encode()).exclude == escaped
    )


@given(
    value=st.recursive(
        st.none() | st.integers() | st.text(st.sampled_from('ab\\"[{,]}é'), max_size=8),
        lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=3), inner),
        max_leaves=30,
    ),
    ascii_only=st.booleans(),
)
def test_values_are_counted_as_json_has_them(value: Any, ascii_only: bool) -> None:
    content = json.dumps(value, ensure_ascii=ascii_only).encode()

    def structure(part: Any) -> int:
        """Opening brackets, and the commas between the parts."""
        if not isinstance(part, (list, dict)):
            return 0
        inner = part.values() if isinstance(part, dict) else part
        return 1 + max(len(part) - 1, 0) + sum(map(structure, inner))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(request_reader, "MOST_VALUES", structure(value) + 1)
        assert too_much_in(content) == ""
        patch.setattr(request_reader, "MOST_VALUES", structure(value))
        assert "values" in too_much_in(content)


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (RecommendBody, {}),
        (RecommendBody, {"user_id": "é", "k": 3, "history": ["a"], "personalised": False}),
        (RecommendBody, {"rules": {"price_min": 1, "price_max": 2.5, "pinned": ["a"]}, "k": 1000}),
        (SimilarBody, {"item": "a", "exclude": [], "rules": None}),
        (PredictBody, {"features": {"a": 1, "b": 2.5, "c": None, "d": "x", "e": True}}),
        (PredictBody, {"features": {f"f{j}": j for j in range(1000)}}),
        (BATCH, {"recommend": [{"k": 5}, {}], "churn": [{"user_id": "u"}]}),
        (FeedbackBody, {"request_id": "0" * 32, "event": "order", "items": ["a"]}),
        (RecommendBody, {"history": [f"i{j}" for j in range(10_000)]}),
    ],
)
def test_right_requests_are_read_as_pydantic_reads_them(body: type[BaseModel], value: Any) -> None:
    content = json.dumps(value).encode()
    assert RequestReader(body)(content) == body.model_validate_json(content)


def test_the_largest_single_request_is_read() -> None:
    ids = [f"i{j:05d}" for j in range(10_000)]
    lists = {"history": ids, "basket": ids, "exclude": ids}
    rules = {"allow": ids, "deny": ids, "pinned": ids[:1000], "categories": ids[:100]}
    content = json.dumps({**lists, "k": 1000, "rules": rules}).encode()
    assert content.count(b",") < MOST_VALUES
    assert RequestReader(RecommendBody)(content).rules.pinned == ids[:1000]


def hostile(path: str) -> Iterator[Any]:
    """Bodies with a secret in every place, in the values and in the names."""
    fields = {f for body in BODIES for f in body.model_fields}
    for wrong in (SECRET, [SECRET], {SECRET: SECRET}, [[SECRET]], {SECRET: {SECRET: [SECRET]}}):
        for name in fields:
            yield {name: wrong}
            yield {name: [wrong, {name: wrong}]}
            for inner in (*PredictBody.model_fields, *RecommendBody.model_fields):
                yield {name: [{inner: wrong}]}
        yield {"rules": {"categories": wrong, SECRET: 1}}
        yield {"item": "tea", "rules": {"categories": [SECRET]}}
        yield {"features": {SECRET: 1, "days_since_last": SECRET}}
        yield {"features": {"days_since_last": SECRET}}
        yield {"features": {"days_since_last": [SECRET], f"{SECRET}{'x' * 300}": 1}}
        yield {"recommend": [{}] * 300 + [{SECRET: 1}]}
        yield {"churn": [{"features": {SECRET: 1}}], "value": [{SECRET: 1}]}
        yield wrong
    yield b'{"' + SECRET.encode()
    yield SECRET.encode()
    yield b'{"k": ' + SECRET.encode() + b"}"
    yield b'{"user_id": "' + SECRET.encode() + b'\\ud800"}'


@pytest.mark.parametrize("path", PATHS)
def test_no_refusal_repeats_anything_that_was_sent(client: httpx.Client, path: str) -> None:
    n_refused = 0
    for body in hostile(path):
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        answer = client.post(path, content=content, headers=JSON)
        assert answer.status_code in (200, 422), body
        if answer.status_code == 422:
            n_refused += 1
            assert SECRET not in answer.text, body
            assert len(answer.content) < 5_000
    assert n_refused > 100


def test_other_refusals_repeat_nothing_either(served: Callable[..., Any]) -> None:
    client = served(max_body_mb=1).client
    for answer in (
        client.get(f"/{SECRET}", params={SECRET: SECRET}, headers={SECRET: SECRET}),
        client.post(f"/{SECRET}", content=SECRET),
        client.post("/recommend", content=SECRET, headers={"Content-Type": SECRET}),
        client.post("/recommend", content=SECRET * 200_000, headers=JSON),
        client.get("/ready", headers={"X": SECRET * 3_000}),
    ):
        assert SECRET not in answer.text
        assert answer.status_code in (404, 413, 422, 431)


def test_a_large_request_is_read_and_answered_outside_the_event_loop(
    served: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    running = served()
    threads: dict[str, set[str]] = {"read": set(), "answer": set()}
    ((_, _, model),) = [m for m in running.service.models if m[1] == "top_n"]
    answer, read = type(model.bundle).answer, RequestReader.__call__

    def watched_answer(self: Any, *args: Any) -> Any:
        threads["answer"].add(threading.current_thread().name)
        return answer(self, *args)

    def watched_read(self: Any, content: bytes) -> Any:
        threads["read"].add(threading.current_thread().name)
        return read(self, content)

    monkeypatch.setattr(type(model.bundle), "answer", watched_answer)
    monkeypatch.setattr(RequestReader, "__call__", watched_read)
    client: httpx.Client = running.client
    assert client.post("/recommend", json={"history": ["tea"]}).is_success
    loop = threads["read"] | threads["answer"]
    assert len(loop) == 1
    for body in (
        {"history": ["tea"] * 9_000},
        {"exclude": ["tea"] * 9_000, "k": 1000},
        {"rules": {"pinned": ["tea"] * 1000, "allow": ["x" * 200] * 100}},
    ):
        threads.update(read=set(), answer=set())
        assert client.post("/recommend", json=body).is_success
        assert not (threads["read"] | threads["answer"]) & loop
    threads.update(read=set(), answer=set())
    assert client.post("/batch", json={"recommend": [{"k": 20}] * 100}).is_success
    assert not threads["answer"] & loop


def test_a_batch_ends_with_its_first_refusal(served: Callable[..., Any]) -> None:
    running = served()
    ((_, _, model),) = [m for m in running.service.models if m[1] == "churn"]
    n_asked = 0
    answer = model.bundle.predictor.predictions

    def counted(requests: Sequence[Any], places: Any) -> Any:
        nonlocal n_asked
        n_asked += len(requests)
        return answer(requests, places)

    object.__setattr__(model.bundle.predictor, "predictions", counted)
    wrong = [{"features": {"no such": 1}} for _ in range(256)]
    refused = running.client.post("/batch", json={"churn": wrong})
    assert refused.status_code == 422
    assert "no such feature: possible: days_since_last" in refused.text
    assert n_asked < 128  # calls of 16 and each of them alone, until the first refusal is noticed


def test_one_near_name_is_looked_for_among_a_few(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[int] = []
    close = errors.difflib.get_close_matches

    def counted(word: str, possible: Sequence[str], **options: Any) -> list[str]:
        compared.append(len(possible))
        return close(word, possible, **options)

    monkeypatch.setattr(errors.difflib, "get_close_matches", counted)
    names = [f"category {j:05d}" for j in range(20_000)]
    assert errors.near_matches("category 01234x", names).startswith(
        "did you mean category 01234 or"
    )
    assert "category 19999" in errors.near_matches("category 19999x", names)
    assert max(compared) <= errors.MOST_COMPARED
    compared.clear()
    assert errors.near_matches("c" * 65, names).startswith("possible: category 00000, ")
    assert compared == []


def test_a_long_id_is_no_cut_one_and_does_not_widen_the_catalogue(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    widths: list[int] = []
    search = np.searchsorted

    def watched(vocabulary: np.ndarray, raw: np.ndarray) -> Any:
        widths.append(raw.dtype.itemsize - vocabulary.dtype.itemsize)
        return search(vocabulary, raw)

    monkeypatch.setattr(np, "searchsorted", watched)
    vocabulary = np.array(["cup", "tea"])
    codes = codes_of(["tea", "teapot", "x" * 256, "cup", "te"], vocabulary)
    assert codes.tolist() == [1, UNKNOWN, UNKNOWN, 0, UNKNOWN]
    assert widths == [0]


def test_reasons_never_cost_the_product_of_a_long_history_and_a_long_list() -> None:
    items = np.array([f"i{j:05d}" for j in range(3_000)])
    pairs: list[int] = []

    class Reasons:
        def because(self, histories: Histories, listed: np.ndarray) -> np.ndarray:
            pairs.append(int(histories.lengths.max()) * listed.shape[1])
            assert histories.items[-1] == 2_999  # the latest
            return np.full(listed.shape, UNKNOWN, dtype=np.int32)

    maker = list_maker.ListMaker.of(Reasons(), Catalogue(items), np.zeros(3_000), 0, "none")  # type: ignore[arg-type]
    maker.__dict__["_reasoners"] = {"model": Reasons(), "content": None}
    history = Histories.from_lists(Catalogue(items), [items.tolist()])
    group = list_maker.RequestGroup("history", [], history, np.zeros(1, dtype=int))
    for k in (1, 10, 100, 1000):
        listed = np.zeros((1, k), dtype=np.int32)
        maker._reasons(group, listed, np.ones((1, k)), ["folded_in"], [np.zeros(0, dtype=int)])
    assert max(pairs) <= list_maker.MOST_PAIRS
