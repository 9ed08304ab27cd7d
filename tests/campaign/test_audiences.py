"""Offers for lists of customers, each with a window of their own."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from tests.campaign.conftest import holdout_of, settings_with, written

from growthlab.campaign.audiences import with_audiences
from growthlab.campaign.campaign_tables import CampaignTables
from growthlab.campaign.checker import PlanCheck
from growthlab.campaign.offer_values import OfferValues
from growthlab.campaign.options import Options
from growthlab.campaign.planning import CampaignPlan
from growthlab.core.errors import ConfigError, DataError

Frames = dict[str, pd.DataFrame]


@pytest.fixture
def lists(tmp_path: Path) -> Path:
    """Birthdays of c100 to c119 on 2 December and of c120 on 20 December, and tiers of all."""
    folder = tmp_path / "segments"
    folder.mkdir()
    days = ["2026-12-02"] * 20 + ["2026-12-20"]
    triggers = pd.DataFrame({"user_id": [f"c{n}" for n in range(100, 121)], "date": days})
    triggers["date"] = pd.to_datetime(triggers["date"])
    others = pd.DataFrame({"user_id": ["c200"], "date": [pd.Timestamp("2026-12-01")]})
    pd.concat(
        [triggers.assign(trigger="birthday"), others.assign(trigger="risk_crossing")]
    ).to_parquet(folder / "triggers.parquet")
    tiers = pd.DataFrame(
        {"user_id": [f"c{n:03d}" for n in range(400)] + ["of another shop"], "progress": 0.5}
    )
    tiers.loc[50:89, "progress"] = 0.9
    tiers.to_parquet(folder / "tiers.parquet")
    return folder


def tables_of(
    frames: Frames, folder: Path, lists: Path | None, **columns: list[str]
) -> CampaignTables:
    frames["offers"] = frames["offers"].assign(**columns)
    folder = written(frames, folder)
    tables = CampaignTables.read(folder)
    tables = tables.limited_to(7, tables.times[0])
    return with_audiences(tables, folder, lists)


def sent_of(tables: CampaignTables, folder: Path) -> pd.DataFrame:
    settings = settings_with(budget=None)
    options = Options(tables, OfferValues.read(folder, tables), settings)
    plan = CampaignPlan.of(options, holdout_of(settings))
    path = folder / "plan.parquet"
    plan.rows.to_parquet(path)
    assert PlanCheck(tables, settings, holdout_of(settings)).faults(path) == []
    return plan.rows[plan.rows["offer"].notna()]


def test_a_trigger_is_an_offer_around_its_date(frames: Frames, tmp_path: Path, lists: Path) -> None:
    audience = ["", "triggers:trigger=birthday"]
    columns = {"days_before": ["", "0"], "days_after": ["", "1"], "segments": ["", ""]}
    tables = tables_of(frames, tmp_path, lists, audience=audience, **columns)
    sent = sent_of(tables, tmp_path)
    given = sent[sent["offer"] == "ten off"]
    assert len(given)
    assert set(given["customer"]) <= {f"c{n}" for n in range(100, 120)}
    # the birthdays of the 2nd: not on the 1st, and for c120, whose birthday is later, not at all
    assert set(given["slot"].dt.date.astype(str)) == {"2026-12-02"}
    assert (sent["offer"] == "news").any()  # is for everybody


def test_a_number_chooses_and_customers_of_other_shops_are_left_out(
    frames: Frames, tmp_path: Path, lists: Path
) -> None:
    tables = tables_of(frames, tmp_path, lists, audience=["tiers:progress>=0.8", ""])
    assert set(tables.eligibility["customer"]) == {f"c{n:03d}" for n in range(50, 90)}
    sent = sent_of(tables, tmp_path)
    assert set(sent.loc[sent["offer"] == "news", "customer"]) <= set(tables.eligibility["customer"])


def test_the_table_of_eligibility_has_a_window_a_customer(frames: Frames, tmp_path: Path) -> None:
    frames["eligibility"] = pd.DataFrame(
        {
            "offer": "news",
            "customer": ["c005", "c006"],
            "start": ["", "2026-12-02"],
            "end": ["", ""],
        }
    )
    sent = sent_of(tables_of(frames, tmp_path, None), tmp_path)
    news = sent[sent["offer"] == "news"]
    assert set(news["customer"]) <= {"c005", "c006"}
    late = news[news["customer"] == "c006"]
    assert (late["slot"] >= pd.Timestamp("2026-12-02")).all()


def test_the_checker_finds_messages_outside_their_list(
    frames: Frames, tmp_path: Path, lists: Path
) -> None:
    settings = settings_with(budget=None)
    everybody = tables_of(frames, tmp_path, lists)
    options = Options(everybody, OfferValues.read(tmp_path, everybody), settings)
    CampaignPlan.of(options, holdout_of(settings)).rows.to_parquet(tmp_path / "plan.parquet")
    few = tables_of(frames, tmp_path, lists, audience=["tiers:progress>=0.8", ""])
    faults = PlanCheck(few, settings, holdout_of(settings)).faults(tmp_path / "plan.parquet")
    assert any("messages of news and others outside their list" in fault for fault in faults)


@pytest.mark.parametrize(
    ("audience", "said"),
    [
        ("segments", r"has no list segments: possible: tiers, triggers"),
        ("tiers:level=gold", "has no column level"),
        ("tiers:progress>=much", "much is no number to compare with"),
        ("tiers progress", "is tiers progress, not a list such as"),
    ],
)
def test_an_audience_that_is_none_is_one_line(
    frames: Frames, tmp_path: Path, lists: Path, audience: str, said: str
) -> None:
    with pytest.raises((ConfigError, DataError), match=said):
        tables_of(frames, tmp_path, lists, audience=[audience, ""])


def test_lists_and_customers_that_are_not_there_are_one_line(
    frames: Frames, tmp_path: Path, lists: Path
) -> None:
    with pytest.raises(ConfigError, match="audience of news needs lists: the folder"):
        tables_of(frames, tmp_path, None, audience=["tiers", ""])
    pd.DataFrame({"user_id": ["x"]}).to_parquet(lists / "strangers.parquet")
    with pytest.raises(DataError, match="knows none of the customers"):
        tables_of(frames, tmp_path, lists, audience=["strangers", ""])
    frames["offers"] = frames["offers"].drop(columns="audience")
    for column, line in (("offer", "offer gift is not known"), ("customer", "customer c9 is not")):
        row = {"offer": "news", "customer": "c001", column: "gift" if column == "offer" else "c9"}
        frames["eligibility"] = pd.DataFrame([row])
        with pytest.raises(DataError, match=line):
            tables_of(frames, tmp_path, None)


class ModelLists:
    """A model that recommends the same to everybody."""

    def items(self, customers: list[str], k: int) -> list[str]:
        return ["bestseller"] * len(customers)


def test_an_offer_for_a_list_of_items_recommends_them_in_the_list_s_order(
    frames: Frames, tmp_path: Path, lists: Path
) -> None:
    # what is due for c100 on the 2nd is not shown on the 1st; the list names z before a
    due = pd.DataFrame(
        {
            "user_id": ["c100", "c100", "c100", "c101"],
            "item_id": ["z", "a", "late", "z"],
            "date": pd.to_datetime(["2026-12-01", "2026-12-01", "2026-12-09", "2026-12-01"]),
        }
    )
    due.to_parquet(lists / "replenishment.parquet")
    tables = tables_of(frames, tmp_path, lists, audience=["replenishment", ""])
    settings = settings_with(budget=None, control=0.001, explore=0.001)
    options = Options(tables, OfferValues.read(tmp_path, tables), settings)
    plan = CampaignPlan.of(options, holdout_of(settings))
    for k, both in ((1, "z"), (2, "z|a"), (9, "z|a")):
        rows = plan.with_items(ModelLists(), k).rows
        given = rows[rows["offer"] == "news"].set_index("customer")["items"].to_dict()
        assert given == {"c100": both, "c101": "z"}
        assert set(rows[rows["offer"] == "ten off"]["items"]) == {"bestseller"}
        assert rows[rows["offer"].isna()]["items"].isna().all()


def test_the_table_of_eligibility_names_items_too(frames: Frames, tmp_path: Path) -> None:
    frames["eligibility"] = pd.DataFrame(
        {"offer": "news", "customer": ["c105", "c106"], "item": ["tea", ""]}
    )
    tables = tables_of(frames, tmp_path, None)
    settings = settings_with(budget=None, control=0.001, explore=0.001)
    options = Options(tables, OfferValues.read(tmp_path, tables), settings)
    rows = CampaignPlan.of(options, holdout_of(settings)).with_items(ModelLists(), 3).rows
    given = rows[rows["offer"] == "news"].set_index("customer")["items"].to_dict()
    assert given == {"c105": "tea", "c106": "bestseller"}
