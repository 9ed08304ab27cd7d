"""Lookalikes: likeness finds held-out seeds, the lift is counted by hand, few seeds are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tests.insight.purchases import AS_OF, ago, buys, log_of

from growthlab.core.errors import ConfigError, DataError
from growthlab.data.event_log import EventLog
from growthlab.insight.disclosure import protect_table
from growthlab.insight.report_scope import ReportScope, SectionUnavailable
from growthlab.insight.sections.lookalike import HeldOutRanks, Lookalike, count_hits, lift_table
from growthlab.insight.sections.rfm import RFM

TAGS = ["days_since_last", "orders", "basket_value"]


def two_kinds() -> EventLog:
    """40 who buy often and cheap, 40 who buy seldom and dear."""
    often = [buys(f"a{n:02d}", *(1 + n / 40 + 4 * k for k in range(10))) for n in range(40)]
    seldom = [buys(f"b{n:02d}", 50 + n / 40, price=300.0 + n) for n in range(40)]
    return log_of(*often, *seldom)


def seeds(folder: Path, ids: list[str], dates: Any = None) -> str:
    table = pd.DataFrame({"user_id": ids})
    if dates is not None:
        table["date"] = dates
    table.to_csv(folder / "seeds.csv", index=False)
    return str(folder / "seeds.csv")


def lookalike(path: str, **more: Any) -> Lookalike:
    return Lookalike(**{"seeds": path, "features": TAGS, "min_seeds": 10, "size": 0.5, **more})


def test_the_audience_has_the_most_similar_customers_who_are_no_seeds(tmp_path: Path) -> None:
    path = seeds(tmp_path, [f"a{n:02d}" for n in range(20)])
    customers = lookalike(path).customers(two_kinds(), AS_OF)
    assert len(customers) == 30  # half of the other 60
    assert set(customers.index[:20]) == {f"a{n:02d}" for n in range(20, 40)}
    assert customers["rank"].tolist() == list(range(1, 31))
    assert customers["likeness"].is_monotonic_decreasing


def test_hits_count_a_share_of_equals_across_the_border() -> None:
    first, last = np.array([1.0, 2, 2, 6]), np.array([1.0, 5, 5, 6])
    # of the first 3: the first, and of the four equals in places 2 to 5 half, two of them seeds
    assert count_hits(first, last, 3) == 2
    assert count_hits(first, last, 6) == 4


def test_the_lift_worked_by_hand() -> None:
    by_rank = np.array([1.0, 2, 15, 19])
    alike = np.full(4, 1.0), np.full(4, 20.0)  # an order by segment that knows nothing
    rows = lift_table([HeldOutRanks(20, by_rank, by_rank, *alike)], [0.1, 0.5, 1])
    assert rows["customers"].tolist() == [2, 10, 20]
    assert rows["found"].tolist() == [2, 2, 4]
    assert rows["recall"].tolist() == [0.5, 0.5, 1]
    assert rows["lift"].tolist() == [5, 1, 1]
    assert rows["lift_by_segment"].tolist() == pytest.approx([1, 1, 1])


def test_held_out_seeds_are_found_far_above_chance(tmp_path: Path) -> None:
    path = seeds(tmp_path, [f"a{n:02d}" for n in range(30)])
    ranks = lookalike(path).ranks_of_random_parts(two_kinds(), AS_OF)
    assert len(ranks) == 5
    assert sum(len(f.first) for f in ranks) == 30  # each seed once
    assert all(f.n == 80 - 24 for f in ranks)
    table = lift_table(ranks, [0.3]).iloc[0]
    # 16 or 17 places of 56 for 6 held-out and 10 others of their kind
    assert table["lift"] == pytest.approx(1 / 0.3, rel=0.05)


def test_the_composition_of_an_audience_worked_by_hand(tmp_path: Path) -> None:
    path = seeds(tmp_path, [f"a{n:02d}" for n in range(12)])
    section = lookalike(path, size=0.25)  # 17 of the 68 others
    rows = section.composition(two_kinds(), AS_OF).set_index("segment")
    assert rows[["customers", "seeds", "all"]].sum().tolist() == [17, 12, 80]
    np.testing.assert_allclose(rows["share_of_seeds"], rows["seeds"] / 12)
    ids = section.customers(two_kinds(), AS_OF).index
    named = RFM().customers(two_kinds(), AS_OF).loc[ids, "segment"].value_counts()
    assert rows["customers"][rows["customers"] > 0].to_dict() == named[named > 0].to_dict()


def test_the_quality_is_the_lift_of_an_audience_of_the_size(tmp_path: Path) -> None:
    section = lookalike(seeds(tmp_path, [f"a{n:02d}" for n in range(12)]), size=0.2)
    quality = section.quality(two_kinds(), AS_OF)
    ranks = section.ranks_of_random_parts(two_kinds(), AS_OF)
    (row,) = lift_table(ranks, [0.2]).to_dict("records")
    assert quality == {
        "lift_on_random_parts": row["lift"],
        "recall_on_random_parts": row["recall"],
        "lift_by_rfm_on_random_parts": row["lift_by_segment"],
    }


def test_dated_seeds_are_held_out_by_date_with_the_portrait_of_then(tmp_path: Path) -> None:
    ids = [f"a{n:02d}" for n in range(40)]
    path = seeds(tmp_path, ids, [ago(40 - n) for n in range(40)])
    section = lookalike(path)
    (ranks,) = section.ranks_of_later_seeds(two_kinds(), AS_OF)
    # the border is the date of the 29th seed, 12 days ago: 28 shown, 12 later, all had bought
    assert (ranks.n, len(ranks.first)) == (80 - 28, 12)
    assert set(section.quality(two_kinds(), AS_OF)) == {
        "lift_on_later_seeds",
        "recall_on_later_seeds",
        "lift_by_rfm_on_later_seeds",
    }


def test_the_lift_with_dates_comes_first_and_the_other_is_named_for_what_it_is(
    tmp_path: Path,
) -> None:
    ids = [f"a{n:02d}" for n in range(40)]
    scope = ReportScope.of(two_kinds(), as_of=str(AS_OF), min_group=10)
    dated = lookalike(seeds(tmp_path, ids, [ago(40 - n) for n in range(40)])).find(scope)
    assert [(t.title, t.technical) for t in dated.tables[:2]] == [
        ("Lift on the latest seeds", False),
        ("Random parts of the seeds: how alike they are", True),
    ]
    assert dated.tables[0].rows["held_out"].tolist()[0] == 12
    assert "lift_by_segment how well an order by RFM segment alone does" in dated.notes[0]
    undated = lookalike(seeds(tmp_path, ids)).find(scope)
    assert [t.name for t in undated.tables] == ["lookalike_random_parts", "lookalike_composition"]
    assert not undated.tables[0].technical
    assert undated.notes[0].startswith("The seeds have no dates")
    assert "not how well later ones are found" in undated.tables[0].note


def test_without_seeds_there_is_no_section_and_no_audience(shop: EventLog) -> None:
    with pytest.raises(SectionUnavailable, match=r"give a file with section.lookalike.seeds=FILE"):
        Lookalike().find(ReportScope.of(shop))
    with pytest.raises(DataError, match="needs seeds"):
        Lookalike().customers(shop, AS_OF)


def test_few_seeds_are_refused(tmp_path: Path) -> None:
    path = seeds(tmp_path, ["a00", "a01", *(f"x{n}" for n in range(20))])
    with pytest.raises(DataError, match="2 of 22 seeds had bought, and 10 are needed"):
        lookalike(path).customers(two_kinds(), AS_OF)


def test_a_file_without_ids_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "s.csv"
    path.write_text("customer\na\n")
    with pytest.raises(DataError, match="needs a column user_id: it has customer"):
        lookalike(str(path)).customers(two_kinds(), AS_OF)


def test_sensitive_tags_are_refused() -> None:
    with pytest.raises(ConfigError, match="age_band is sensitive"):
        Lookalike(features=["age_band"])
    with pytest.raises(ConfigError, match="min_seeds must be at least 10, got 5"):
        Lookalike(min_seeds=5)


def test_the_report_on_the_shop(shop: EventLog, tmp_path: Path) -> None:
    buyers = shop.query(
        "SELECT DISTINCT user_id FROM events JOIN items USING (item_id) "
        "WHERE event_type = 'purchase' AND category = 'coffee' ORDER BY 1"
    )["user_id"]
    path = seeds(tmp_path, buyers.tolist())
    table, who = Lookalike(seeds=path, min_seeds=20).find(ReportScope.of(shop)).tables
    assert who.rows[["share_of_customers", "share_of_seeds", "share_of_all"]].sum().tolist() == (
        pytest.approx([1, 1, 1])
    )
    rows = protect_table(table, 10).rows.set_index("share")
    assert rows.loc["20%", "lift"] > 1.5  # what they like is in their portrait
    assert rows.loc["20%", "held_out"] == len(buyers)
