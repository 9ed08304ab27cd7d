"""Goals: what is refused and why, and how far the others are."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from growthlab.core.errors import ConfigError
from growthlab.data.event_log import EventLog
from growthlab.insight.goal_progress import measure_goals, plausible_range
from growthlab.insight.goals import read_goals
from growthlab.insight.report_scope import ReportScope
from growthlab.insight.sections.life_cycle import LifeCycle

GOAL = {"metric": "buyers", "target": 30, "unit": "customers", "deadline": "2025-12-31"}


@pytest.fixture(scope="module")
def log() -> EventLog:
    """20, 22, 24, 26, 28 customers buy in January to May, of whom those of the north are half."""
    rows = [
        (f"u{n}", f"2025-{month:02d}-{1 + 30 * last if not last else 28:02d}")
        for month, size in enumerate((20, 22, 24, 26, 28), start=1)
        for n in range(size)
        for last in (0, 1)
    ]
    events = pd.DataFrame(rows, columns=["user_id", "timestamp"])
    events = pd.concat([events, pd.DataFrame({"user_id": ["u0"], "timestamp": ["2025-05-31"]})])
    users = pd.DataFrame({"user_id": [f"u{n}" for n in range(28)]})
    users["region"] = ["north", "south"] * 13 + ["west", "west"]
    return EventLog.from_frames(events.assign(event_type="purchase"), users=users, name="five")


@pytest.fixture(scope="module")
def scope(log: EventLog) -> ReportScope:
    """All of the log, without a burn-in."""
    return ReportScope.of(log, burn_in_days=0, min_group=10)


def row(scope: ReportScope, **fields: Any) -> dict[str, Any]:
    """The row of one goal."""
    (goal,) = measure_goals(read_goals([{**GOAL, **fields}]), scope).rows.to_dict("records")
    return dict(goal)


def test_the_distance_is_from_the_last_whole_month_to_the_target(scope: ReportScope) -> None:
    goal = row(scope, baseline=20)
    assert (goal["current"], goal["distance"]) == (28.0, 2.0)
    assert goal["progress"] == 0.8  # 8 of 10
    assert (goal["state"], goal["customers"]) == ("open", 28)
    assert goal["days_left"] == 213  # from 1 June to 31 December


def test_the_baseline_defaults_to_the_current_value(scope: ReportScope) -> None:
    goal = row(scope)
    assert (goal["baseline"], goal["progress"]) == (28.0, 0.0)


def test_a_goal_is_reached_or_missed(scope: ReportScope) -> None:
    assert row(scope, baseline=20, target=27)["state"] == "reached"
    assert row(scope, baseline=20, deadline="2025-05-15")["state"] == "missed"


def test_a_goal_to_lower_a_figure_counts_downwards(scope: ReportScope) -> None:
    goal = row(scope, baseline=32, target=24, direction="fall")
    assert goal["progress"] == 0.5
    assert goal["state"] == "open"


def test_shares_may_be_given_in_percent(scope: ReportScope) -> None:
    fields = {"metric": "repeat_buyer_share", "unit": "percent", "target": 95, "baseline": 80}
    goal = row(scope, **fields)
    assert goal["current"] == pytest.approx(100 * 26 / 28)  # two of May are new


def test_a_segment_has_a_history_of_its_own(scope: ReportScope) -> None:
    assert row(scope, segment="region=north", target=14)["current"] == 13.0


def test_the_plausible_range_is_three_deviations_of_the_monthly_change() -> None:
    # every step is a factor of 1.1: deviation ln 1.1, 4 months: 3 x 2 x ln 1.1
    values = [100.0, 110.0, 121.0, 133.1]
    low, high = plausible_range(values, 4)
    assert high == pytest.approx(133.1 * 1.1**6)
    assert low == pytest.approx(133.1 * 1.1**-6)
    assert plausible_range([1.0, 5.0, 1.0, 1.0], 0.1)[1] >= 5.0  # what has been is possible


def test_a_share_stays_below_one() -> None:
    assert plausible_range([0.5, 0.9, 0.5, 0.9], 12, share=True)[1] == 1.0
    assert math.isclose(plausible_range([0.5, 0.5, 0.5], 12, share=True)[1], 0.5)


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({"metric": "buyer"}, "goal 1: unknown metric buyer: did you mean buyers"),
        ({"deadline": None}, "goal 1 has no deadline: a goal without one is never missed"),
        ({"target": None}, "goal 1 has no target"),
        ({"unit": None}, "goal 1 has no unit"),
        ({"unit": "euro"}, "buyers is not counted in euro: possible: customers"),
        ({"metric": "arpu", "unit": "EUR"}, "arpu is not counted in EUR: possible: money"),
        ({"target": "many"}, "target must be a number, got 'many'"),
        ({"target": True}, "target must be a number, got True"),
        ({"baseline": "x"}, "baseline must be a number"),
        ({"direction": "up"}, "direction=up: possible: rise, fall"),
        ({"deadline": "soon"}, "deadline must be a date like 2025-12-31, got 'soon'"),
        ({"metrik": 3}, "no field metrik: did you mean metric"),
    ],
)
def test_a_malformed_goal_is_refused(fields: dict[str, Any], line: str) -> None:
    with pytest.raises(ConfigError, match=line):
        read_goals([{**GOAL, **fields}])


def test_money_may_be_given_in_the_currency_of_the_log() -> None:
    (goal,) = read_goals([{**GOAL, "metric": "arpu", "unit": "GBP"}], "GBP")
    assert goal.unit == "GBP"


@pytest.mark.parametrize(
    ("fields", "state", "why"),
    [
        ({"target": 3000}, "open", "implausible: history allows"),
        ({"target": -1}, "impossible", "buyers cannot be below 0"),
        (
            {"metric": "repeat_buyer_share", "unit": "share", "target": 1.0},
            "impossible",
            "between 0 and 1",
        ),
        ({"segment": "region=nrth"}, "not measured", "nobody has region=nrth: did you mean north"),
        (
            {"segment": "town=x"},
            "not measured",
            "segment town=x is not known: possible: all, region=",
        ),
        ({"segment": "region=west"}, "not measured", "region=west has fewer than 10 customers"),
        ({"deadline": "2024-05-01"}, "not measured", "no month of the log was over at 2024-05-01"),
        (
            {"metric": "user_conversion", "unit": "share", "target": 0.5},
            "not measured",
            "purchases alone",
        ),
    ],
)
def test_a_goal_that_the_data_cannot_answer_has_a_row_with_the_reason(
    scope: ReportScope, fields: dict[str, Any], state: str, why: str
) -> None:
    goal = row(scope, **fields)
    assert goal["state"] == state
    assert why in goal["reason"]


def test_a_goal_is_judged_at_its_deadline_and_not_by_what_came_later(scope: ReportScope) -> None:
    # 24 in March, 28 in May
    goal = row(scope, baseline=20, target=26, deadline="2025-03-31")
    assert (goal["current"], goal["state"]) == (24.0, "missed")
    assert goal["month"] == pd.Timestamp("2025-03-01")
    assert row(scope, baseline=20, target=24, deadline="2025-03-31")["state"] == "reached"


def test_a_goal_that_was_beyond_its_target_at_the_start_is_no_way_back(scope: ReportScope) -> None:
    goal = row(scope, baseline=32, target=24)
    assert goal["state"] == "already met"
    assert math.isnan(goal["progress"])


def named(scope: ReportScope, segment: str, **fields: Any) -> dict[str, Any]:
    """The row of one goal of a segment of the life cycle."""
    stages = LifeCycle(new_days=20, active_days=25, lapsed_days=50)
    goal = {**GOAL, "segment": segment, **fields}
    (row,) = measure_goals(read_goals([goal]), scope, {"life_cycle": stages}).rows.to_dict(
        "records"
    )
    return dict(row)


@pytest.fixture(scope="module")
def stages() -> ReportScope:
    """40 buy on the 2nd of each month from January to July; 11 of them on the 20th of January, too,
    and one more each month: 17 in July."""
    rows = [(f"u{n}", f"2025-{month:02d}-02") for month in range(1, 8) for n in range(40)]
    rows += [(f"u{n}", f"2025-{month:02d}-20") for month in range(1, 8) for n in range(10 + month)]
    events = pd.DataFrame([*rows, ("late", "2025-07-31")], columns=["user_id", "timestamp"])
    log = EventLog.from_frames(events.assign(event_type="purchase"), name="staged")
    return ReportScope.of(log, burn_in_days=20, min_group=10)


def test_the_segment_of_a_section_is_formed_anew_as_each_month_begins(stages: ReportScope) -> None:
    # on 1 July 16 have bought within 25 days (on 20 June), 24 last did on 2 June: at risk
    assert named(stages, "life_cycle=active", target=17)["current"] == 16
    goal = named(stages, "life_cycle=at risk", target=23)
    assert (goal["current"], goal["customers"]) == (24, 24)
    # on 20 July one of them buys as well, who was not active when July began
    orders = {"metric": "orders", "unit": "orders", "target": 26}
    assert named(stages, "life_cycle=at risk", **orders)["current"] == 25


@pytest.mark.parametrize(
    ("segment", "metric", "line"),
    [
        (
            "life_cycle=actve",
            "buyers",
            "segment life_cycle=actve is not known: did you mean active",
        ),
        ("lifecycle=active", "buyers", "not known: did you mean life_cycle="),
        ("life_cycle=active", "new_users", "all its customers have bought before"),
    ],
)
def test_a_goal_for_an_unknown_segment_has_a_row_with_the_reason(
    stages: ReportScope, segment: str, metric: str, line: str
) -> None:
    assert line in named(stages, segment, metric=metric)["reason"]


def test_a_segment_that_is_always_small_has_no_history(stages: ReportScope) -> None:
    why = named(stages, "life_cycle=lapsed")["reason"]
    assert "history has 0 whole months of at least 10" in why


def test_a_short_history_gives_no_plausible_range(log: EventLog) -> None:
    goal = row(ReportScope.of(log, as_of="2025-03-01", burn_in_days=0, min_group=10))
    assert "history has 2 whole months" in goal["reason"]


def test_a_file_holds_a_list_or_goals(tmp_path: Path) -> None:
    path = tmp_path / "goals.yaml"
    path.write_text(
        "goals:\n- {metric: buyers, target: 30, unit: customers, deadline: 2025-12-31, owner: ann}\n"
    )
    (goal,) = read_goals(path)
    assert (goal.metric, goal.target, goal.owner, goal.segment) == ("buyers", 30.0, "ann", "all")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "holds no list of goals"),
        ("metric: buyers", "holds no list of goals"),
        ("- buyers", "goal 1 of .* is no mapping"),
        ("- {a: [}", "is no YAML file"),
        (
            "- {metric: buyers, target: 3, unit: customers, deadline: 2025-13-01}",
            "deadline must be a date like 2025-12-31, got '2025-13-01'",
        ),
    ],
)
def test_a_file_without_goals_is_refused(tmp_path: Path, text: str, line: str) -> None:
    path = tmp_path / "goals.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=line):
        read_goals(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot be read .No such file"):
        read_goals(tmp_path / "none.yaml")
