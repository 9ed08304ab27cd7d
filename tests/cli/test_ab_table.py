"""growthlab ab table: an experiment on the timeline becomes a table, and task=uplift learns from it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tests.cli.conftest import Workspace

N = 400
START = pd.Timestamp("2025-03-10 09:00")
TABLE = (
    "data=tabular_file",
    "data.path=events.csv",
    "timeline.event=message",
    "control=none",
    "outcome=any purchase",
    "days=7",
    "output=campaign.parquet",
)


def events() -> pd.DataFrame:
    """Half of the customers got a text on one of two days; it works for those who bought twice before."""
    number = np.arange(N)
    users = [f"u{i:03d}" for i in number]
    texted, often = number % 2 == 1, number % 4 < 2
    at = START + pd.to_timedelta((number % 8 >= 4).astype(int), unit="D")
    sent = pd.DataFrame({"user_id": users, "timestamp": at, "event_type": "message"})
    sent["channel"] = np.where(texted, "text", "none")
    random = np.random.default_rng(0)
    buys = random.uniform(size=N) < np.where(texted & often, 0.7, 0.2)
    bought = sent.assign(event_type="purchase", channel="web", item_id="tea", unit_price=2.0)
    days = pd.to_timedelta
    parts = [
        sent,
        sent[:100].assign(timestamp=at[:100] + days(1, unit="D")),  # a second one does not count
        bought.assign(timestamp=at - days(random.uniform(2, 60, N).round(), unit="D")),
        bought[often].assign(timestamp=at[often] - days(80, unit="D")),
        bought.assign(timestamp=at - days(2, unit="h")),  # on the day, before the message
        bought[buys].assign(timestamp=at[buys] + days(3, unit="D")),
        bought[:1].assign(user_id="stranger", timestamp=START + days(30, unit="D")),
        bought[:50].assign(timestamp=at[:50] + days(20, unit="D")),  # too late to be an outcome
    ]
    return pd.concat(parts, ignore_index=True)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A folder with the log."""
    workspace = Workspace(tmp_path_factory.mktemp("timeline"))
    events().to_csv(workspace.folder / "events.csv", index=False)
    return workspace


@pytest.fixture(scope="module")
def printed(shop: Workspace) -> str:
    """What the command printed."""
    done = shop.growthlab("ab", "table", *TABLE, "data.user_ids=plain")
    assert done.status == 0, done.err
    return done.out


@pytest.fixture(scope="module")
def rows(shop: Workspace, printed: str) -> pd.DataFrame:
    """The table that it wrote."""
    table = pd.read_parquet(shop.folder / "campaign.parquet")
    return table.set_index("user_id").sort_index()


def test_a_row_a_customer_has_the_first_message_as_its_assignment(rows: pd.DataFrame) -> None:
    log = events()
    sent = log[log["event_type"] == "message"].groupby("user_id")["timestamp"].min()
    assert rows.index.tolist() == sent.index.tolist()
    assert (rows["date"] == sent).all()
    assert rows["arm"].value_counts().to_dict() == {"none": 200, "text": 200}
    assert (rows["probability of text"] == 0.5).all()


def test_the_outcome_is_of_the_days_after_the_assignment(rows: pd.DataFrame) -> None:
    log = events()
    bought = log[log["event_type"] == "purchase"].join(rows["date"], on="user_id")
    after = (bought["timestamp"] - bought["date"]).dt.days
    expected = bought[(after >= 0) & (after < 7)].groupby("user_id").size()
    assert (rows["label"] == rows.index.isin(expected.index)).all()
    assert (rows["label_date"] - rows["date"] == pd.Timedelta(days=7)).all()


def test_features_know_nothing_of_the_day_of_the_assignment(rows: pd.DataFrame) -> None:
    assert (rows["features_date"] == rows["date"].dt.floor("D")).all()
    log = events()
    before = log[log["event_type"] == "purchase"].join(rows["features_date"], on="user_id")
    orders = before[before["timestamp"] < before["features_date"]].groupby("user_id").size()
    # the purchase two hours before the message is not among them
    assert rows["orders"].tolist() == orders.reindex(rows.index).tolist()


def test_the_command_that_it_prints_learns_from_the_table(shop: Workspace, printed: str) -> None:
    import shlex

    (line,) = [line for line in printed.splitlines() if line.startswith("next: ")]
    words = shlex.split(line.removeprefix("next: growthlab "))
    fast = ["models=[everybody,t_logistic]", "metrics=[uplift/rate_qini,uplift/average_effect]"]
    done = shop.growthlab(*words, *fast, "intervals.resamples=20", "split.by=share")
    assert done.status == 0, done.err
    assert "t_logistic" in done.out


@pytest.mark.parametrize(
    ("word", "line"),
    [
        ("days=0", "days=0 must be a whole number of days"),
        ("days=300", "these days are over for no customer"),
        ("outcome=purchase/message", "is a ratio, and a customer needs one number"),
        ("outcome=orders", "there is no outcome orders"),
        ("control=nothing", "control=nothing is no arm of the experiment"),
        ("timeline.event=letter", "the log has no such event"),
        ("timeline.event=null", "give one of them"),
        ("data=hillstrom", "has a row a customer and no events"),
        ("output=campaign.txt", "campaign.txt"),
    ],
)
def test_a_mistake_is_one_line(shop: Workspace, word: str, line: str) -> None:
    name = word.partition("=")[0]
    words = [w for w in TABLE if w.partition("=")[0] != name]
    words = [w for w in words if not (name == "data" and w.startswith("data"))]
    assert line in shop.growthlab("ab", "table", *words, word).mistake


def test_a_customer_in_two_arms_is_refused(shop: Workspace) -> None:
    both = events()
    other = both[:1].assign(channel="none" if both["channel"][0] == "text" else "text")
    pd.concat([both, other]).to_csv(Path(shop.folder) / "two.csv", index=False)
    words = [w for w in TABLE if not w.startswith("data.path")]
    done = shop.growthlab("ab", "table", *words, "data.path=two.csv")
    assert "customers are in two arms" in done.mistake
