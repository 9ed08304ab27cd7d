"""The state of a bundle as of a later time: the model stays, and nobody sees half of it."""

from __future__ import annotations

import json
import shutil
import threading
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from growthlab.bundle.answers import PredictRequest, RecommendRequest
from growthlab.bundle.bundle import Bundle
from growthlab.bundle.manifest import MANIFEST, Manifest, Provenance, manifest_text
from growthlab.cli.main import main
from growthlab.core.build import build
from growthlab.core.errors import BundleError, DataError
from growthlab.data.cleaning import Cleaning
from growthlab.data.event_log import EventLog
from growthlab.export import refresh_state as refresh_module
from growthlab.export.refresh_state import refresh
from growthlab.export.write_bundle import write_estimator
from growthlab.ranking.rules import Rules
from growthlab.scorers.curve_row_scorer import CurveRowScorer
from growthlab.split.fold import Fold
from growthlab.tasks.base import Task
from growthlab.tasks.churn import Churn
from growthlab.tasks.data_defaults import with_data_defaults
from growthlab.tasks.top_n import TopN

ANNA, FRIDA = "anna.schmidt@example.org", "frida.berg@example.org"


def log_of(
    rows: list[tuple[str, str, str]], items: dict[str, list[object]] | None = None
) -> EventLog:
    """Purchases (user, item, day)."""
    events = pd.DataFrame(rows, columns=["user_id", "item_id", "timestamp"])
    events["timestamp"] = pd.to_datetime(events["timestamp"])
    table = None if items is None else pd.DataFrame(items)
    return EventLog.from_frames(events.assign(event_type="purchase"), table, name="corner_shop")


@pytest.fixture
def later() -> EventLog:
    """Anna has gone over to coffee, Frida is new, and so is the mug; the others are gone."""
    rows = [
        (ANNA, "coffee", "2024-03-02"),
        (ANNA, "mug", "2024-03-03"),
        (FRIDA, "tea", "2024-03-05"),
        (FRIDA, "cup", "2024-04-01"),
    ]
    items = {
        "item_id": ["coffee", "filter", "mug", "tea"],
        "price": [9.0, 2.5, 4.0, 6.0],
        "in_stock": [True, False, True, True],
    }
    return log_of(rows, items)


def sums_of(folder: Path) -> dict[str, str]:
    """The checksums of what is not the state."""
    files = Manifest.read(folder).files
    kept = {n for n in files if not n.startswith("state/") and n != "model_card.md"}
    return {n: files[n]["sha256"] for n in kept}


def test_histories_are_new_and_the_model_is_the_same(folder: Path, later: EventLog) -> None:
    before = sums_of(folder)
    manifest = refresh(folder, later, "corner_shop", task=TopN(), cutoff=datetime(2024, 3, 20))
    assert sums_of(folder) == before
    bundle = Bundle.load(folder)
    asked = [
        RecommendRequest(u, filter_seen="purchased")
        for u in (ANNA, FRIDA, "bert.jones@example.org")
    ]
    anna, frida, bert = bundle.recommend(asked, 6)
    assert (anna.served, anna.items[0].item) == ("known", "filter")
    assert (frida.served, frida.items[0].item) == ("known", "lemon")
    assert "cup" in {i.item for i in frida.items}  # bought after the cutoff
    assert bert.served == "popularity_fallback"
    assert (manifest.cutoff, manifest.state_cutoff) == (
        "2024-03-01T00:00:00",
        "2024-03-20T00:00:00",
    )
    assert manifest.counts["n_known_users"] == 2
    assert manifest.refreshed is not None
    assert "Known users: 2" in (folder / "model_card.md").read_text()
    assert [p.name for p in folder.parent.iterdir() if p.name.startswith(".")] == []


def test_prices_and_stock_are_those_of_the_data(folder: Path, later: EventLog) -> None:
    refresh(folder, later, "corner_shop", task=TopN())
    bundle = Bundle.load(folder)
    (answer,) = bundle.recommend([RecommendRequest(rules=Rules(in_stock=True))], 6)
    assert {i.item for i in answer.items} == {"coffee", "tea"}  # the others are not in the table
    (answer,) = bundle.recommend([RecommendRequest(rules=Rules(price_max=6))], 6)
    assert {i.item for i in answer.items} == {"tea", "filter"}


def test_without_a_cutoff_everything_counts_up_to_the_newest_event(
    folder: Path, later: EventLog
) -> None:
    assert refresh(folder, later, "corner_shop", task=TopN()).state_cutoff == "2024-04-01T00:00:01"
    (answer,) = Bundle.load(folder).recommend([RecommendRequest(FRIDA, filter_seen="purchased")], 6)
    assert "cup" not in {i.item for i in answer.items}


def test_a_customer_of_the_fit_keeps_the_code_by_which_the_model_knows_them(
    folder: Path, later: EventLog
) -> None:
    def code(user: str) -> int:
        bundle = Bundle.load(folder)
        state = bundle.list_maker.state  # type: ignore[union-attr]
        return int(state.user_codes[bundle.places([user])[0]])  # type: ignore[union-attr]

    before = code(ANNA)
    refresh(folder, later, "corner_shop", task=TopN())
    assert (code(ANNA), code(FRIDA)) == (before, -1)


def test_the_manifest_names_the_versions_before_each_refresh_and_their_cutoffs(
    folder: Path, later: EventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Manifest.read(folder)
    assert first.states == {first.version: "2024-03-01T00:00:00"}

    def refreshed(day: int) -> Manifest:
        return refresh(folder, later, "corner_shop", task=TopN(), cutoff=datetime(2024, 3, day))

    second, again = refreshed(10), refreshed(10)  # the same state is the same version
    assert again.version == second.version
    third = refreshed(11)  # no event is newer, and yet it is known that there is none
    assert list(third.states.items()) == [
        (first.version, "2024-03-01T00:00:00"),
        (second.version, "2024-03-10T00:00:00"),
        (third.version, "2024-03-11T00:00:00"),
    ]
    assert Manifest.read(folder) == third
    assert (
        "Customers known up to (UTC): 2024-03-11T00:00:00" in (folder / "model_card.md").read_text()
    )
    monkeypatch.setattr(refresh_module, "MOST_EARLIER", 2)
    fourth = refreshed(12)
    assert list(fourth.states) == [second.version, third.version, fourth.version]


def test_a_bundle_of_before_there_were_earlier_versions_loads_and_is_refreshed(
    folder: Path, later: EventLog
) -> None:
    path = folder / MANIFEST
    content = json.loads(path.read_text())
    del content["earlier"]
    path.write_text(manifest_text(content))
    first = Bundle.load(folder).manifest
    assert first.earlier == {}
    now = refresh(folder, later, "corner_shop", task=TopN())
    assert now.earlier == {first.version: "2024-03-01T00:00:00"}


def test_what_cannot_be_refreshed_is_one_line_and_changes_nothing(
    folder: Path, later: EventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (folder / "manifest.json").read_bytes()
    with pytest.raises(BundleError, match="is of the data set corner_shop, not of online_retail"):
        refresh(folder, later, "online_retail", task=TopN())
    with pytest.raises(DataError, match="no event before the cutoff is of an item of"):
        refresh(folder, log_of([(ANNA, "mug", "2024-03-02")]), "corner_shop", task=TopN())
    monkeypatch.setenv("GROWTHLAB_PSEUDONYM_KEY", "x" * 40)
    with pytest.raises(
        BundleError, match=r"can only be refreshed with its pseudonym key .* the one here"
    ):
        refresh(folder, later, "corner_shop", task=TopN())
    assert (folder / "manifest.json").read_bytes() == before


def shop_of(n_users: int, n_each: int, *more: tuple[str, str, str]) -> EventLog:
    """Customers who bought tea before 2024-03-01, one purchase after it, and `more`."""
    rows = [
        (f"user{n:03}", "tea", f"2024-02-{day + 1:02}")
        for n in range(n_users)
        for day in range(n_each)
    ]
    return log_of([*rows, ("user000", "tea", "2024-03-09"), *more])


def test_data_with_other_customers_or_events_than_the_bundle_knew_are_refused(
    folder: Path,
) -> None:
    known, cutoff = shop_of(100, 2), datetime(2024, 3, 1)
    refresh(folder, known, "corner_shop", task=TopN(), cutoff=cutoff, same_data=False)
    before = (folder / "manifest.json").read_bytes()
    for n_users, n_each, message in (
        # off by more than a fifth of 100 customers, or of their 200 purchases, to either side
        (121, 2, "as of 2024-03-01T00:00:00 this data has 121 known users, and .* 100: is it"),
        (79, 2, r"79 known users, and .* 100: .* give the data.\* settings"),
        (100, 3, "300 events of its items, and .* 200: .* same_data=false only where"),
        (100, 1, "100 events of its items, and .* 200: is it the same data set"),
    ):
        with pytest.raises(DataError, match=message):
            refresh(folder, shop_of(n_users, n_each), "corner_shop", task=TopN())
    assert (folder / "manifest.json").read_bytes() == before
    others = [(f"user{n:03}", "mug", "2024-02-01") for n in range(100)]  # of an item it knows not
    with_mugs = shop_of(85, 2, *others)
    assert refresh(folder, with_mugs, "corner_shop", task=TopN()).counts["n_events"] == 171


def test_who_has_enough_events_is_decided_by_what_is_known_at_the_cutoff(folder: Path) -> None:
    rows = [(ANNA, "tea", "2024-03-02"), (ANNA, "cup", "2024-03-03"), (FRIDA, "tea", "2024-03-02")]
    log = log_of([*rows, (FRIDA, "cup", "2024-03-20")])  # Frida's second is not known on the 9th
    cutoff, two = datetime(2024, 3, 9), Cleaning(min_user_events=2)
    now = refresh(
        folder, log, "corner_shop", task=TopN(), cutoff=cutoff, cleaning=two, same_data=False
    )
    assert (now.counts["n_known_users"], now.counts["n_events"]) == (1, 2)


def test_a_refresh_does_not_go_back_in_time_nor_before_the_first_event(folder: Path) -> None:
    before = (folder / "manifest.json").read_bytes()
    for log, cutoff, message in (
        (
            shop_of(5, 2),
            datetime(2020, 1, 1),
            "no event before cutoff=2020-01-01 00:00:00; the first is of 2024-02-01",
        ),
        (
            shop_of(5, 2),
            datetime(2024, 2, 15),
            r"^cutoff=2024-02-15 .* already knows its customers as of 2024-03-01T00:00:00",
        ),
        (
            log_of([(ANNA, "tea", "2024-02-02")]),
            None,
            "newest event is of 2024-02-02 .* give newer data",
        ),
    ):
        with pytest.raises(DataError, match=message):
            refresh(folder, log, "corner_shop", task=TopN(), cutoff=cutoff)
    assert (folder / "manifest.json").read_bytes() == before


def test_who_loads_while_it_is_refreshed_sees_one_state_or_the_other(
    folder: Path, later: EventLog
) -> None:
    other = log_of(
        [(ANNA, "tea", "2024-03-02"), ("gina", "tea", "2024-03-02"), ("hal", "cup", "2024-03-09")]
    )
    done = threading.Event()
    seen: set[tuple[str | None, int]] = set()
    faults: list[Exception] = []

    def look() -> None:
        while not done.is_set():
            try:
                bundle = Bundle.load(folder)
            except Exception as error:
                faults.append(error)
                return
            seen.add((bundle.manifest.state_cutoff, len(bundle.known_users)))

    watcher = threading.Thread(target=look)
    watcher.start()
    for log in [later, other] * 4:
        refresh(folder, log, "corner_shop", task=TopN(), cutoff=datetime(2024, 4, 2))
    done.set()
    watcher.join()
    assert faults == []
    assert seen <= {(None, 5), ("2024-04-02T00:00:00", 2), ("2024-04-02T00:00:00", 3)}
    assert len(seen) > 1


def test_churn_features_are_those_of_the_new_cutoff(
    tmp_path: Path, shop: EventLog, shop_fold: Fold, shop_source: object, provenance: Provenance
) -> None:
    from growthlab.config.compose import compose

    task = with_data_defaults(
        build(compose("train", ["task=churn"]).config.task, Task), shop_source
    )
    data = task.data(shop_fold)
    rule = CurveRowScorer(
        "days_since_last", np.array([0.0, 100.0]), np.array([0.0, 1.0]), missing=0.3
    )
    about = replace(
        provenance, task="churn", answer=Churn.answer, model="recency_rule", data="shop", filter_seen="none",
        cutoff=shop_fold.cutoff.isoformat(),
    )  # fmt: skip
    folder = tmp_path / "churn"
    write_estimator(folder, rule, about, customers=data.train.present, base=0.5)
    user = data.evaluated.user_ids[0]
    model = sums_of(folder)
    (before,) = Bundle.load(folder).predict([PredictRequest(user)])
    newest = shop.span()[1]
    refresh(folder, shop, "shop", task=task, cutoff=newest)
    (now,) = Bundle.load(folder).predict([PredictRequest(user)])
    last = shop.query(
        f"SELECT max(timestamp) AS t FROM events WHERE user_id = '{user}' "
        "AND event_type = 'purchase'"
    )["t"].item()
    assert now.value == pytest.approx((newest - last).total_seconds() / 86_400 / 100, abs=0.011)
    assert now.value != before.value
    assert sums_of(folder) == model


def test_the_command_refreshes_and_refuses_in_one_line(
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    events = tmp_path / "events.csv"
    events.write_text(f"user,item,day\n{ANNA},coffee,2024-03-02\n{FRIDA},tea,2024-03-05\n")
    shutil.move(folder, tmp_path / "shop")
    manifest = Manifest.read(tmp_path / "shop")
    replace(manifest, data="tabular_file", namespace="user/corner_shop").write(tmp_path / "shop")
    words = [
        "refresh",
        "bundle=shop",
        "data=tabular_file",
        f"data.path={events}",
        "data.event_type=purchase",
    ]
    columns = "data.columns={user_id:user,item_id:item,timestamp:day}"
    assert main([*words, columns]) == 0
    message = capsys.readouterr().out
    assert (
        "2 known users as of 2024-03-05T00:00:01 (before: 5 as of 2024-03-01T00:00:00)" in message
    )
    assert main([*words, columns, "task=churn"]) == 2
    assert "answers top_n, not churn: leave out task=" in capsys.readouterr().err
    assert main(["refresh", "bundle=nowhere"]) == 2
    assert "nowhere is no bundle" in capsys.readouterr().err
