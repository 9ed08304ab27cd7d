"""The service over real HTTP: what each request is answered, and what is refused."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.patience import PATIENCE

from growthlab.core.errors import BundleError, ConfigError
from growthlab.serving.run import listen, serve
from growthlab.serving.service import Service
from growthlab.serving.service_options import ServiceOptions


def post(client: httpx.Client, path: str, **body: Any) -> dict[str, Any]:
    response = client.post(path, json=body)
    assert response.status_code == 200, response.text
    return response.json()


def refused(client: httpx.Client, path: str, body: Any) -> str:
    content = body if isinstance(body, bytes) else json.dumps(body)
    response = client.post(path, content=content, headers={"Content-Type": "application/json"})
    assert response.status_code == 422, response.text
    return response.text


def test_known_user_is_served_from_the_stored_history(client: httpx.Client) -> None:
    answer = post(client, "/recommend", user_id="anna", k=1)
    assert [(i["item"], i["rank"]) for i in answer["items"]] == [("cup", 1)]
    assert (answer["served"], answer["fallback"]) == ("known", False)
    assert answer["model"] == {
        "name": "item_knn",
        "task": "top_n",
        "data": "corner_shop",
        "version": answer["model"]["version"],
        "run_id": "cafe",
        "data_cut": "2024-03-01T00:00:00",
    }
    assert len(answer["request_id"]) == 32
    assert 0 < answer["latency_ms"] < 1000


def test_history_is_folded_in(client: httpx.Client) -> None:
    answer = post(client, "/recommend", history=["tea", "?"], k=2)
    assert (answer["served"], answer["n_unknown_items"]) == ("folded_in", 1)
    assert answer["items"][0]["item"] == "lemon"


def test_a_request_for_nobody_gets_the_popularity_list(client: httpx.Client) -> None:
    for body in ({}, {"user_id": "stranger"}, {"history": ["?"]}):
        answer = post(client, "/recommend", **body)
        assert (answer["served"], answer["fallback"]) == ("popularity_fallback", True)
        assert {i["item"] for i in answer["items"][:2]} == {"tea", "lemon"}


def test_seen_and_excluded_items_are_not_listed(client: httpx.Client) -> None:
    listed = post(client, "/recommend", user_id="anna", exclude=["cup"])["items"]
    assert [i["item"] for i in listed] == ["coffee"]
    everything = post(client, "/recommend", user_id="anna", filter_seen="none")["items"]
    assert len(everything) == 4


def test_equal_requests_get_equal_lists(client: httpx.Client) -> None:
    first, second = (post(client, "/recommend", history=["tea"]) for _ in range(2))
    assert first["items"] == second["items"]
    assert first["request_id"] != second["request_id"]


def test_example_requests_of_the_bundles_work(client: httpx.Client, bundles_folder: Path) -> None:
    for name, path in (("top_n", "/recommend"), ("churn", "/churn"), ("value", "/value")):
        post(client, path, **json.loads((bundles_folder / name / "request.json").read_text()))


def test_similar_items_and_a_basket(client: httpx.Client) -> None:
    like = post(client, "/similar", item="tea", k=1)
    assert [i["item"] for i in like["items"]] == ["lemon"]  # bought together twice, the cup once
    assert (like["served"], like["level"]) == ("similar_items", 1)
    assert like["items"][0]["reason"] == "because of tea"
    basket = post(client, "/recommend", basket=["tea", "lemon"], user_id="carl", k=1)
    assert (basket["items"][0]["item"], basket["served"]) == ("cup", "basket")


def test_rules_of_a_request(client: httpx.Client) -> None:
    only = post(client, "/recommend", user_id="bert", filter_seen="none", rules={"allow": ["tea"]})
    assert [i["item"] for i in only["items"]] == ["tea"]
    pinned = post(client, "/recommend", user_id="anna", k=2, rules={"pinned": ["coffee"]})
    assert [i["item"] for i in pinned["items"]] == ["coffee", "cup"]


def test_nothing_known_of_a_customer_is_looked_at_unless_it_is_personalised(
    client: httpx.Client,
) -> None:
    answer = post(client, "/recommend", user_id="anna", personalised=False)
    assert (answer["served"], answer["level"]) == ("not_personalised", 4)
    assert answer["items"] == post(client, "/recommend", personalised=False)["items"]
    churn = post(client, "/churn", user_id="anna", personalised=False)
    assert (churn["churn_probability"], churn["served"]) == (0.5, "population_fallback")


def test_one_setting_turns_off_all_personal_answers(served: Callable[..., Any]) -> None:
    client = served(personalised=False).client
    answer = post(client, "/recommend", user_id="anna", history=["tea"], personalised=True)
    assert answer["served"] == "not_personalised"
    given = post(client, "/churn", features={"days_since_last": 50})
    assert given["served"] == "population_fallback"


def test_a_batch_is_answered_as_its_requests_one_by_one(client: httpx.Client) -> None:
    wanted = [{"user_id": "anna", "k": 1}, {"history": ["tea"], "k": 3}, {}]
    many = post(client, "/batch", recommend=wanted, churn=[{"user_id": "bert"}], value=[{}])
    for one, answer in zip(wanted, many["recommend"], strict=True):
        assert answer["items"] == post(client, "/recommend", **one)["items"]
    assert many["churn"][0]["churn_probability"] == pytest.approx(0.82)
    assert many["value"][0]["expected_value"] == 20.0
    assert len({a["request_id"] for a in many["recommend"]}) == 3
    assert post(client, "/batch") == {"recommend": [], "churn": [], "value": []}


def test_version_names_growthlab_and_the_models(client: httpx.Client) -> None:
    message = client.get("/version").json()
    assert message["growthlab"] == version("growthlab")
    assert message["models"]["champion"]["churn"]["name"] == "recency_rule"


def test_churn_for_known_customers_features_and_nobody(client: httpx.Client) -> None:
    known = post(client, "/churn", user_id="anna")
    assert known["churn_probability"] == pytest.approx(0.18)
    assert (known["served"], known["horizon_days"]) == ("known", 28.0)
    given = post(client, "/churn", user_id="anna", features={"days_since_last": 50})
    assert (given["churn_probability"], given["served"]) == (pytest.approx(0.5), "features")
    missing = post(client, "/churn", features={"days_since_last": None})
    assert missing["churn_probability"] == 0.3
    nobody = post(client, "/churn")
    assert (nobody["churn_probability"], nobody["served"]) == (0.5, "population_fallback")
    assert nobody["fallback"] is True


def test_value_of_an_unknown_customer_is_the_mean_of_the_population(client: httpx.Client) -> None:
    answer = post(client, "/value", user_id="stranger")
    assert (answer["expected_value"], answer["served"]) == (20.0, "population_fallback")
    assert answer["model"]["name"] == "recency_rule"


@pytest.mark.parametrize(
    ("path", "body", "message"),
    [
        ("/recommend", {"user": "anna"}, "there is no such field: did you mean user_id"),
        ("/recommend", {"rules": {"price_maxx": 1}}, "no such field: did you mean price_max"),
        ("/batch", {"recommend": [{}, {"rules": {"pined": []}}]}, "did you mean pinned"),
        ("/recommend", {"item": "tea"}, "there is no such field"),
        ("/recommend", {"k": 0}, "greater than or equal to 1"),
        ("/recommend", {"k": 1001}, "less than or equal to 1000"),
        ("/recommend", {"k": "many"}, "valid integer"),
        ("/recommend", {"history": ["tea"] * 10_001}, "at most 10000 items"),
        ("/recommend", {"history": "tea"}, "valid array"),
        ("/recommend", {"history": [1]}, "valid string"),
        ("/recommend", {"user_id": "x" * 257}, "at most 256 characters"),
        ("/recommend", {"filter_seen": "some"}, "'none', 'purchased' or 'interacted'"),
        ("/recommend", [], "should be an object"),
        ("/recommend", b"{", "JSON"),
        ("/recommend", b'{"user_id": "\\ud800"}', "JSON"),
        ("/recommend", b'{"k": NaN}', "valid integer"),
        ("/churn", {"features": {"days_since_lats": 1}}, "did you mean days_since_last"),
        ("/churn", {"features": {"days_since_last": "long"}}, "is a number, got a text"),
        ("/churn", b'{"features": {"days_since_last": Infinity}}', "finite"),
        ("/churn", b'{"features": {"days_since_last": 1%s}}' % (b"0" * 400), "valid"),
        ("/churn", {"history": ["tea"]}, "there is no such field: possible: features"),
        ("/value", {"features": {"x" * 300: 1}}, "at most 256 characters"),
        ("/recommend", {"personalised": "no"}, "valid boolean"),
        ("/recommend", {"rules": {"categories": ["hats"]}}, "has no column category"),
        ("/recommend", {"rules": {"price_min": 2, "price_max": 1}}, "is above"),
        ("/recommend", {"rules": {"colour": "red"}}, "there is no such field: possible: allow"),
        ("/similar", {}, "Field required"),
        ("/batch", {"churn": [{}] * 200, "value": [{}] * 57}, "at most 256 requests, got 257"),
        ("/batch", {"recommend": [{"k": 1000}] * 21}, "add up to at most 20000"),
        (
            "/batch",
            {"churn": [{}, {"features": {"x": 1}}]},
            "no such feature: possible: days_since_last",
        ),
        ("/feedback", {"request_id": "1", "event": "click"}, "should match pattern"),
    ],
)
def test_bad_requests_get_422_with_a_reason(
    client: httpx.Client, path: str, body: Any, message: str
) -> None:
    assert message in refused(client, path, body)


def test_a_refusal_does_not_repeat_the_input(client: httpx.Client) -> None:
    assert "secret-name" not in refused(client, "/recommend", {"user_id": ["secret-name"]})


def test_the_service_s_own_policy_holds_where_a_request_has_none(
    served: Callable[..., Any],
) -> None:
    client = served(filter_seen="none").client

    def had(**body: Any) -> set[str]:
        return {i["item"] for i in post(client, "/recommend", user_id="anna", **body)["items"]} & {
            "tea",
            "lemon",
        }

    assert had() == {"tea", "lemon"}
    assert had(filter_seen="purchased") == set()


def test_what_watches_may_ask_for_the_head_alone(client: httpx.Client) -> None:
    for path in ("/health", "/ready"):
        message = client.head(path)
        assert (message.status_code, message.content) == (200, b"")


def test_health_names_the_bundles(client: httpx.Client) -> None:
    health = client.get("/health").json()
    assert health["status"] == "ok"
    assert sorted(health["bundles"]) == ["churn", "top_n", "value"]
    assert health["bundles"]["top_n"]["n_known_users"] == 3
    assert health["bundles"]["top_n"]["no_lookup"] == ""


def test_openapi_document_and_docs_are_there(client: httpx.Client) -> None:
    document = client.get("/openapi.json").json()
    answering = {"/recommend", "/similar", "/churn", "/value", "/batch", "/feedback"}
    assert set(document["paths"]) == answering | {"/health", "/ready", "/metrics", "/version"}
    for path in answering:
        name = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]
        schema = document["components"]["schemas"][name["schema"]["$ref"].rpartition("/")[2]]
        assert schema["examples"], path


def test_the_documentation_needs_nothing_from_elsewhere(client: httpx.Client) -> None:
    page = client.get("/docs").text
    loaded = re.findall(r'(?:src|href)="([^"]*)"', page)
    assert sorted(loaded) == ["/docs/swagger-ui-bundle.js", "/docs/swagger-ui.css", "data:,"]
    assert "url: '/openapi.json'" in page
    assert client.get("/docs/swagger-ui.css").headers["content-type"].startswith("text/css")
    assert "SwaggerUIBundle" in client.get("/docs/swagger-ui-bundle.js").text
    assert client.get("/redoc").status_code == 404


def test_a_task_without_a_bundle_answers_404(
    served: Callable[..., Any], bundles_folder: Path
) -> None:
    client = served(bundles_folder / "churn").client
    response = client.post("/recommend", json={})
    assert response.status_code == 404
    message = "no top_n bundle is loaded; this service answers /churn"
    assert response.json()["detail"] == message
    assert post(client, "/churn", user_id="bert")["churn_probability"] == pytest.approx(0.82)


def test_another_key_shows_in_health(
    served: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GROWTHLAB_PSEUDONYM_KEY", "x" * 40)
    client = served().client
    message = client.get("/health").json()["bundles"]["top_n"]["no_lookup"]
    assert message.startswith("known users cannot be looked up: the key here is")


def test_paths_without_or_with_two_bundles_of_a_task_are_refused(
    tmp_path: Path, bundles_folder: Path
) -> None:
    with pytest.raises(BundleError, match="no bundle, and no folder of bundles"):
        Service(ServiceOptions(bundle=str(tmp_path)))
    with pytest.raises(BundleError, match=r"is no bundle: it has no manifest\.json"):
        Service(ServiceOptions(bundle=str(tmp_path / "nowhere")))
    for name in ("one", "two"):
        (tmp_path / name).symlink_to(bundles_folder / "churn")
    with pytest.raises(BundleError, match="both answer churn: name one of them"):
        Service(ServiceOptions(bundle=str(tmp_path)))


def test_a_taken_port_is_one_clear_line(client: httpx.Client, bundles_folder: Path) -> None:
    port = client.base_url.port
    assert port is not None
    with pytest.raises(ConfigError, match=rf"cannot listen on 127\.0\.0\.1:{port}"):
        serve(ServiceOptions(bundle=str(bundles_folder), port=port))


def test_answers_are_sent_at_once() -> None:
    # asyncio sets TCP_NODELAY only on a socket that names its protocol; without it an answer waits
    # some 40 ms for the client's acknowledgement
    with listen("127.0.0.1", 0) as listener:
        assert listener.proto == socket.IPPROTO_TCP


def test_serve_answers_until_it_is_stopped(bundles_folder: Path) -> None:
    words = [f"bundle={bundles_folder}", "port=0"]
    command = [sys.executable, "-m", "growthlab.serving", *words]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        line = next(line for line in process.stderr if "documentation at" in line)
        address = line.split("documentation at ")[1].strip().removesuffix("/docs")
        transport = httpx.HTTPTransport(retries=5)
        with httpx.Client(base_url=address, transport=transport) as client:
            assert client.get("/ready").json() == {"ready": True}
    finally:
        process.terminate()
        process.stderr.close()
        assert process.wait(PATIENCE) in (0, -15)


def test_the_service_imports_nothing_of_the_laboratory() -> None:
    code = (
        "import sys, growthlab.serving.__main__;"
        "heavy = {'torch', 'mlflow', 'hydra', 'pandas', 'duckdb', 'sklearn', 'pyarrow'};"
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
