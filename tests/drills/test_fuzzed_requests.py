"""Random requests are answered or refused, and the service stays healthy."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from growthlab.config.conf_tree import choices

pytestmark = pytest.mark.drill

Schema = dict[str, Any]
Body = st.SearchStrategy[Any]
N_REQUESTS = int(os.environ.get("GROWTHLAB_FUZZED_REQUESTS", "2000"))  # an endpoint
N_SCHEMA_REQUESTS = 10_000  # requests that schemathesis makes of the OpenAPI document
MOST_GROWTH_MB = 20
ENDPOINTS = ("/recommend", "/similar", "/churn", "/value")
TASKS = {"recommend": "top_n", "similar": "top_n", "churn": "churn", "value": "value"}
REFUSED = (400, 413, 422)
MODELS = [m for m in choices("model") if m.partition("/")[0] in TASKS]

HUGE = st.sampled_from([10**18, 2**63, 2**64, -(2**63), 10**400, -(10**4000)])
NUMBERS = st.one_of(
    st.integers(),
    st.floats(allow_nan=True, allow_infinity=True),
    HUGE,
    st.sampled_from([0.0, -0.0, 1e308, -1e308, 5e-324, 1e15, -1.0]),
)
TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=()), max_size=20),  # lone surrogates too
    st.sampled_from(
        ["", "\0", "\ud800", "null", "NaN", "../../etc/passwd", "' OR 1=1 --", "é" * 300]
    ),
)
SCALARS = st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=8,
)
RAW = st.one_of(
    st.binary(max_size=40),
    st.sampled_from(
        [
            b"",
            b"[" * 100_000,
            b'{"user_id":' * 5_000,
            b"[" * 900 + b"]" * 900,
            b'{"k": ' + b"9" * 100_000 + b"}",
            b'{"k": 1e999}',
            b'{"k": NaN, "k": Infinity}',
            b'{"user_id": "\xff\xfe"}',
            b"\xef\xbb\xbf{}",
            json.dumps({"history": ["x" * 256] * 10_000}).encode(),
            json.dumps({"exclude": [str(i) for i in range(10_000)], "k": 1000}).encode(),
            json.dumps({"features": {f"f{i}": i for i in range(5_000)}}).encode(),
        ]
    ),
)


def values_of(schema: Schema, parts: dict[str, Schema], names: list[str]) -> Body:
    """Values that fit the OpenAPI document, or nearly."""
    if "$ref" in schema:
        return values_of(parts[schema["$ref"].rpartition("/")[2]], parts, names)
    if "anyOf" in schema:
        return st.one_of(*(values_of(s, parts, names) for s in schema["anyOf"]))
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    kind = schema.get("type")
    if kind == "object" and "properties" in schema:
        fields = {n: values_of(s, parts, names) for n, s in schema["properties"].items()}
        return st.fixed_dictionaries({}, optional=fields)
    if kind == "object":
        return st.dictionaries(st.sampled_from(names) | TEXTS, SCALARS, max_size=6)
    if kind == "array":
        return st.lists(values_of(schema["items"], parts, names), max_size=8)
    if kind == "integer":
        return st.integers(schema.get("minimum", -5) - 1, schema.get("maximum", 1000) + 1)
    simple = {"string": st.sampled_from(names) | TEXTS, "number": NUMBERS, "null": st.none()}
    return (simple | {"boolean": st.booleans()}).get(str(kind), JSON)


def bodies(document: Schema, path: str, names: list[str]) -> Body:
    """Request bodies: valid, valid with a wrong field, any JSON, and any bytes."""
    parts = document["components"]["schemas"]
    content = document["paths"][path]["post"]["requestBody"]["content"]
    schema = content["application/json"]["schema"]
    right = values_of(schema, parts, names)
    fields = list(parts[schema["$ref"].rpartition("/")[2]]["properties"])
    spoiled = st.tuples(right, st.sampled_from(fields) | TEXTS, JSON).map(
        lambda drawn: drawn[0] | {drawn[1]: drawn[2]}
    )
    return st.one_of(right, right, spoiled, JSON, RAW)


def encoded(body: Any) -> bytes:
    """The body as bytes; NaN and surrogates as Python's JSON writes them."""
    return body if isinstance(body, bytes) else json.dumps(body).encode()


def no_constant(name: str) -> None:
    raise AssertionError(f"{name} is no JSON")


def fuzz(service: Any, path: str, names: list[str], n: int) -> dict[int, int]:
    """Send `n` requests, and return the number of answers by status."""
    document = service.client.get("/openapi.json").json()
    seen: dict[int, int] = {}

    @settings(
        max_examples=n,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(bodies(document, path, names))
    def each(body: Any) -> None:
        content = encoded(body)
        answer = service.client.post(
            path, content=content, headers={"Content-Type": "application/json"}
        )
        seen[answer.status_code] = seen.get(answer.status_code, 0) + 1
        assert answer.status_code in (200, *REFUSED), (content[:200], answer.text[:500])
        content_of_answer = json.loads(answer.text, parse_constant=no_constant)
        if answer.status_code == 200:
            check(path, json.loads(content), content_of_answer)

    each()
    return seen


def check(path: str, body: Any, answer: dict[str, Any]) -> None:
    """Check what holds for every answer."""
    if path not in ("/recommend", "/similar"):
        value = answer["churn_probability" if path == "/churn" else "expected_value"]
        assert isinstance(value, float), body
        assert path == "/value" or 0 <= value <= 1, body
        return
    items = [i["item"] for i in answer["items"]]
    assert len(items) == len(set(items)) <= body.get("k", 10)
    assert not set(items) & set(body.get("exclude") or ())
    assert [i["rank"] for i in answer["items"]] == list(range(1, len(items) + 1))
    pinned = (body.get("rules") or {}).get("pinned") or ()
    assert all(isinstance(i["score"], float) or i["item"] in pinned for i in answer["items"]), body


def names_in(folder: Path) -> list[str]:
    """Item ids or feature names that the bundle knows."""
    if (folder / "catalogue.npz").exists():
        with np.load(folder / "catalogue.npz", allow_pickle=False) as arrays:
            return [str(i) for i in arrays["item_ids"][:20]]
    request = json.loads((folder / "request.json").read_text())
    return [str(name) for name in request["features"]] or ["no feature"]


@pytest.fixture
def announce(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Print a line although the output of tests is captured."""

    def show(line: str) -> None:
        with capsys.disabled():
            print(f"\n{line}")

    return show


def test_fuzzed_requests_to_each_endpoint(
    bundles: dict[str, Path], served: Callable[..., Any], announce: Callable[[str], None]
) -> None:
    service = served(*bundles.values())
    for path in ENDPOINTS:
        seen = fuzz(service, path, names_in(bundles[TASKS[path[1:]]]), N_REQUESTS)
        announce(f"{path}: {sum(seen.values())} requests, by status {seen}")
        assert {200, 422} <= set(seen)
        assert service.is_healthy()


@pytest.mark.parametrize("model", MODELS)
def test_fuzzed_requests_to_every_model(
    model: str, bundle_of: Callable[..., Path], served: Callable[..., Any]
) -> None:
    family = model.partition("/")[0]
    quick = ["model.trainer.epochs=1"] if model.endswith(("gru4rec", "caser", "neumf")) else []
    folder = bundle_of(TASKS[family], model, *quick)
    service = served(folder)
    seen = fuzz(service, f"/{family}", names_in(folder), N_REQUESTS // 20)
    assert 200 in seen
    assert service.is_healthy()


def test_ten_thousand_requests_from_the_openapi_document(
    bundles: dict[str, Path], served: Callable[..., Any], announce: Callable[[str], None]
) -> None:
    import schemathesis
    from schemathesis.specs.openapi.checks import positive_data_acceptance

    service = served(*bundles.values())
    schema = schemathesis.openapi.from_url(f"{service.client.base_url}/openapi.json")
    operations = [result.ok() for result in schema.get_all_operations()]
    working = [o for o in operations if o.method.upper() == "POST"]  # the others take no body
    before = service.process.memory_info().rss
    for operation in working:

        @settings(
            max_examples=math.ceil(N_SCHEMA_REQUESTS / len(working)),
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def each(case: Any) -> None:
            # the document does not name the features and columns of a bundle
            case.call_and_validate(excluded_checks=[positive_data_acceptance])

        each()
    metrics = service.client.get("/metrics").text.splitlines()
    statuses = [line for line in metrics if line.startswith("growthlab_requests_total")]
    grown = (service.process.memory_info().rss - before) / 2**20
    n_made = sum(float(line.rsplit(" ", 1)[1]) for line in statuses)
    announce("\n".join([*statuses, f"memory grew by {grown:.1f} MB"]))
    assert 'status="500"' not in "".join(statuses)
    assert n_made >= N_SCHEMA_REQUESTS
    assert grown < MOST_GROWTH_MB
    assert service.is_healthy()
