"""An attack on reports: what a solver makes of the published figures and of how counts add up.

It knows the published cells and bands alone, and states the sums itself, by table and column.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from scipy.optimize import linprog
from tests.insight.conftest import CONF, sections

from growthlab.core.build import build
from growthlab.data.event_log import EventLog
from growthlab.data.simulated_shop import SimulatedShop
from growthlab.data.source import Source
from growthlab.insight.counts import Sum, count_until
from growthlab.insight.disclosure import protect_table, protect_tables
from growthlab.insight.disclosure_audit import Count, CountSystem
from growthlab.insight.findings import Column, ReportTable
from growthlab.insight.report.growth_report import GrowthReport, build_report
from growthlab.insight.report_scope import ReportScope
from growthlab.insight.sections.risk_value import RiskValue

ATTACKED = (
    "growth",
    "life_cycle",
    "tiers",
    "rfm",
    "repurchase",
    "retention",
    "value_curves",
    "risk_value",
)
Equation = tuple[str, list[str]]  # a whole and its parts


class Attack:
    """Bounds of each count as published, and the equations that hold among them."""

    def __init__(self, report: GrowthReport) -> None:
        self.tables = {table.name: table for table in report.report_tables}
        self.burn_in_end = report.scope.burn_in_end
        self.as_of, self.min_group = report.scope.as_of, report.scope.min_group
        self.bounds: dict[str, tuple[float, float]] = {}
        self.limits: dict[str, int] = {}  # where it is not 10, that of what some of a group did
        self.lasting: set[str] = set()  # counts that a later report has too
        self.begun: dict[str, str] = {}  # of a period that was not over -> of the whole period
        self.equations = [
            *self._growth(),
            *self._segments(),
            *self._moves("life_cycle", "stage"),
            *self._moves("tiers", "tier"),
            *self._scores(),
            *(self._channels() if "channel_curves" in self.tables else ()),
            *self._levels(report),
        ]

    def know(self, name: str, table: str, column: str, row: object) -> str:
        """Note what a cell says of a count: its value, its band, or no more than that it is a count."""
        found = self.tables[table]
        value, band = found.rows.at[row, column], found.withheld_text(row, column)
        low, high = 0.0, 1e5
        if not pd.isna(value):
            low = high = float(value)
        elif band.startswith("under "):
            high = float(band.removeprefix("under ").replace(",", "")) - 1
        elif band:
            low, high = (float(end.replace(",", "")) for end in band.split("–"))
        old = self.bounds.get(name, (0.0, 1e5))
        self.bounds[name] = (max(low, old[0]), min(high, old[1]))
        return name

    def _growth(self) -> Iterator[Equation]:
        """Weeks and months share the days of the weeks that lie in two months; parts have a rest."""
        weeks, months = (self.tables[f"growth_by_{p}"].rows for p in ("week", "month"))
        for period in ("day", "week", "month"):
            rows = self.tables[f"growth_by_{period}"].rows
            pairs = [("new_users", "active_users"), ("buyers", "active_users")]
            for part, whole in [*pairs, ("returning_buyers", "buyers")]:
                if not {part, whole} <= set(rows):
                    continue
                for row in rows.index:
                    at = f"{period} {rows.at[row, 'period']}"
                    if not rows.at[row, "complete"]:
                        whole_period, at = at, f"{at} until {self.as_of}"
                        self.begun |= {f"{c} {at}": f"{c} {whole_period}" for c in (whole, part)}
                    self.lasting |= {f"{c} {at}" for c in (whole, part, f"rest of {part}")}
                    names = [
                        self.know(f"{c} {at}", f"growth_by_{period}", c, row) for c in (whole, part)
                    ]
                    yield names[0], [names[1], f"rest of {part} {at}"]
        known = weeks["period"] >= pd.Timestamp(self.burn_in_end)
        starts = weeks["period"][weeks["complete"] & known]
        pieces: dict[pd.Timestamp, list[str]] = {}
        for row, start in starts.items():
            ends = {start.to_period("M"), (start + pd.Timedelta(days=6)).to_period("M")}
            parts = [f"new in {month} of the week {start}" for month in sorted(ends)]
            for month, part in zip(sorted(ends), parts, strict=True):
                pieces.setdefault(month.start_time, []).append(part)
            yield self.know(f"new of week {start}", "growth_by_week", "new_users", row), parts
        for row, start in months["period"].items():
            full = pieces.get(start, [])
            month = pd.date_range(start, periods=pd.Period(start, "M").days_in_month)
            mondays = month.to_period("W-SUN").start_time.unique()
            if set(mondays) <= set(starts) and months.at[row, "complete"]:
                yield self.know(f"new of month {start}", "growth_by_month", "new_users", row), full

    def _segments(self) -> Iterator[Equation]:
        """The segments of each kind are all buyers, who are published as those of the repeat rate."""
        self.know("all", "repeat_rate", "buyers", 0)
        self.know("again", "repeat_rate", "repeat_buyers", 0)
        for table, by in (("life_cycle", "stage"), ("tiers", "tier"), ("rfm_segments", "segment")):
            yield (
                "all",
                [
                    self.know(f"{table} {label}", table, "customers", row)
                    for row, label in self.tables[table].rows[by].items()
                ],
            )
        counts = [
            self.know(f"days {row}", "purchase_counts", "buyers", row)
            for row in self.tables["purchase_counts"].rows.index
        ]
        yield "all", counts
        yield "again", counts[1:]

    def _moves(self, table: str, by: str) -> Iterator[Equation]:
        moves = "tier_moves" if by == "tier" else f"{table}_moves"
        if moves not in self.tables:
            return
        rows = self.tables[moves].rows
        for label, part in rows.groupby("now", observed=True):
            yield (
                f"{table} {label}",
                [self.know(f"{moves} {row}", moves, "customers", row) for row in part.index],
            )

    def _scores(self) -> Iterator[Equation]:
        borders, pairs = self.tables["rfm_borders"].rows, self.tables["rfm_scores"].rows
        for measure, part in borders.groupby("measure"):
            names = [
                self.know(f"{measure} {borders.at[row, 'score']}", "rfm_borders", "customers", row)
                for row in part.index
            ]
            yield "all", names
        for measure in ("recency", "frequency"):
            for score, part in pairs.groupby(f"{measure}_score", observed=True):
                cells = [self.know(f"cell {n}", "rfm_scores", "customers", n) for n in part.index]
                yield f"{measure} {score}", cells

    def _channels(self) -> Iterator[Equation]:
        """The channels of a time since are all cohorts together; who did something is a part of them."""
        wholes = {"customers": "retention", "active": "retention", "buyers": "value"}
        for figure, table in wholes.items():
            name = f"cohort_{table}_curve"
            for row, since in self.tables[name].rows["since"].items():
                self.know(f"cohorts {figure} {since}", name, figure, row)
        parts: dict[str, list[str]] = {}
        for table in ("channel_quality", "channel_curves"):
            for row, cells in self.tables[table].rows.iterrows():
                size, *some = (
                    self.know(f"{cells['channel']} {figure} {cells['since']}", table, figure, row)
                    for figure in wholes
                )
                self.limits[size] = self.min_group
                for name in some[cells["since"] == 0 :]:  # in their own period all are active
                    yield size, [name, f"rest of {name}"]
                if table == "channel_curves":
                    for figure, name in zip(wholes, (size, *some), strict=True):
                        parts.setdefault(f"cohorts {figure} {cells['since']}", []).append(name)
        yield from parts.items()

    def _levels(self, report: GrowthReport) -> Iterator[Equation]:
        """Each level of value has a third of the buyers, as everybody knows."""
        sizes = RiskValue().customers(report.scope.log, report.scope.as_of)["value_level"]
        rows = self.tables["risk_value"].rows
        for level, part in rows.groupby("value_level", observed=True):
            cells = [self.know(f"levels {n}", "risk_value", "customers", n) for n in part.index]
            self.limits |= dict.fromkeys(cells, self.min_group)
            size = float((sizes == level).sum())
            self.bounds[f"value {level}"] = (size, size)
            yield f"value {level}", cells

    def narrow(self) -> list[str]:
        """See `narrow`."""
        return narrow(self.bounds, self.equations, self.limits)


def narrow_two(earlier: Attack, later: Attack) -> list[str]:
    """See `narrow`, of a reader of both reports."""
    bounds: dict[str, tuple[float, float]] = {}
    limits: dict[str, int] = {}
    equations: list[Equation] = []
    for attack in (earlier, later):

        def dated(name: str, attack: Attack = attack) -> str:
            return name if name in attack.lasting else f"{name} at {attack.as_of}"

        for name, (low, high) in attack.bounds.items():
            old = bounds.get(dated(name), (0.0, 1e5))
            bounds[dated(name)] = (max(low, old[0]), min(high, old[1]))
        limits |= {dated(name): least for name, least in attack.limits.items()}
        equations += [(dated(whole), [*map(dated, parts)]) for whole, parts in attack.equations]
    pairs = [(f"{n} at {later.as_of}", f"{n} at {earlier.as_of}") for n in ("all", "again")]
    pairs += [(whole, begun) for begun, whole in earlier.begun.items()]
    equations += [(whole, [part, f"{whole} since {part}"]) for whole, part in pairs]
    return narrow(bounds, equations, limits)


def narrow(
    known: Mapping[str, tuple[float, float]],
    equations: Sequence[Equation],
    limits: Mapping[str, int],
) -> list[str]:
    """The counts below a limit that the solver confines to fewer than half as many values."""
    names = sorted({n for whole, parts in equations for n in (whole, *parts)})
    place = {name: n for n, name in enumerate(names)}
    bounds = np.array([known.get(name, (0.0, 1e5)) for name in names])
    matrix = np.zeros((len(equations), len(names)))
    for row, (whole, parts) in enumerate(equations):
        matrix[row, place[whole]] += 1
        for part in parts:
            matrix[row, place[part]] -= 1
    found = []
    for rows, hidden in _components(matrix, bounds[:, 0] < bounds[:, 1]):
        sums = matrix[rows] @ np.where(bounds[:, 0] == bounds[:, 1], bounds[:, 0], 0.0)
        part = matrix[np.ix_(rows, hidden)]
        for n, column in enumerate(hidden):
            low, high = (_end(part, -sums, bounds[hidden], n, sign) for sign in (1.0, -1.0))
            least = limits.get(names[column], 10)
            if high < least and high - low + 1 < least / 2:
                found.append(f"{names[column]}: {low:g} to {high:g}")
    return found


def _components(matrix: np.ndarray, hidden: np.ndarray) -> Iterator[tuple[list[int], list[int]]]:
    """The equations that share hidden counts, with these counts."""
    left = set(range(len(matrix)))
    while left:
        rows, new = set(), {left.pop()}
        columns: set[int] = set()
        while new:
            rows |= new
            columns |= {int(c) for r in new for c in np.flatnonzero((matrix[r] != 0) & hidden)}
            touched = np.flatnonzero((matrix[:, sorted(columns)] != 0).any(axis=1))
            new = {int(r) for r in touched} - rows
        left -= rows
        if columns:
            yield sorted(rows), sorted(columns)


def _end(part: np.ndarray, right: np.ndarray, bounds: np.ndarray, n: int, sign: float) -> float:
    """The least (`sign` 1) or largest (-1) whole number that a count can be."""
    weights = np.zeros(part.shape[1])
    weights[n] = sign
    answer = linprog(weights, A_eq=part, b_eq=right, bounds=bounds, method="highs")
    assert answer.status == 0, answer.message
    end = float(answer.x[n])
    return float(np.ceil(end - 1e-6) if sign > 0 else np.floor(end + 1e-6))


@pytest.mark.data
def test_a_solver_finds_no_small_group_in_the_report_of_a_retailer(
    real_data: Callable[[str], Path], tmp_path: Path
) -> None:
    node = yaml.safe_load((CONF.parent / "data" / "online_retail.yaml").read_text())
    path = real_data("online_retail_ii") / "transactions.parquet"
    log = build({**node, "path": str(path)}, Source).prepare(tmp_path)
    report = build_report("retail", ReportScope.of(log), sections(*ATTACKED))
    assert Attack(report).narrow() == []


@pytest.mark.parametrize("min_group", [10, 50])
def test_a_solver_finds_no_small_group_in_the_report_of_a_shop(
    shop: EventLog, min_group: int
) -> None:
    scope = ReportScope.of(shop, min_group=min_group)
    report = build_report("shop", scope, sections(*ATTACKED, "channels"))
    assert Attack(report).narrow() == []


@pytest.mark.parametrize("min_group", [10, 50])
def test_a_solver_finds_none_in_the_reports_of_a_month_and_of_the_month_after(
    shop_source: SimulatedShop, min_group: int
) -> None:
    tables = shop_source.tables()  # without late events, so that a past month stays as it was
    log = EventLog.from_frames(tables.events.drop(columns="ingested_at"), users=tables.users)
    attacked = sections(*ATTACKED, "channels")
    march, april = (
        ReportScope.of(log, as_of=date, min_group=min_group)
        for date in ("2025-04-01", "2025-05-01")
    )
    first = build_report("shop", march, attacked)
    second = build_report("shop", april, attacked, earlier=first.shown)
    assert narrow_two(Attack(first), Attack(second)) == []


def test_the_attack_finds_what_two_figures_give_away() -> None:
    # 100 buyers at the end of March and 103 at the end of April
    known = {"all in April": (103.0, 103.0), "all in March": (100.0, 100.0)}
    assert narrow(known, [("all in April", ["all in March", "rest"])], {}) == ["rest: 3 to 3"]


def segments(*sizes: int) -> ReportTable:
    """A table of segments whose total is known."""
    rows = pd.DataFrame({"segment": [f"s{n}" for n in range(len(sizes))], "customers": sizes})
    names = rows["segment"].tolist()
    columns = {
        "segment": Column("label", "Its name."),
        "customers": Column("customers", "Its size.", ("customers",)),
    }
    return ReportTable(
        "segments",
        "",
        rows,
        columns,
        count_names={"customers": names},
        sums=(Sum("all", tuple(names)),),
        public=("all",),
    )


def test_a_small_row_keeps_its_sense_and_one_more_becomes_a_band() -> None:
    table = protect_table(segments(400, 80, 3), 50)
    assert table.rows["customers"].tolist() == [400, pd.NA, pd.NA]
    assert [table.withheld_text(row, "customers") for row in (1, 2)] == ["50–99", "under 50"]


def test_what_is_not_needed_is_shown() -> None:
    table = protect_table(segments(400, 200, 30, 20), 50)
    assert table.rows["customers"].tolist() == [400, 200, pd.NA, pd.NA]  # 50 in two rows


def test_those_who_did_not_are_protected_as_well() -> None:
    rows = pd.DataFrame({"active": [100, 100], "buyers": [97, 60]})
    columns = {
        "active": Column("customers", "Active.", ("active",)),
        "buyers": Column("customers", "Buyers.", ("active",), ("buyers",), part_of="active"),
        "share": Column("share", "buyers / active.", ("active",), ("buyers",)),
    }
    rows["share"] = rows["buyers"] / rows["active"]
    shown = protect_table(ReportTable("t", "", rows, columns), 50)
    assert shown.rows["buyers"].tolist() == [pd.NA, 60]  # 3 did not buy
    assert shown.rows["share"].isna().tolist() == [True, False]


def test_a_sum_over_two_tables_takes_a_merged_group_apart_no_more() -> None:
    # new + won back = 155, of whom 153 come from "not yet" in another table
    first = segments(155, 300)
    moves = pd.DataFrame({"now": ["new", "won back"], "customers": [153, 2]})
    columns = {
        "now": Column("label", "Stage."),
        "customers": Column("customers", "Moved.", ("customers",)),
    }
    second = ReportTable(
        "moves", "", moves, columns, count_names={"customers": ["m0", "m1"]},
        sums=(Sum("s0", ("m0", "m1")),),
    )  # fmt: skip
    tables = protect_tables((first, second), 50).tables
    both = [tables[0].rows["customers"][0], tables[1].rows["customers"][0]]
    assert pd.isna(both).any()


def test_the_report_before_counts_too() -> None:
    # 100 buyers were published at the end of May: 103 in June would be 3 new ones
    rows = pd.DataFrame({"what": ["buyers"], "customers": [103]})
    columns = {
        "what": Column("label", "Who."),
        "customers": Column("customers", "How many.", ("customers",)),
    }
    names = {"customers": [count_until("buyers", pd.Timestamp("2025-07-01"))]}
    table = ReportTable("t", "", rows, columns, count_names=names)
    earlier = {count_until("buyers", pd.Timestamp("2025-06-01")): (100.0, 100.0)}
    assert protect_tables((table,), 50).tables[0].n_hidden == 0
    assert protect_tables((table,), 50, earlier).tables[0].n_hidden == 1


def test_a_second_report_of_the_same_data_withholds_the_same(shop: EventLog) -> None:
    scope = ReportScope.of(shop, min_group=50)
    chosen = sections("growth", "life_cycle", "rfm", "changes")
    first = build_report("shop", scope, chosen)
    again = build_report("shop", scope, chosen, earlier=first.shown)
    for before, now in zip(first.report_tables, again.report_tables, strict=True):
        assert before.hidden is not None
        pd.testing.assert_frame_equal(before.hidden, now.hidden)


def test_intervals_are_those_that_agree_with_the_sums() -> None:
    counts = {"all": Count(60, low=60, high=60), "a": Count(57), "b": Count(3, high=9)}
    assert CountSystem(counts, [("all", ("a", "b"))]).intervals(["a", "b"]) == {
        "a": (51.0, 60.0),
        "b": (0.0, 9.0),
    }


def test_of_a_range_that_readers_know_no_less_is_shown() -> None:
    count = Count(11, least=10, low=11, high=11)
    count.know(10, 19)
    count.show_nothing()
    assert (count.low, count.high) == (10, 19)
    count.show_band(4)  # 8 to 11
    assert (count.low, count.high) == (10, 11)
