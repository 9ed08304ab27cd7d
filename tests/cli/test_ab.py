"""growthlab ab: from tables, exposures of other tools and a timeline; what it writes, and mistakes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient

from growthlab.cli.main import main
from growthlab.data.simulated_shop import SimulatedShop

N = 2000


@pytest.fixture(scope="module")
def exposures() -> pd.DataFrame:
    """Customers in two arms, exposed over ten days."""
    rng = np.random.default_rng(0)
    start = pd.Timestamp("2025-03-01")
    return pd.DataFrame(
        {
            "user_id": [f"u{i}" for i in range(N)],
            "arm": np.where(np.arange(N) % 2 == 0, "control", "new"),
            "exposed_at": start + pd.to_timedelta(rng.uniform(0, 10, N), unit="D"),
        }
    )


@pytest.fixture(scope="module")
def orders(exposures: pd.DataFrame) -> pd.DataFrame:
    """Orders in the 20 days before and after each exposure, more of them after it in the new arm."""
    rng = np.random.default_rng(1)
    rate = rng.gamma(2.0, 0.5, N)
    rows = []
    for sign, factor in ((-1, 1.0), (1, np.where(exposures["arm"] == "new", 1.5, 1.0))):
        n = rng.poisson(rate * factor)
        places = np.repeat(np.arange(N), n)
        days = pd.to_timedelta(sign * rng.uniform(0.01, 20, len(places)), unit="D")
        rows.append((places, exposures["exposed_at"].to_numpy()[places] + days))
    places = np.concatenate([p for p, _ in rows])
    times = np.concatenate([t for _, t in rows])
    revenue = rng.gamma(4.0, 5.0, len(places)).round(2)
    ids = exposures["user_id"].to_numpy()[places]
    return pd.DataFrame({"user_id": ids, "timestamp": times, "order": 1, "revenue": revenue})


@pytest.fixture
def files(
    exposures: pd.DataFrame, orders: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """The folder with both tables, where the command runs."""
    monkeypatch.chdir(tmp_path)
    exposures.to_csv("exposures.csv", index=False)
    orders.to_csv("orders.csv", index=False)
    return tmp_path


WORDS = ["ab", "exposures.path=exposures.csv", "exposures.exposed_at=exposed_at", "name=trial"]
EVENTS = ["events.path=orders.csv", "window.after=7", "window.before=14"]
OUTCOMES = "outcomes=[revenue, any order, revenue/order]"


def test_exposures_and_orders_give_a_verdict_a_page_and_a_run(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*WORDS, *EVENTS, OUTCOMES, "guardrails={order: -0.1}"]) == 0
    out = capsys.readouterr().out
    assert "new raised revenue: +" in out
    content = json.loads((files / "reports/trial/ab.json").read_text())
    arm = content["arms"]["new"]
    assert arm["primary"]["relative_low"] < 0.5 < arm["primary"]["relative_high"]
    assert arm["guardrails"][0]["standing"] == "held"
    # the period before narrows the interval, and the days are there
    assert {a["covariate"] for a in arm["adjusted"]} == {"before revenue", "before any order"}
    assert arm["adjusted"][0]["variance_left"] < 0.98
    assert len(arm["course"]["by_day"]["difference"]) == 7
    # days add up to the whole for those who were observed on all of them
    total = sum(arm["course"]["by_day"]["difference"])
    assert total == pytest.approx(arm["primary"]["difference"])
    page = (files / "reports/trial/ab.html").read_text()
    assert "What may not be concluded" in page
    client = MlflowClient(f"sqlite:///{files}/mlflow.db")
    (run,) = client.search_runs([client.get_experiment_by_name("trial/ab").experiment_id])  # type: ignore[union-attr]
    assert run.data.tags["claim"] == "ab_effect"
    assert run.data.metrics["ab_effect/new/revenue/relative"] == pytest.approx(
        arm["primary"]["relative"]
    )
    names = {file.path for file in client.list_artifacts(run.info.run_id)}
    assert names == {"config.yaml", "ab.html", "ab.json", "effects.csv"}


@pytest.mark.parametrize(("tool", "arm"), [("growthbook", "variation_id"), ("statsig", "group_id")])
def test_exposures_of_other_tools_are_read_by_their_shape(
    tool: str, arm: str, files: Path, exposures: pd.DataFrame
) -> None:
    shaped = exposures.rename(columns={"exposed_at": "timestamp"})
    shaped = shaped.assign(
        **{arm: (shaped["arm"] == "new").astype(int), "experiment_id": "checkout"}
    )
    again = shaped.assign(timestamp=shaped["timestamp"] + pd.Timedelta(days=1))
    other = shaped.assign(experiment_id="other", **{arm: 1 - shaped[arm]})
    pd.concat([again, shaped, other]).drop(columns="arm").to_csv("tool.csv", index=False)
    words = [f"exposures={tool}", "exposures.path=tool.csv", "control='0'", "name=checkout"]
    assert main(["ab", *words, "events.path=orders.csv", "window.after=7", OUTCOMES]) == 0
    assert main([*WORDS, "events.path=orders.csv", "window.after=7", OUTCOMES]) == 0
    theirs = json.loads((files / "reports/checkout/ab.json").read_text())["arms"]["1"]
    ours = json.loads((files / "reports/trial/ab.json").read_text())["arms"]["new"]
    assert theirs["primary"]["difference"] == pytest.approx(ours["primary"]["difference"])


def test_a_broken_split_ends_with_its_own_status(files: Path, exposures: pd.DataFrame) -> None:
    exposures[(exposures["arm"] == "new") | (np.arange(N) % 10 < 6)].to_csv(
        "exposures.csv", index=False
    )
    assert main([*WORDS, *EVENTS, OUTCOMES]) == 3
    assert "No verdict" in (files / "reports/trial/ab.html").read_text()
    assert not (files / "reports/trial/effects.csv").exists()


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["control=old"], "control=old is no arm"),
        (["outcomes=[]"], "outcomes=[] leaves nothing to compare"),
        (["outcomes=[income]"], "there is no outcome income"),
        (["exposures.path=none.csv"], "there is no such file"),
        (["exposures.arm=group"], "has no column group (exposures.arm)"),
        (["guardrails={order: 2}"], "must be the tolerated relative change"),
        (["covariates={ordr: order}"], "covariates.ordr is no outcome: did you mean order"),
        (["roi.outcome=revenue", "roi.cost=-1"], "roi.cost must be above 0, got -1"),
        (["sequential=msprt"], "sequential=msprt needs planned_effect"),
        (["sequential=daily"], "sequential must be msprt or confidence_sequence"),
        (["segments=[town]"], "segments=town: the customers have no such column"),
        (["window.after=0"], "window.after must be a whole number of days of 1 or more"),
        (["window.after=400"], "these days are over for no customer"),
        (["shares={control: 1}"], "shares must give each of the arms"),
        (["name=../x"], "cannot name a folder"),
        (["alpha=1"], "alpha must lie between 0 and 0.5"),
        (["timeline.event=message"], "timeline.event needs data="),
        (["exposures.exposed_at=null"], "outcomes with times need exposures.exposed_at"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_no_report(
    words: list[str], line: str, files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [*WORDS, *EVENTS, "outcomes=[revenue,order]"]
    keys = {word.partition("=")[0] for word in words}
    assert main([w for w in given if w.partition("=")[0] not in keys] + words) == 2
    err = capsys.readouterr().err
    assert line in err
    assert err.count("growthlab: ") == 1
    assert not (files / "reports").exists()


@pytest.mark.parametrize(
    ("column", "setting", "shift", "line"),
    [
        ("measured", "outcome_at", -1, "outcomes (measured) lie before the exposure"),
        ("measured", "features_at", 1, "features (measured) were measured after the exposure"),
    ],
)
def test_times_in_the_wrong_order_are_refused(
    column: str,
    setting: str,
    shift: int,
    line: str,
    files: Path,
    exposures: pd.DataFrame,
    capsys: pytest.CaptureFixture[str],
) -> None:
    times = exposures["exposed_at"] + pd.Timedelta(days=shift)
    exposures.assign(measured=times, spend=1.0).to_csv("exposures.csv", index=False)
    assert main([*WORDS, f"exposures.{setting}={column}", "outcomes=[spend]"]) == 2
    assert line in capsys.readouterr().err


def test_outcomes_before_the_assignment_alone_are_refused(
    files: Path, orders: pd.DataFrame, capsys: pytest.CaptureFixture[str]
) -> None:
    early = orders.assign(timestamp=pd.to_datetime(orders["timestamp"]) - pd.Timedelta(days=90))
    early.to_csv("orders.csv", index=False)
    assert main([*WORDS, "events.path=orders.csv", "outcomes=[order]"]) == 2
    assert "outcomes before the assignment cannot follow from it" in capsys.readouterr().err


SHOP = ["data=simulated_shop", "data.users=1500", "data.items=60", "data.days=120"]


def test_a_timeline_has_the_outcomes_of_assigned_customers(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shop = SimulatedShop(users=1500, items=60, days=120).read()
    users = shop.query("SELECT DISTINCT user_id FROM events ORDER BY 1")
    users["arm"] = np.where(np.arange(len(users)) % 2 == 0, "control", "new")
    users.assign(exposed_at="2025-03-01").to_csv("assigned.csv", index=False)
    words = ["exposures.path=assigned.csv", "exposures.exposed_at=exposed_at", "name=shop"]
    window = ["window.after=14", "window.before=14"]
    assert main(["ab", *SHOP, *words, *window, "outcomes=[revenue,any purchase,view]"]) == 0
    arm = json.loads((files / "reports/shop/ab.json").read_text())["arms"]["new"]
    assert arm["primary"]["control"] > 0
    assert len(arm["course"]["by_day"]["p"]) == 14


def test_an_event_of_the_timeline_can_be_the_exposure(files: Path) -> None:
    start, users = pd.Timestamp("2025-03-01"), [f"u{i}" for i in range(200)]
    arms = ["text" if i % 2 else "none" for i in range(200)]
    sent = pd.DataFrame({"user_id": users, "event_type": "message", "channel": arms})
    bought = sent.assign(event_type="purchase", channel="web")
    events = [
        sent.assign(timestamp=start),
        sent.assign(timestamp=start + pd.Timedelta(days=1)),  # a second message does not count
        bought.assign(timestamp=start - pd.Timedelta(days=2)),
        bought[::2].assign(timestamp=start + pd.Timedelta(days=3)),
        bought[::3].assign(timestamp=start + pd.Timedelta(days=4)),
    ]
    frame = pd.concat(events).assign(item_id="tea", unit_price=2.0)
    frame.to_csv("events.csv", index=False)
    words = ["data=tabular_file", "data.path=events.csv", "timeline.event=message", "name=sent"]
    given = ["control=none", "outcomes=[any purchase,revenue]", "window.before=7"]
    assert main(["ab", *words, *given]) == 0
    arm = json.loads((files / "reports/sent/ab.json").read_text())["arms"]["text"]
    # everybody with none buys on the third day, a third of those with text on the fourth
    assert (arm["primary"]["control"], arm["primary"]["treatment"]) == (1.0, 0.33)
    assert arm["adjusted"][0]["covariate"] == "before any purchase"


def test_a_timeline_whose_events_are_no_experiment_is_refused(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["timeline.event=message", "control=email", "outcomes=[revenue]"]
    assert main(["ab", *SHOP, *words]) == 2  # every message of this shop is an e-mail
    assert "one arm only (email)" in capsys.readouterr().err
    assert main(["ab", *SHOP, "timeline.event=massage", "outcomes=[revenue]"]) == 2
    assert "timeline.event=massage: the log has no such event" in capsys.readouterr().err
    assert main(["ab", *SHOP, "outcomes=[revenue]"]) == 2
    assert "give one of them" in capsys.readouterr().err
