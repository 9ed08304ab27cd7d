"""RFM: scores by hand, segments that cover every buyer, mistakes refused."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from tests.insight.purchases import AS_OF, buys, log_of

from growthlab.core.errors import ConfigError, DataError
from growthlab.data.event_log import EventLog
from growthlab.insight.buyers import buyers
from growthlab.insight.disclosure import protect_tables
from growthlab.insight.report_scope import ReportScope
from growthlab.insight.sections.rfm import RFM, SEGMENTS, quantile_borders, score_values


def test_buyers_worked_by_hand() -> None:
    rows = log_of(buys("ann", 30, 10, 10, price=4.0), buys("ann", 5, price=3.0, kind="return"),
                  buys("bob", 2), buys("cid", -1), buys("dan", 3, kind="view"))  # fmt: skip
    customers = buyers(rows, AS_OF)
    assert customers.index.tolist() == ["ann", "bob"]  # cid buys later, dan only looks
    ann = customers.loc["ann"]
    assert (ann["orders"], ann["spend"], ann["days_since_last"]) == (2, 9.0, 10.0)
    assert (AS_OF - ann["first_day"]).days == 30
    since = buyers(rows, AS_OF, since=AS_OF - pd.Timedelta(days=20)).loc["ann"]
    assert (since["orders"], since["spend"]) == (1, 5.0)


def test_scores_count_the_borders_below_a_value() -> None:
    assert score_values(pd.Series([1, 2, 3, 5, 9]).to_numpy(), [2, 5]).tolist() == [1, 1, 2, 2, 3]


def test_equal_values_have_equal_scores_and_a_score_may_have_no_customers() -> None:
    values = pd.Series([1, 1, 1, 1, 2]).to_numpy()
    borders = quantile_borders(values, 5)
    assert borders == pytest.approx([1, 1, 1, 1.2])  # the last lies 3.2 of 4 steps on the way
    assert score_values(values, borders).tolist() == [1, 1, 1, 1, 5]


def five() -> EventLog:
    """Five buyers, one a fifth of each measure: the more recent, the more often and the dearer."""
    return log_of(
        *(buys(f"u{n}", *range(101 - 20 * n, 101 - 19 * n), price=float(n)) for n in range(1, 6))
    )


def test_quantile_scores_worked_by_hand() -> None:
    customers = RFM().customers(five(), AS_OF)
    # orders 1 to 5; days since the last 81, 61, 41, 21, 1; spend 1, 4, 9, 16, 25
    assert customers["orders"].tolist() == [1, 2, 3, 4, 5]
    assert customers["spend"].tolist() == [1, 4, 9, 16, 25]
    for measure in ("recency", "frequency", "money"):
        assert customers[f"{measure}_score"].tolist() == [1, 2, 3, 4, 5]
    named = ["hibernating", "hibernating", "need attention", "loyal", "champions"]
    assert customers["segment"].tolist() == named


def test_fixed_borders_give_scores_that_do_not_depend_on_others() -> None:
    fixed = RFM(borders={"recency": [7, 30, 60, 90], "frequency": [1, 2, 3, 4]})
    customers = fixed.customers(log_of(buys("ann", 45, 5), buys("bob", 100)), AS_OF)
    assert customers.loc["ann", ["recency_score", "frequency_score"]].tolist() == [5, 2]
    assert customers.loc["bob", ["recency_score", "frequency_score"]].tolist() == [1, 1]
    assert customers["segment"].tolist() == ["potential loyalists", "hibernating"]


def test_the_first_segment_that_fits_counts_and_any_measure_may_be_asked_for() -> None:
    rich = {"rich": {"money": [5, 5]}, **SEGMENTS}
    assert RFM(segments=rich).customers(five(), AS_OF)["segment"].tolist()[-2:] == ["loyal", "rich"]


def test_a_log_without_prices_has_no_money_score() -> None:
    rows = [{k: v for k, v in row.items() if k != "unit_price"} for row in buys("ann", 5, 3)]
    log = log_of(rows)
    assert "money_score" not in RFM().customers(log, AS_OF)
    with pytest.raises(ConfigError, match="segments ask for money, and the log has no prices"):
        RFM(segments={"rich": {"money": [3, 5]}, "poor": {}}).customers(log, AS_OF)


def test_the_report_has_every_buyer_once_and_no_small_segment(shop: EventLog) -> None:
    scope = ReportScope.of(shop)
    found = RFM().find(scope).tables
    segments = found[0].rows
    assert segments["customers"].sum() == len(buyers(shop, scope.as_of))
    tables = {t.name: t.rows for t in protect_tables(found, 10).tables}
    assert (tables["rfm_segments"]["customers"].dropna() >= 10).all()
    assert set(segments["segment"]) == {*SEGMENTS}
    assert segments["spend_share"].sum() == pytest.approx(1)
    shown = tables["rfm_scores"]["customers"].dropna()
    assert (shown >= 10).all()
    assert found[1].rows.groupby("measure")["customers"].sum().nunique() == 1


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"bins": 1}, "bins must be at least 2"),
        ({"borders": {"recency": [3, 2, 1, 0]}}, "borders.recency must be 4 ascending numbers"),
        ({"borders": {"recncy": [1]}}, "borders has no recncy: did you mean recency"),
        ({"segments": {"a": {"frequency": [5, 1]}}}, r"segments.a.frequency must be \[from, to\]"),
        ({"segments": {"a": {"frequency": [1, 4]}}}, "none fits recency 1, frequency 5, money 1"),
    ],
)
def test_mistakes_are_refused(more: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        RFM(**more)


def test_a_log_without_buyers_has_no_segments() -> None:
    with pytest.raises(DataError, match="nobody in log bought anything before"):
        RFM().customers(log_of(buys("ann", 3, kind="view")), AS_OF)
