"""Customers whose ids are e-mails, phone numbers and names: no byte that a command writes holds one."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
import pandas as pd
import pytest
from tests.cli.conftest import Workspace
from tests.written_bytes import traces_below

from growthlab.bundle.bundle import Bundle
from growthlab.core.csv_text import raw_text
from growthlab.core.private_files import private_files
from growthlab.core.pseudonyms import find_key
from growthlab.data.privacy import kept_ids_file
from growthlab.data.simulated_shop import SimulatedShop
from growthlab.serving.app import create_app
from growthlab.serving.service import Service
from growthlab.serving.service_options import ServiceOptions

GIVEN = (
    "anna.kowalska{n}@example.com",
    "+49 170 55512{n:03d}",
    "Jörg Beispielmann {n}",
    "王小明{n:03d}",
)
TRACES = ("kowalska", "55512", "beispielmann", "王小明")
SHOP = (
    "data=tabular_file",
    "data.path=events.csv",
    "data.users_path=users.csv",
    "data.personal_data={mail: drop, phone: hash, note: allow}",
)
FEW = ("intervals.resamples=0",)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """A shop's files, in a folder with temporary files and a key of its own."""
    with new_shop(tmp_path_factory.mktemp("home")) as made:
        yield made


@pytest.fixture
def untouched_shop(tmp_path: Path) -> Iterator[Workspace]:
    """The same shop, in which no other test has left raw ids that it asked for."""
    with new_shop(tmp_path) as made:
        yield made


@contextmanager
def new_shop(root: Path) -> Iterator[Workspace]:
    """See `shop`."""
    folders = {name: root / name for name in ("work", "temporary", "key")}
    for folder in folders.values():
        folder.mkdir()
    log = SimulatedShop(users=110, items=40, days=150).read()
    events = log.query(
        "SELECT user_id, item_id, event_type, timestamp, quantity, unit_price FROM events ORDER BY ALL"
    )
    names = {user: GIVEN[n % 4].format(n=n) for n, user in enumerate(events["user_id"].unique())}
    events["user_id"] = events["user_id"].map(names)
    events.to_csv(folders["work"] / "events.csv", index=False)
    users = pd.DataFrame({"user_id": list(names.values()), "plan": "gold"})
    users["mail"] = [f"anna.kowalska.{n}@example.org" for n in range(len(users))]
    users["phone"] = [f"+49 170 5551{n:04d}" for n in range(2000, 2000 + len(users))]
    users["note"] = (
        "called twice about a parcel that was late and wanted to know when it would come"
    )
    users.to_csv(folders["work"] / "users.csv", index=False)
    (folders["work"] / "days").mkdir()
    for day, rows in enumerate((events[:900], events[900:])):
        rows.to_csv(folders["work"] / "days" / f"{day}.csv", index=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GROWTHLAB_KEY_FILE", str(folders["key"] / "pseudonym.key"))
        patch.setenv("TMPDIR", str(folders["temporary"]))
        patch.setattr(tempfile, "tempdir", None)
        yield Workspace(folders["work"])


async def asked_of_a_service(shop: Workspace, users: list[str]) -> None:
    """The answers of a service for raw ids, which go to a request log."""
    options = {"bundle": shop.folder / "bundles", "log": shop.folder / "requests.jsonl"}
    service = Service(ServiceOptions(**{name: str(path) for name, path in options.items()}))
    service.start()
    transport = httpx.ASGITransport(create_app(service))
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
        for user in users:
            for path, more in (("/recommend", {"k": 3}), ("/churn", {})):
                answer = await client.post(path, json={"user_id": user, **more})
                assert answer.status_code == 200, answer.text
                assert answer.json()["served"] == "known"
    await service.stop()


def write_newer_events(shop: Workspace) -> None:
    """The shop's events, and each once more half a year later."""
    events = pd.read_csv(shop.folder / "events.csv")
    moments = pd.to_datetime(events["timestamp"], format="ISO8601")
    later = events.assign(timestamp=moments + pd.Timedelta(days=150))
    both = pd.concat([events.assign(timestamp=moments), later])
    both.to_csv(shop.folder / "newer.csv", index=False)


def test_no_byte_of_a_customer_leaves_the_door(untouched_shop: Workspace) -> None:
    shop = untouched_shop
    work = shop.folder
    users = pd.read_csv(work / "users.csv")["user_id"]
    said = ""
    for words in (
        ("prepare",),
        ("train", "model=recommend/item_knn", *FEW),
        ("compare", "models=[popularity,item_knn]", *FEW),
        ("compare", "task=churn", "models=[recency_rule,logistic]", *FEW),
        ("compare", "task=value", "models=[mean,past_spend]", *FEW),
        ("tune", "model=recommend/item_knn", "budget.trials=2"),
        ("describe",),
        ("portrait",),
        ("segment",),
        ("export", "task=top_n"),
        ("export", "task=churn"),
    ):
        done = shop.growthlab(words[0], *SHOP, *words[1:])
        assert done.status == 0, (words, done.err)
        said += done.out + done.err
    kept = shop.growthlab("prepare", "data=tabular_file", "data.path=days")
    assert kept.status == 0, kept.err
    failed = shop.growthlab("train", *SHOP, "model=recommend/bpr", "trainer.lr=1e30", *FEW)
    assert failed.status != 0
    said += failed.out + failed.err
    (run,) = [r for r in shop.all_runs() if r.data.tags.get("model") == "item_knn"][:1]
    dry = shop.growthlab("promote", "task=top_n", f"challenger={run.info.run_id}", "dry_run=true")
    said += dry.out + dry.err
    assert "Traceback" not in dry.err

    users.to_frame().to_csv(work / "asked.csv", index=False)
    for command, bundle in (("recommend", "tabular_file-top_n"), ("score", "tabular_file-churn")):
        output = f"output={command}.csv"
        done = shop.growthlab(command, f"bundle=bundles/{bundle}", "input=asked.csv", output)
        assert done.status == 0, done.err
        said += done.out + done.err
        answered = pd.read_csv(work / f"{command}.csv")["user_id"].map(raw_text)
        assert set(answered) == set(users), "answers carry the ids that were asked about"
    done = shop.growthlab(
        "reveal", "input=segments/tabular_file/rfm.parquet", "output=revealed.csv"
    )
    assert done.status == 0, done.err
    assert set(pd.read_csv(work / "revealed.csv")["user_id"].map(raw_text)) <= set(users)
    with private_files():
        asyncio.run(asked_of_a_service(shop, list(users[:8])))
    done = shop.growthlab("monitor", "bundle=bundles/tabular_file-top_n", "log=requests.jsonl")
    assert done.status == 0, done.err
    said += done.out + done.err
    write_newer_events(shop)
    newer = [word.replace("events.csv", "newer.csv") for word in SHOP]
    churn = "bundle=bundles/tabular_file-churn"
    done = shop.growthlab("monitor", churn, "log=requests.jsonl", *newer)
    assert done.status == 0, done.err
    assert re.search(r"^roc auc +[01]\.\d{4} ", done.out, re.MULTILINE), done.out
    said += done.out + done.err
    logged = [
        json.loads(line)["user"] for line in (work / "requests.jsonl").read_text().splitlines()
    ]
    bundle = Bundle.load(work / "bundles" / "tabular_file-top_n")
    assert set(logged) <= set(bundle.known_users)

    key = find_key()
    assert key is not None
    asked = {
        work / f"{name}.csv" for name in ("events", "newer", "users", "asked", "recommend", "score")
    }
    asked |= {work / "revealed.csv", kept_ids_file(key), *(work / "days").iterdir()}
    assert not traces_below(work.parent, TRACES, asked)
    assert not [trace for trace in TRACES if trace in said.lower()]


def test_the_search_finds_raw_ids_where_there_are_some(shop: Workspace) -> None:
    done = shop.growthlab("prepare", *SHOP, "privacy.user_ids=plain", "cache=plain")
    assert done.status == 0, done.err
    found = "".join(traces_below(shop.folder / "plain", TRACES))
    assert [trace for trace in TRACES if trace not in found] == []
    shutil.rmtree(shop.folder / "plain")


def test_files_of_customers_are_readable_by_their_owner_alone(shop: Workspace) -> None:
    assert shop.growthlab("prepare", *SHOP).status == 0
    given = {
        "events.csv",
        "newer.csv",
        "users.csv",
        "asked.csv",
        "days",
        "0.csv",
        "1.csv",
        "pyfunc_model.py",
    }  # the last is code of ours
    open_to_others = [
        str(path)
        for path in [*shop.folder.rglob("*"), *(shop.folder.parent / "key").iterdir()]
        if path.name not in given and path.stat().st_mode & 0o077
    ]
    assert not open_to_others


def test_the_service_and_the_evaluation_break_ties_alike(shop: Workspace) -> None:
    done = shop.growthlab("compare", *SHOP, "models=[popularity,personal_frequency]", *FEW)
    assert done.status == 0, done.err
    (run, *_) = [r for r in shop.all_runs() if r.data.tags.get("model") == "personal_frequency"]
    words = (f"run={run.info.run_id}", "to=ties", "register=false", "task=top_n")
    done = shop.growthlab("export", *SHOP, *words)
    assert done.status == 0, done.err
    bundle = Bundle.load(shop.folder / "ties")
    evaluated = shop.table(run, "recommendations.parquet")
    pairs = {names: raw for raw, names in _names(shop).items()}
    for user, rows in list(evaluated.groupby("user_id"))[:40]:
        (by_raw_id,) = bundle.recommend([bundle.customer_request(pairs[str(user)])])  # type: ignore[list-item]
        by_data_id = bundle.asked_by_data_ids().recommend([bundle.customer_request(str(user))])  # type: ignore[list-item]
        expected = rows.sort_values("rank")["item_id"].tolist()[: len(by_raw_id.items)]
        assert [item.item for item in by_raw_id.items] == expected
        assert [i.item for i in by_data_id[0].items] == [i.item for i in by_raw_id.items]


def test_lists_of_customers_may_hold_raw_ids(shop: Workspace) -> None:
    users = list(_names(shop))
    seeds = pd.DataFrame({"user_id": users[:40]})
    seeds.to_csv(shop.folder / "seeds.csv", index=False)
    settings = ("section.lookalike.seeds=seeds.csv", "section.lookalike.min_seeds=10")
    done = shop.growthlab("segment", *SHOP, "section=[lookalike]", *settings)
    assert done.status == 0, done.err
    found = pd.read_parquet(shop.folder / "segments" / "tabular_file" / "lookalike.parquet")
    assert set(found["user_id"]) <= set(_names(shop).values())
    risks = pd.DataFrame({"user_id": users, "churn_probability": np.linspace(0, 1, len(users))})
    risks.to_csv(shop.folder / "risks.csv", index=False)
    settings = ("section.risk_value.risk=risks.csv", "section.risk_value.value=null")
    done = shop.growthlab("segment", *SHOP, "section=[risk_value]", *settings)
    assert done.status == 0, done.err
    grid = pd.read_parquet(shop.folder / "segments" / "tabular_file" / "risk_value.parquet")
    assert len(grid) > 20
    assert set(grid["user_id"]) <= set(_names(shop).values())


def _names(shop: Workspace) -> dict[str, str]:
    """The pseudonym of each customer."""
    key = find_key()
    assert key is not None
    users = pd.read_csv(shop.folder / "users.csv")["user_id"]
    return dict(zip(users, map(str, key.pseudonyms("user", users)), strict=True))


def test_without_kept_ids_nothing_is_revealed(
    shop: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GROWTHLAB_KEY_FILE", str(tmp_path / "other.key"))
    done = shop.growthlab("segment", *SHOP, "privacy.keep_ids=false", "output=unkept")
    assert done.status == 0, done.err
    assert [path.name for path in tmp_path.iterdir()] == ["other.key"]
    words = ("input=unkept/tabular_file/rfm.parquet", "output=wrong.csv")
    assert "no original ids are kept" in shop.growthlab("reveal", *words).mistake
    assert not (shop.folder / "wrong.csv").exists()


def test_another_key_knows_nobody(
    shop: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = pd.DataFrame({"user_id": [*_names(shop).values()][:3], "n": np.arange(3)})
    frame.to_parquet(shop.folder / "three.parquet")
    words = ("input=three.parquet", "output=three_raw.parquet")
    assert shop.growthlab("prepare", *SHOP).status == 0
    assert shop.growthlab("reveal", *words).status == 0
    revealed = pd.read_parquet(shop.folder / "three_raw.parquet")
    assert revealed["n"].tolist() == [0, 1, 2]
    assert revealed["user_id"].tolist() == [*_names(shop)][:3]
    monkeypatch.setenv("GROWTHLAB_KEY_FILE", str(tmp_path / "other.key"))
    assert "there is no pseudonym key here" in shop.growthlab("reveal", *words).mistake
    assert shop.growthlab("prepare", *SHOP).status == 0  # makes that key, and keeps its ids
    assert "row 1: " in shop.growthlab("reveal", *words).mistake
