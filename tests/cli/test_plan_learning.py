"""From a plan to what happened, and from there to experiments, policies, effects and the next plan."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from tests.cli.conftest import Done, Workspace

N = 3000
OFFERS = ("free delivery", "gift")
ARMS = ("control=0.25", "explore=0.5", "explore_limit=1", "caps=[]", "smallest_segment=10")
LASTING = "lasting_control=0.2"
FAST = ("metrics=[uplift/rate_qini,uplift/skill]", "intervals.resamples=50")


def customers() -> pd.DataFrame:
    rng = np.random.default_rng(11)
    return pd.DataFrame(
        {
            "customer": [f"c{i:04d}" for i in range(N)],
            "segment": np.where(np.arange(N) % 2, "odd", "even"),
            "recency": rng.integers(0, 12, N),
        }
    )


def chances() -> dict[str | None, np.ndarray]:
    """The chance to buy by offer: free delivery works the better the later one bought, a gift harms."""
    recency = customers()["recency"].to_numpy()
    nothing = np.full(N, 0.3)
    return {
        None: nothing,
        "free delivery": nothing + 0.5 - 0.06 * recency,
        "gift": nothing - 0.1,
    }


def write_tables(folder: Path, day: str, arms: dict[str, str]) -> None:
    """A campaign in one channel on one day."""
    folder.mkdir()
    table = customers()
    table.to_csv(folder / "customers.csv", index=False)
    offers = [
        {"offer": offer, "cost": 0.5, **({"arm": arms[offer], "order_value": 10} if arms else {})}
        for offer in OFFERS
    ]
    (folder / "offers.yaml").write_text(yaml.safe_dump(offers))
    (folder / "channels.csv").write_text("channel,cost\nemail,0.01\n")
    (folder / "slots.csv").write_text(f"channel,slot\nemail,{day}T09:00\nemail,{day}T18:00\n")
    consent = pd.DataFrame(
        {"customer": table["customer"], "purpose": "marketing", "channel": "email", "given": "yes"}
    )
    consent.to_csv(folder / "consent.csv", index=False)
    evening = np.arange(N) % 2 == 1  # the only time at which anybody responded, one of two
    contacts = table[["customer"]].assign(
        channel="email",
        sent=np.where(evening, "2026-01-05T18:00", "2026-01-05T09:00"),
        responded=np.where(np.arange(N) % 4 == 1, "yes", "no"),
    )
    contacts.to_csv(folder / "contacts.csv", index=False)
    if not arms:
        both = pd.concat([table.assign(offer=offer) for offer in OFFERS])
        both = both.assign(expected_value_heuristic=12.0 - both["recency"])
        columns = ["customer", "offer", "expected_value_heuristic"]
        both[columns].to_csv(folder / "values.csv", index=False)


def answer_back(plan: Path, path: Path) -> None:
    """Orders of 10 each in the days after the plan, as their true chances have it."""
    rows = pd.read_parquet(plan).set_index("customer")
    drawn = np.random.default_rng(12).random(N)
    by_offer, offers = chances(), rows["offer"].reindex(customers()["customer"])
    chance = [by_offer[o if isinstance(o, str) else None][n] for n, o in enumerate(offers)]
    bought = drawn < np.array(chance)
    orders = pd.DataFrame({"user_id": customers()["customer"][bought], "bought": 1.0})
    orders["timestamp"] = "2026-03-04T12:00"
    late = pd.DataFrame({"user_id": ["c0000"], "bought": 1.0, "timestamp": "2026-04-01T12:00"})
    pd.concat([orders, late]).to_csv(path, index=False)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A plan of heuristic values, and what happened then."""
    workspace = Workspace(tmp_path_factory.mktemp("learning"))
    write_tables(workspace.folder / "march", "2026-03-02", {})
    words = ("tables=march", "campaign=march", "send_times=[6,14]", *ARMS)
    done = workspace.growthlab("plan", *words)
    assert done.status == 0, done.err
    answer_back(workspace.folder / "plans/march/plan.parquet", workspace.folder / "orders.csv")
    return workspace


@pytest.fixture(scope="module")
def learned(shop: Workspace) -> Done:
    """The plan beside what happened."""
    words = ("plan=plans/march", "events.path=orders.csv", "outcome=bought")
    done = shop.growthlab("plan", "outcomes", *words)
    assert done.status == 0, done.err
    return done


def command_of(learned: Done, name: str, file: str) -> list[str]:
    """The words of the printed command that reads the file, without the program."""
    lines = learned.out.splitlines()
    (line,) = [each for each in lines if each.startswith(f"growthlab {name} ") and file in each]
    return shlex.split(line)[1:]


def test_probabilities_of_the_draw_are_logged(shop: Workspace, learned: Done) -> None:
    actions = pd.read_parquet(shop.folder / "outcomes/march/actions.parquet")
    # both offers are allowed in both slots: 2 of 4 options each
    assert actions.loc[actions["action"] == "gift", "propensity"].unique() == pytest.approx([0.5])
    table = pd.read_parquet(shop.folder / "outcomes/march/experiment-1.parquet")
    assert set(table["arm"]) == {"no message", "free delivery"}
    # among control (1/4) and half of the exploration (1/2): of the offer 1/4, of nothing 1/4
    assert table["probability_of_offer"].unique() == pytest.approx([0.5])
    assert {"recency", "responses_90_days", "segment"} <= set(table)
    assert "contacts_30_days" not in table  # the same for all: nobody was written to in these days
    everybody = pd.read_parquet(shop.folder / "outcomes/march/customers.parquet")
    assert len(everybody) == N
    # the order in April is not within 14 days
    bought = pd.read_csv(shop.folder / "orders.csv")
    assert everybody["bought"].sum() == len(bought) - 1


def test_ab_says_what_the_plan_changed(shop: Workspace, learned: Done) -> None:
    words = command_of(learned, "ab", "customers")
    done = shop.growthlab(*words)
    assert done.status == 0, done.err
    assert "ab_effect of experiment" in done.out
    assert re.search(r"plan (raised|lowered|shows no effect on) bought", done.out)


def test_ab_compares_chosen_times_with_times_at_random(shop: Workspace, learned: Done) -> None:
    rows = pd.read_parquet(shop.folder / "plans/march/plan.parquet")
    sent = rows[rows["slot_arm"].notna() & rows["offer"].notna()]
    evening = (sent["slot"].dt.hour == 18).groupby(sent["slot_arm"]).mean()
    assert evening["sampled"] > 0.9
    assert 0.3 < evening["random"] < 0.7
    done = shop.growthlab(*command_of(learned, "ab", "send_times"))
    assert done.status == 0, done.err
    assert "ab_effect of send_times" in done.out


def test_ope_says_what_another_policy_would_have_earned(shop: Workspace, learned: Done) -> None:
    (shop.folder / "policy.csv").write_text("action,probability\nfree delivery,1\n")
    done = shop.growthlab(*command_of(learned, "ope", "actions"))
    assert done.status == 0, done.err
    report = json.loads((shop.folder / "reports/policy/ope.json").read_text())
    value, truth = report["estimates"]["SNIPS"], chances()["free delivery"].mean()
    width = value["high"] - value["low"]
    assert abs(value["value"] - truth) < width  # four standard errors
    assert width < 0.15
    assert report["on_policy"]["value"] < value["low"]


def test_the_next_plan_uses_what_was_learned(shop: Workspace, learned: Done) -> None:
    words = command_of(learned, "compare", "experiment-1")
    compared = shop.growthlab(*words, "models=[everybody,t_logistic]", *FAST)
    assert compared.status == 0, compared.err
    data = [word for word in words if word.startswith(("data", "task"))]
    done = shop.growthlab("export", *data)
    assert done.status == 0, done.err
    write_tables(
        shop.folder / "april", "2026-04-06", {"free delivery": "free delivery", "gift": ""}
    )
    bundle = "bundles=[bundles/experiment_table-uplift]"
    done = shop.growthlab("plan", "tables=april", "campaign=april", bundle, *ARMS)
    assert done.status == 0, done.err
    rows = pd.read_parquet(shop.folder / "plans/april/plan.parquet")
    assert set(rows["claim"]) == {"incremental_value"}
    planned = rows[(rows["arm"] == "plan") & rows["offer"].notna()]
    assert set(planned["offer"]) == {"free delivery"}
    recency = customers().set_index("customer")["recency"]
    # 10 an order, and it costs 0.51: worth it below a recency of 7.5, that is for two of three
    left = rows[(rows["arm"] == "plan") & rows["offer"].isna()]
    assert len(left) > 50
    assert len(planned) > len(left)
    assert left["customer"].map(recency).mean() > planned["customer"].map(recency).mean() + 2
    assert "are not planned: gift" in done.out
    assert "bought" not in rows


def test_a_lasting_control_stays_and_says_what_all_campaigns_change(shop: Workspace) -> None:
    write_tables(shop.folder / "may", "2026-03-02", {})
    for campaign in ("may", "june"):  # the same customers, half a year on
        words = ("tables=may", f"campaign={campaign}", "draws=0", LASTING, *ARMS)
        done = shop.growthlab("plan", *words)
        assert done.status == 0, done.err
    months = [pd.read_parquet(shop.folder / f"plans/{c}/plan.parquet") for c in ("may", "june")]
    kept, drawn = (
        [set(rows.loc[rows["arm"] == arm, "customer"]) for rows in months]
        for arm in ("lasting_control", "control")
    )
    assert kept[0] == kept[1]  # whatever the campaign is called
    assert 500 < len(kept[0]) < 700  # a fifth of 3,000
    assert drawn[0] != drawn[1]
    june = months[1].drop_duplicates("customer").set_index("arm")
    assert june.loc["lasting_control", "arm_probability"].unique() == pytest.approx([0.2])
    assert june.loc["control", "arm_probability"].unique() == pytest.approx([0.25 * 0.8])
    assert june.loc["lasting_control", "offer"].isna().all()
    assert "lasting control: held out of all campaigns" in (
        shop.folder / "plans/june/plan.html"
    ).read_text(encoding="utf-8")

    answer_back(shop.folder / "plans/june/plan.parquet", shop.folder / "of_june.csv")
    done = shop.growthlab(
        "plan", "outcomes", "plan=plans/june", "events.path=of_june.csv", "outcome=bought"
    )
    assert done.status == 0, done.err
    experiment = pd.read_parquet(shop.folder / "outcomes/june/experiment-1.parquet")
    assert not set(experiment["customer"]) & kept[1]  # had no earlier campaigns, as all others had
    judged = shop.growthlab(*command_of(done, "ab", "campaigns_arm"))
    assert judged.status == 0, judged.err
    assert "ab_effect of campaigns" in judged.out
    report = json.loads((shop.folder / "reports/campaigns/ab.json").read_text())
    assert (report["control"], list(report["arms"])) == ("lasting_control", ["campaigns"])


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["plan=nowhere"], "plan=nowhere has no plan.parquet"),
        (["outcome=sold"], "outcome=sold is no column of numbers: possible: bought"),
        (["window_days=0"], "window_days must be a whole number of days of 1 or more, got 0"),
        (["window_days=60"], "these days are over for no customer"),
        (["output=."], "march is there and holds no outcomes: name another output"),
        (["events.path=march/customers.csv"], "has no column user_id (events.user_id)"),
    ],
)
def test_mistakes_are_one_line(shop: Workspace, words: list[str], line: str) -> None:
    given = ["plan=plans/march", "events.path=orders.csv", "outcome=bought"]
    kept = [g for g in given if g.partition("=")[0] not in {w.partition("=")[0] for w in words}]
    assert line in shop.growthlab("plan", "outcomes", *kept, *words).mistake
