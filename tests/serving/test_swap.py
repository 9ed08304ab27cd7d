"""Champion, challenger and shadow; and a new champion while requests come."""

from __future__ import annotations

import json
import shutil
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.patience import wait_until

from growthlab.core.errors import BundleError, ConfigError
from growthlab.serving import service
from growthlab.serving.refusals import Overloaded
from growthlab.serving.service import Service
from growthlab.serving.service_options import ServiceOptions
from growthlab.serving.swap import share_of

Write = Callable[..., None]
VARIANTS = ("champion", "challenger")


def refuses(requests: Any, k: int) -> Any:
    """The work of a model that takes every request for a mistake."""
    raise BundleError("there is no feature of this name")


def name_of(client: httpx.Client, **body: Any) -> str:
    return str(client.post("/recommend", json=body).json()["model"]["name"])


@pytest.fixture
def shop(tmp_path: Path, write_shop: Write, bundles_folder: Path) -> Path:
    """A folder with a champion named first."""
    write_shop(tmp_path / "shop", model="first")
    return tmp_path / "shop"


def test_a_new_champion_takes_over_without_a_dropped_request(
    served: Callable[..., Any], shop: Path, write_shop: Write
) -> None:
    client = served(shop, reload_seconds=0.05).client
    statuses: Counter[int] = Counter()
    names: list[str] = []
    end = threading.Event()

    def ask() -> None:
        with httpx.Client(base_url=client.base_url) as own:
            while not end.is_set():
                answer = own.post("/recommend", json={"user_id": "anna", "k": 1})
                statuses[answer.status_code] += 1
                names.append(answer.json()["model"]["name"])
                assert answer.json()["items"][0]["item"] == "cup"

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    wait_until(lambda: "first" in names)
    for number, name in enumerate(("second", "third"), start=1):
        write_shop(shop, model=name, overwrite=True)
        wait_until(lambda name=name: names[-1:] == [name])  # type: ignore[misc]
        assert f"growthlab_swaps_total {number}\n" in client.get("/metrics").text
    end.set()
    for thread in threads:
        thread.join()
    assert set(statuses) == {200}
    assert Counter(names).keys() == {"first", "second", "third"}


def test_a_link_that_leads_elsewhere_is_a_new_champion(
    served: Callable[..., Any], shop: Path, tmp_path: Path, write_shop: Write
) -> None:
    write_shop(tmp_path / "v2", model="second")
    current = tmp_path / "current"
    current.symlink_to(shop)
    client = served(current, reload_seconds=0.05).client
    assert name_of(client) == "first"
    (tmp_path / "next").symlink_to(tmp_path / "v2")
    (tmp_path / "next").replace(current)
    wait_until(lambda: name_of(client) == "second")


def test_a_broken_bundle_is_refused_and_the_old_one_stays(
    served: Callable[..., Any], shop: Path, write_shop: Write
) -> None:
    client = served(shop, reload_seconds=0.05).client

    def refused() -> str:
        return str(client.get("/health").json()["refused"].get(str(shop), ""))

    write_shop(shop, model="second", overwrite=True)
    wait_until(lambda: name_of(client) == "second")
    spoiled = json.loads((shop / "manifest.json").read_text())
    (shop / "manifest.json").write_text(json.dumps(spoiled | {"model": "a forgery"}))
    wait_until(lambda: "changed after it was written" in refused())
    assert name_of(client, user_id="anna") == "second"
    assert "growthlab_refused_bundles 1\n" in client.get("/metrics").text
    shutil.rmtree(shop)
    wait_until(lambda: "it is gone" in refused())
    assert name_of(client) == "second"
    write_shop(shop, model="third")
    wait_until(lambda: name_of(client) == "third")
    assert not refused()
    assert client.get("/ready").is_success


def test_a_bundle_of_another_task_does_not_take_the_place(
    served: Callable[..., Any], shop: Path, bundles_folder: Path
) -> None:
    client = served(shop, reload_seconds=0.05).client
    shutil.rmtree(shop)
    shutil.copytree(bundles_folder / "churn", shop)
    message = "it answers churn, and this folder top_n"
    wait_until(lambda: client.get("/health").json()["refused"].get(str(shop)) == message)
    assert name_of(client) == "first"


def test_of_two_that_come_together_one_is_used_and_newer_ones_are_still_looked_for(
    served: Callable[..., Any], tmp_path: Path, bundles_folder: Path, write_shop: Write
) -> None:
    live = tmp_path / "live"
    shutil.copytree(bundles_folder / "churn", live / "churn")
    running = served(live, reload_seconds=60)
    models = running.service.models
    for name in ("a", "b"):
        write_shop(live / name, model=name)
    models.put(models.newer())
    assert name_of(running.client) == "a"
    message = f"{live / 'a'} and {live / 'b'} both answer top_n: name one of them"
    assert models.refused == {str(live / "b"): message}
    assert models.newer() == []
    write_shop(live / "a", model="c", overwrite=True)
    models.put(models.newer())
    assert name_of(running.client) == "c"


def test_a_look_that_fails_is_not_the_last_one(
    served: Callable[..., Any], shop: Path, write_shop: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = served(shop, reload_seconds=0.05)
    models, failed = running.service.models, threading.Event()
    look = models.newer

    def newer() -> Any:
        if failed.is_set():
            return look()
        failed.set()
        raise PermissionError

    monkeypatch.setattr(models, "newer", newer)
    write_shop(shop, model="second", overwrite=True)
    wait_until(lambda: name_of(running.client) == "second")
    assert failed.is_set()


def test_a_share_of_the_users_is_the_challenger_s_and_always_the_same(
    served: Callable[..., Any], shop: Path, tmp_path: Path, write_shop: Write
) -> None:
    write_shop(tmp_path / "other", model="second")
    options = {"challenger": str(tmp_path / "other"), "challenger_share": 0.4}
    client = served(shop, **options).client
    users = [f"u{n}" for n in range(60)]
    first = {u: name_of(client, user_id=u) for u in users}
    assert first == {u: name_of(client, user_id=u, history=["tea"]) for u in users}
    expected = {u for u in users if share_of(u, b"growthlab") < 0.4}
    assert {u for u in users if first[u] == "second"} == expected
    nobody = Counter(name_of(client, user_id="u1", personalised=False) for _ in range(40))
    assert nobody.keys() == {"first", "second"}  # by the request, as nobody is looked at
    answer = client.post("/recommend", json={"user_id": min(expected)}).json()
    assert answer["variant"] == "challenger"


def test_a_batch_that_does_not_fit_one_model_is_given_to_none(
    served: Callable[..., Any],
    shop: Path,
    tmp_path: Path,
    write_shop: Write,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write_shop(tmp_path / "other", model="second")
    running = served(shop, challenger=str(tmp_path / "other"), challenger_share=0.5)
    worked: list[Any] = []

    def full(n: int) -> None:
        raise Overloaded

    champion, challenger = (running.service.models.of(v, "top_n") for v in VARIANTS)
    monkeypatch.setattr(challenger, "require_room", full)
    monkeypatch.setattr(champion, "ask", worked.append)
    body = {"recommend": [{"user_id": f"u{n}"} for n in range(20)]}
    assert running.client.post("/batch", json=body).status_code == 503
    assert worked == []


def test_shares_are_even_and_another_salt_draws_others() -> None:
    shares = [share_of(f"u{n}", b"salt") for n in range(2000)]
    assert sum(s < 0.1 for s in shares) == pytest.approx(200, abs=45)  # 3.3 of sqrt(2000*.1*.9)
    again = [share_of(f"u{n}", b"other") for n in range(2000)]
    both = sum(a < 0.5 and b < 0.5 for a, b in zip(shares, again, strict=True))
    assert both == pytest.approx(500, abs=65)  # independent: a quarter


def test_a_shadow_s_answers_are_logged_and_not_given(
    served: Callable[..., Any], shop: Path, tmp_path: Path, write_shop: Write
) -> None:
    write_shop(tmp_path / "other", model="second")
    path = tmp_path / "log.jsonl"
    client = served(shop, shadow=str(tmp_path / "other"), log=str(path)).client
    asked = [client.post("/recommend", json={"user_id": u}).json() for u in ("anna", "bert")]
    assert {a["model"]["name"] for a in asked} == {"first"}
    wait_until(lambda: path.read_text().count("\n") == 4)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    shadows = {x["request_id"]: x for x in lines if x["variant"] == "shadow"}
    assert shadows.keys() == {a["request_id"] for a in asked}
    for answer in asked:
        line = shadows[answer["request_id"]]
        assert line["model"] == "second"
        assert line["items"] == [i["item"] for i in answer["items"]]


def test_a_champion_without_look_up_does_not_replace_one_that_has_it(
    served: Callable[..., Any], shop: Path, write_shop: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = served(shop, reload_seconds=0.05).client
    with monkeypatch.context() as patch:
        patch.setenv("GROWTHLAB_PSEUDONYM_KEY", "x" * 40)
        write_shop(shop, model="second", overwrite=True)
    wait_until(
        lambda: "cannot be looked up" in client.get("/health").json()["refused"].get(str(shop), "")
    )
    answer = client.post("/recommend", json={"user_id": "anna"}).json()
    assert (answer["model"]["name"], answer["served"]) == ("first", "known")


def test_what_only_a_challenger_refuses_the_champion_answers(
    served: Callable[..., Any],
    shop: Path,
    tmp_path: Path,
    write_shop: Write,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write_shop(tmp_path / "other", model="second")
    path = tmp_path / "log.jsonl"
    options = {"challenger": str(tmp_path / "other"), "challenger_share": 0.5, "log": str(path)}
    running = served(shop, **options)
    challenger = running.service.models.of("challenger", "top_n")
    monkeypatch.setattr(challenger._batcher, "_work", refuses)
    users = [{"user_id": f"u{n}"} for n in range(20)]
    answers = running.client.post("/batch", json={"recommend": users}).json()["recommend"]
    assert {a["variant"] for a in answers} == {"champion"}
    wait_until(lambda: path.read_text().count("\n") == 20)
    assert '"status": 500' not in path.read_text()
    assert path.read_text().count('"assigned": "challenger"') == sum(
        share_of(user["user_id"], b"growthlab") < 0.5 for user in users
    )


def test_what_only_a_shadow_refuses_is_no_error(
    served: Callable[..., Any],
    shop: Path,
    tmp_path: Path,
    write_shop: Write,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write_shop(tmp_path / "other", model="second")
    path = tmp_path / "log.jsonl"
    running = served(shop, shadow=str(tmp_path / "other"), log=str(path))
    monkeypatch.setattr(running.service.models.of("shadow", "top_n")._batcher, "_work", refuses)
    assert running.client.post("/recommend", json={"user_id": "anna"}).is_success
    message = 'growthlab_served_total{task="top_n",variant="shadow",served="refused"} 1'
    wait_until(lambda: message in running.client.get("/metrics").text)
    assert running.client.post("/recommend", json={"user_id": "bert"}).is_success
    wait_until(lambda: path.read_text().count("\n") == 4)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    (_, *others) = [line for line in lines if line["variant"] == "shadow"]
    assert [line["variant"] for line in lines].count("champion") == 2
    for line in (_, *others):
        assert (line["served"], line["status"], line["items"]) == ("refused", 422, [])


def test_requests_for_which_a_shadow_had_no_time_are_lines_of_the_log(
    served: Callable[..., Any],
    shop: Path,
    tmp_path: Path,
    write_shop: Write,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write_shop(tmp_path / "other", model="second")
    path = tmp_path / "log.jsonl"
    monkeypatch.setattr(service, "LONGEST_SHADOW_QUEUE", 2)
    running = served(shop, shadow=str(tmp_path / "other"), log=str(path))
    running.service.busy = lambda: True  # the shadow never has time
    users = [{"user_id": f"u{n}"} for n in range(5)]
    assert running.client.post("/batch", json={"recommend": users}).is_success
    wait_until(lambda: path.read_text().count("\n") == 5 + 3)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    dropped = [line for line in lines if line["variant"] == "shadow"]
    assert [(x["served"], x["status"], x["model"]) for x in dropped] == [
        ("dropped", 429, "second")
    ] * 3
    assert "growthlab_shadow_dropped_total 3" in running.client.get("/metrics").text


def test_a_challenger_needs_a_champion(shop: Path, bundles_folder: Path) -> None:
    options = ServiceOptions(bundle=str(shop), challenger=str(bundles_folder / "churn"))
    with pytest.raises(ConfigError, match="there is no champion for the challenger of churn"):
        Service(options)
