"""Life-cycle stages, each worked by hand."""

from __future__ import annotations

import pytest
from tests.insight.purchases import AS_OF, buys, log_of

from growthlab.core.errors import ConfigError
from growthlab.data.event_log import EventLog
from growthlab.insight.disclosure import protect_tables
from growthlab.insight.report_scope import ReportScope
from growthlab.insight.sections.life_cycle import STAGES, LifeCycle


@pytest.mark.parametrize(
    ("days", "stage"),
    [
        ((30,), "new"),
        ((31,), "active"),
        ((29, 3), "new"),
        ((200, 90), "active"),  # the silence of 110 days was not 180
        ((200, 91), "at risk"),
        ((180,), "at risk"),
        ((181,), "lapsed"),
        ((300, 119), "at risk"),  # came back from 181 days, and is silent again
        ((300, 89), "won back"),
        ((300, 80, 2), "won back"),
        ((300, 120), "at risk"),
        ((400, 200, 100, 2), "active"),  # came back, but longer ago than 90 days
    ],
)
def test_stages_by_hand(days: tuple[float, ...], stage: str) -> None:
    customers = LifeCycle().customers(log_of(buys("ann", *days)), AS_OF)
    assert customers["stage"].tolist() == [stage]


def test_the_report_counts_every_buyer_and_where_they_came_from(shop: EventLog) -> None:
    scope = ReportScope.of(shop, min_group=10)
    stages = LifeCycle(new_days=14, active_days=28, lapsed_days=60, compare_days=40)
    findings = stages.find(scope)
    assert len(findings.tables) == 2
    rows = stages.customers(shop, scope.as_of)
    counted = [table.rows["customers"].sum() for table in findings.tables]
    assert counted == [len(rows)] * 2  # the moves that cannot occur have no row
    assert len(findings.tables[1].rows) < (len(STAGES) + 1) * len(STAGES)
    shown = protect_tables(findings.tables, 10).tables[1].rows["customers"].dropna()
    assert (shown >= 10).all()


def test_moves_worked_by_hand() -> None:
    rows = [buys(f"a{n}", 400, 100) for n in range(11)]  # won back 90 days ago, at risk now
    rows += [buys(f"b{n}", 10) for n in range(12)]  # had not bought then
    findings = LifeCycle().find(ReportScope.of(log_of(*rows), as_of=str(AS_OF), min_group=10))
    moves = findings.tables[1].rows.set_index(["before", "now"])["customers"].dropna()
    assert moves[moves > 0].to_dict() == {("won back", "at risk"): 11, ("not yet", "new"): 12}


@pytest.mark.parametrize("more", [{"new_days": 0}, {"active_days": 20}, {"lapsed_days": 90}])
def test_stages_that_overlap_are_refused(more: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="stages need 0 < new_days <= active_days < lapsed_days"):
        LifeCycle(**more)
